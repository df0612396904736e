"""`bullpen compare` as its user meets it."""

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from harness import end_with

BULLPEN = os.environ.get("BULLPEN", str(Path(__file__).resolve().parents[2] / "build" / "bullpen"))
# Its figures are as short as a user\'s; a sanitized server\'s are not.
OPTIMISED = os.environ.get("BULLPEN_OPTIMISED", BULLPEN)
SOME = ["iterative", "fork", "prefork"]
THREE = ["--models", ",".join(SOME)]
QUICK = ["--connections", "1000", "--workers", "4", "--repeat", "1"]
PATIENCE_S = 180


def children_of(pid):
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


class Terminal:
    """The terminal that a program writes to, seen from the other side."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.shown = b""

    def read_until(self, text):
        while text not in self.shown:
            if not self._read():
                raise AssertionError(f"the program ended without showing {text}: {self.shown[-200:]}")

    def read_to_the_end(self):
        while self._read():
            pass
        return self.shown

    def _read(self):
        if not select.select([self.descriptor], [], [], PATIENCE_S)[0]:
            raise AssertionError(f"nothing more is shown: {self.shown[-200:]}")
        try:
            piece = os.read(self.descriptor, 4096)
        except OSError:  # EIO: nobody has the terminal open any more.
            return False
        self.shown += piece
        return bool(piece)

    def close(self):
        os.close(self.descriptor)


def processes_in(directory):
    """Those whose TMPDIR is this test's own: all that compare has started."""
    mark = f"TMPDIR={directory}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:
            pass
    return found


class CompareTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)
        self.temporary = self.directory / "tmp"
        self.temporary.mkdir()
        self.environment = dict(os.environ, TMPDIR=str(self.temporary))

    def tearDown(self):
        self.assertEqual(list(self.temporary.iterdir()), [], "temporary files are left behind")
        self.assertEqual(processes_in(self.temporary), [], "processes are left behind")

    def compare(self, *arguments, program=BULLPEN):
        return subprocess.run([program, "compare", *arguments], env=self.environment, capture_output=True,
                              text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL)

    def start_on_terminal(self, *arguments):
        """Its stderr is a terminal, which tells how far it is."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen([BULLPEN, "compare", *arguments], env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=theirs, text=True, start_new_session=True,
                                   preexec_fn=end_with(os.getpid()))
        os.close(theirs)
        terminal = Terminal(ours)
        self.addCleanup(process.stdout.close)
        self.addCleanup(terminal.close)
        self.addCleanup(process.kill)
        return process, terminal

    def compare_to_json(self, *arguments):
        path = self.directory / "result.json"
        result = self.compare("--json", str(path), *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout, json.loads(path.read_text())

    def rows(self, table):
        """The speed table's lines by model, as lists of cells."""
        return {line.split()[0]: line.split() for line in reversed(table.splitlines())
                if len(line.split()) == 9 and line.split()[0] in SOME and line.split()[1][0] in "–0123456789"}

    def measurements(self, result):
        [workload] = result["workloads"]
        return workload["measurements"]

    def runs(self, result):
        return [(measurement, run) for measurement in self.measurements(result) for run in measurement["runs"]]


class TheTable(CompareTest):
    def test_models_are_measured_on_the_same_work_and_every_connection_is_accounted_for(self):
        table, result = self.compare_to_json(*QUICK, *THREE)
        self.assertEqual([m["model"] for m in self.measurements(result)], SOME)
        for measurement, run in self.runs(result):
            self.assertEqual(run["requests"], 1000)
            self.assertEqual(run["errors"], [])
            self.assertIn(sum(run["connections_by_slot"]), range(1001, 1051))  # With the warm-up, which ends early
            # on a slow machine.
            self.assertEqual(run["unaccounted"], 0)
            self.assertEqual(run["lost"], 0)
            [latency] = run["latency"]
            self.assertEqual(latency["requests"], 1000)
            self.assertLessEqual(latency["summary"]["p50_us"], latency["summary"]["p99_us"])
            self.assertLessEqual(latency["summary"]["p99_us"], latency["summary"]["max_us"])
            self.assertGreater(run["memory"]["master_kb"], 0)
            self.assertGreater(run["memory"]["workers_kb"], 0)
            self.assertGreater(measurement["summary"]["cpu_us"]["median"], 0)
            self.assertGreater(run["server"]["voluntary_switches"], 0)
        self.assertEqual(self.measurements(result)[0]["summary"]["cpu_us_above_iterative"], 0)
        self.assertEqual(list(self.rows(table)), list(reversed(SOME)))
        self.assertIn("one for each connection", table)

    def test_every_model_takes_part_or_says_why_not(self):
        _, result = self.compare_to_json("--connections", "100", "--workers", "2", "--repeat", "1")
        known = "".join(subprocess.run([BULLPEN, *words], capture_output=True, text=True, check=True).stdout
                        for words in (["models"], ["compare", "--help"]))
        [workload] = result["workloads"]
        shown = [m["model"] for m in workload["measurements"]] + [left["model"] for left in workload["left_out"]]
        self.assertGreater(len(shown), 10)
        for model in shown:
            self.assertIn(model, known)
        for _, run in self.runs(result):
            self.assertEqual(run["requests"], 100)
            self.assertEqual(run["unaccounted"], 0)

    def test_runs_are_repeated_and_their_spread_is_shown(self):
        table, result = self.compare_to_json("--connections", "200", "--repeat", "3", *THREE)
        for measurement in self.measurements(result):
            self.assertEqual(len(measurement["runs"]), 3)
            spread = measurement["summary"]["requests_per_s"]
            self.assertLessEqual(spread["min"], spread["median"])
            self.assertLessEqual(spread["median"], spread["max"])
        self.assertIn("3 runs of each model, in turn", table)

    def test_runs_take_the_time_they_are_given(self):
        _, result = self.compare_to_json("--duration", "0.2", "--repeat", "2", "--models", "prefork")
        for _, run in self.runs(result):
            self.assertGreaterEqual(run["wall_s"], 0.2)
            self.assertGreater(run["requests"], 0)

    def test_no_line_is_wider_than_80_columns_and_stderr_stays_empty_without_a_terminal(self):
        result = self.compare("--connections", "200", "--workers", "40", "--repeat", "2", program=OPTIMISED)
        self.assertEqual(result.returncode, 0)
        self.assertEqual(result.stderr, "")
        self.assertLessEqual(max(len(line) for line in result.stdout.splitlines()), 80)

    def test_a_process_per_client_costs_more_than_a_pool(self):
        _, result = self.compare_to_json(*QUICK, *THREE)
        cpu = {m["model"]: m["summary"]["cpu_us"]["median"] for m in self.measurements(result)}
        self.assertGreater(cpu["fork"], 2 * cpu["prefork"])

    def test_only_the_models_asked_for_are_run_in_that_order(self):
        table, result = self.compare_to_json(*QUICK, "--models", "prefork,fork")
        self.assertEqual([m["model"] for m in self.measurements(result)], ["prefork", "fork"])
        self.assertIsNone(self.measurements(result)[0]["summary"]["cpu_us_above_iterative"])

    def test_kept_alive_connections_make_many_requests(self):
        table, result = self.compare_to_json("--workload", "keep-alive", "--connections", "60", "--requests", "20",
                                             "--workers", "4", "--repeat", "1", *THREE)
        for _, run in self.runs(result):
            self.assertEqual(run["requests"], 1200)
            self.assertEqual(run["errors"], [])
        self.assertIn("20 requests in a row", table)

    def test_echo_is_spoken_too(self):
        for more in [[], ["--workload", "keep-alive", "--requests", "5"], ["--size", "50000"]]:
            _, result = self.compare_to_json("--service", "echo", "--connections", "200", "--repeat", "1", *THREE, *more)
            for _, run in self.runs(result):
                self.assertEqual(run["errors"], [])
                self.assertEqual(run["requests"], 1000 if "--requests" in more else 200)

    def test_all_workloads_are_served(self):
        _, result = self.compare_to_json("--workload", "all", "--connections", "200", "--requests", "10", "--repeat", "1",
                                         "--models", "prefork", "--sleep-ms", "2", "--cpu-us", "50", "--idle", "10,20")
        names = [workload["workload"]["name"] for workload in result["workloads"]]
        self.assertEqual(names, ["short", "keep-alive", "skewed", "cpu", "io", "large", "slow", "idle-10", "idle-20"])
        for workload in result["workloads"]:
            [measurement] = workload["measurements"]
            self.assertEqual(measurement["failure"], "", workload["workload"]["name"])
            [run] = measurement["runs"]
            self.assertGreater(run["requests"], 0)
            self.assertEqual(run["errors"], [], workload["workload"]["name"])
        latency = {workload["workload"]["name"]: workload["measurements"][0]["runs"][0]["latency"]
                   for workload in result["workloads"]}
        self.assertEqual([kind["name"] for kind in latency["skewed"]], ["fast", "slow"])
        self.assertGreaterEqual(latency["skewed"][1]["summary"]["p50_us"], 20_000)
        self.assertGreaterEqual(latency["io"][0]["summary"]["p50_us"], 2_000)
        self.assertGreaterEqual(latency["slow"][0]["summary"]["p50_us"], 100_000)

    def test_a_large_file_is_sent_by_sendfile_or_read_and_written(self):
        for how, path in (("sendfile", "/file/1048576"), ("copy", "/copy/1048576")):
            _, result = self.compare_to_json("--workload", "large", "--send-file", how, "--connections", "40", "--repeat",
                                             "1", "--models", "prefork,event,thread")
            [workload] = result["workloads"]
            self.assertEqual(workload["workload"]["path"], path)
            for _, run in self.runs(result):
                self.assertEqual((run["errors"], run["requests"]), ([], 40))

    def test_datagrams_are_asked_of_the_models_that_serve_them(self):
        report = self.directory / "datagram.html"
        table, result = self.compare_to_json("--workload", "datagram", "--connections", "400", "--workers", "3", "--repeat",
                                             "1", "--concurrency", "4", "--report", str(report))
        serving = {m["model"]: m for m in self.measurements(result)}
        self.assertLessEqual({"iterative", "prefork", "prefork-accept", "prefork-reuseport", "prethread", "prethread-accept"},
                             set(serving))
        self.assertNotIn("select", serving)
        self.assertEqual(result["workloads"][0]["left_out"], [])
        for measurement, run in self.runs(result):
            self.assertEqual(measurement["failure"], "")
            self.assertEqual((run["requests"], run["errors"], run["unaccounted"]), (400, [], 0))
            datagrams = run["datagrams"]
            self.assertEqual(datagrams["sent"], 400 + datagrams["retransmissions"])
            self.assertLessEqual(datagrams["answers"], datagrams["sent"])
            self.assertEqual(datagrams["dropped"], 0)
            self.assertLessEqual(measurement["summary"]["loss"]["median"], 0.1)
            self.assertGreater(run["latency"][0]["summary"]["p50_us"], 0)
            if measurement["model"] != "fork":  # At rest it has no worker.
                self.assertGreater(run["memory"]["workers_kb"], 0)
            self.assertGreater(sum(run["connections_by_slot"]), 400)  # The warm-up's, too.
        self.assertIn("dropped by the kernel", table)
        self.assertLessEqual(max(len(line) for line in table.splitlines()), 80)
        page = report.read_text()
        self.assertIn("Datagrams, all runs together", page)
        again = self.compare("--from", str(self.directory / "result.json"), "--report", str(report))
        self.assertEqual((again.stdout, report.read_text()), (table, page))

    def test_a_model_that_serves_no_datagrams_is_left_out_beside_one_that_does(self):
        _, result = self.compare_to_json("--workload", "datagram", "--connections", "50", "--models", "fork,prefork",
                                         "--repeat", "1", "--size", "1000")
        left_out = {left["model"] for left in result["workloads"][0]["left_out"]}
        shown = {m["model"] for m in self.measurements(result)}
        self.assertEqual((shown | left_out, shown & left_out), ({"fork", "prefork"}, set()))
        self.assertIn("prefork", shown)

    def test_transports_are_compared_by_one_echo_and_full_buffers_are_tried(self):
        report = self.directory / "transports.html"
        table, result = self.compare_to_json("--workload", "transports", "--duration", "0.2", "--repeat", "1", "--concurrency",
                                             "4", "--requests", "20", "--report", str(report))
        self.assertEqual([m["model"] for m in self.measurements(result)],
                         ["tcp-kept", "tcp-each", "udp", "unix-kept", "unix-each", "unixgram"])
        self.assertEqual(result["workers"], 4)
        for measurement, run in self.runs(result):
            name = measurement["model"]
            self.assertEqual((measurement["failure"], run["errors"], run["unaccounted"]), ("", [], 0))
            self.assertGreater(run["requests"], 0)
            self.assertGreater(run["latency"][0]["summary"]["p50_us"], 0)
            self.assertEqual(run["datagrams"]["sent"] > 0, name in ("udp", "unixgram"))
            if name.endswith("-kept"):
                self.assertGreaterEqual(run["requests"], 10 * run["connections"])
            if name.endswith("-each"):
                self.assertEqual(run["requests"], run["connections"])
        tried = {found["transport"]: found for found in result["workloads"][0]["full_buffers"]}
        self.assertEqual(sorted(tried), ["tcp", "udp", "unix", "unixgram"])
        for name, found in tried.items():
            self.assertEqual(found["sent"], found["received"] + found["dropped"], name)
            self.assertEqual((found["waits"], found["would_block"], found["dropped"] == 0), (name != "udp",) * 3, name)
        self.assertIn("A trial of a full receive buffer", table)
        self.assertLessEqual(max(len(line) for line in table.splitlines()), 80)
        page = report.read_text()
        self.assertIn("An echo over 6 transports", page)
        again = self.compare("--from", str(self.directory / "result.json"), "--report", str(report))
        self.assertEqual((again.stdout, report.read_text()), (table, page))

    def test_an_open_loop_asks_as_often_as_it_is_told(self):
        table, result = self.compare_to_json("--rate", "100", "--duration", "1", "--repeat", "2", "--models",
                                             "iterative,prefork")
        for _, run in self.runs(result):
            self.assertLessEqual(run["requests"], 110)
        self.assertIn("open loop, 100 requests a second", " ".join(table.split()))

    def test_the_books_test_prints_its_two_figures(self):
        table = self.compare("--stevens", "--repeat", "1", program=OPTIMISED).stdout
        self.assertIn("UNP figure 30.1", " ".join(table.split()))
        self.assertIn("prefork, descriptors passed", table)
        self.assertIn("prefork, children accept", table)
        self.assertIn("row 2", table)
        figure = [line.split() for line in table[table.index("UNP figure 30.2"):].splitlines() if line.split()]
        children = [words for words in figure if words[0].isdigit() and words[-1].isdigit()]
        self.assertEqual(len(children), 15)
        self.assertLessEqual(max(len(line) for line in table.splitlines()), 80)

    def test_a_directory_of_the_users_is_served(self):
        (self.directory / "sub").mkdir()
        (self.directory / "sub" / "a b.txt").write_bytes(b"x" * 5000)
        table, result = self.compare_to_json(*QUICK, "--models", "iterative", "--root", str(self.directory),
                                             "--path", "/sub/a%20b.txt")
        self.assertEqual(result["workloads"][0]["workload"]["answer_bytes"], 5000)
        self.assertIn("/sub/a%20b.txt, 5,000 bytes", table)

    def test_an_old_result_is_replaced_as_a_whole(self):
        (self.directory / "result.json").write_text("x" * 100_000)
        self.compare_to_json(*QUICK, "--models", "iterative")
        self.assertEqual([p.name for p in self.directory.iterdir() if p.is_file()], ["result.json"])

    def test_progress_is_shown_on_a_terminal_and_wiped_at_the_end(self):
        process, terminal = self.start_on_terminal(*QUICK, "--models", "iterative")
        table, _ = process.communicate(timeout=PATIENCE_S)
        shown = terminal.read_to_the_end()
        self.assertIn(b"This takes at most", shown)
        self.assertIn(b"short, 1 of 1, iterative: ", shown)
        self.assertIn(b" of 1,000 connections", shown)
        self.assertTrue(shown.endswith(b"\r\x1b[K"), shown[-80:])
        self.assertIn("iterative", table)


class WhatCannotBe(CompareTest):
    def assert_refused(self, status, sentence, *arguments):
        before = time.monotonic()
        result = self.compare(*arguments)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertIn(sentence, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertLess(time.monotonic() - before, 5, "it is known before the runs begin")

    def test_an_unknown_name_is_answered_with_the_known_ones_and_the_nearest(self):
        self.assert_refused(2, "no model 'prefrok' (did you mean prefork?); known are prefork,",
                            "--models", "iterative,prefrok")
        self.assert_refused(2, "no service 'htpt'", "--service", "htpt")

    def test_numbers_out_of_range_are_refused(self):
        self.assert_refused(2, "--concurrency: expected a number from 1 to", "--concurrency", "0")
        self.assert_refused(2, "--workers: expected", "--workers", "-1")
        self.assert_refused(2, "--connections", "--connections", "-5")
        self.assert_refused(2, "--repeat: expected a number from 1 to", "--repeat", "0")
        self.assert_refused(2, "--duration: expected seconds from 0.1", "--duration", "0")
        self.assert_refused(2, "--rate: expected", "--rate", "-3")
        self.assert_refused(2, "--size: with --service echo expected a number from 1 to 65536, got 65537", "--service",
                            "echo", "--size", "65537")

    def test_how_a_file_is_sent_is_for_the_large_ones(self):
        self.assert_refused(2, "--send-file: it needs --workload large", "--send-file", "copy")
        self.assert_refused(2, "--idle: it needs --workload idle", "--idle", "5")
        self.assert_refused(2, "--idle: expected a number from 1 to 10000, got 0", "--workload", "idle", "--idle", "5,0")
        self.assert_refused(2, "--send-file: expected sendfile or copy, got 'mmap'", "--workload", "large", "--send-file",
                            "mmap")

    def test_idle_connections_are_held_beside_the_load_by_those_that_can(self):
        report, numbers = self.directory / "idle.html", self.directory / "idle.json"
        done = self.compare("--workload", "idle", "--idle", "20,1000", "--duration", "0.3", "--repeat", "1", "--models",
                            "select,epoll,iterative", "--report", str(report), "--json", str(numbers))
        self.assertEqual(done.returncode, 1, done.stderr)  # One of them can't.
        few, many = json.loads(numbers.read_text())["workloads"]
        self.assertEqual([few["workload"]["name"], many["workload"]["name"]], ["idle-20", "idle-1000"])
        self.assertEqual(many["left_out"], [{"model": "select",
                                             "reason": "it holds at most 1000 connections, with FD_SETSIZE 1024."}])
        failures = {m["model"]: m["failure"] for m in few["measurements"]}
        self.assertEqual((failures["select"], failures["epoll"]), ("", ""))
        self.assertIn("of 20 idle connections it held only", failures["iterative"])
        self.assertIn("CPU time of a request beside idle connections", report.read_text())

    def test_what_asks_for_connections_does_not_go_with_datagrams(self):
        for flag, value in (("--rate", "5"), ("--requests", "5"), ("--service", "echo"), ("--send-file", "copy")):
            self.assert_refused(2, f"{flag}: it does not go with --workload datagram, which asks by datagrams",
                                "--workload", "datagram", flag, value)
        self.assert_refused(2, "--rate: it does not go with --workload datagram", "--workload", "short,datagram", "--rate", "5")
        self.assert_refused(2, "--size: with --workload datagram expected a number from 16 to 65507, got 15", "--workload",
                            "datagram", "--size", "15")
        self.assert_refused(2, "--models: expected one that serves datagrams (iterative, ", "--workload", "datagram",
                            "--models", "select")

    def test_transports_are_compared_by_themselves_under_one_model(self):
        self.assert_refused(2, "--workload: transports goes with no other workload", "--workload", "short,transports")
        self.assert_refused(2, "--models: all transports of --workload transports are served by one model; got 2",
                            "--workload", "transports", "--models", "prefork,prethread")
        self.assert_refused(2, "--models: expected one that serves connections and datagrams (iterative, ", "--workload",
                            "transports", "--models", "select")
        for flag, value in (("--rate", "5"), ("--workers", "5"), ("--threads", "2")):
            self.assert_refused(2, f"{flag}: it does not go with --workload transports, which measures an echo",
                                "--workload", "transports", flag, value)
        self.assert_refused(2, "--size: with --workload transports expected a number from 16", "--workload", "transports",
                            "--size", "2")

    def test_an_unknown_workload_is_answered_with_the_known_ones(self):
        self.assert_refused(2, "--workload: there is no workload 'shrot' (did you mean short?); known are short,", "--workload", "shrot")

    def test_what_is_measured_is_not_asked_for_where_nothing_is(self):
        self.assert_refused(2, "--repeat: it does not go with --from", "--from", "x.json", "--repeat", "2")

    def test_what_the_books_test_does_not_use_is_refused(self):
        for flag in ["--workload", "--duration", "--concurrency", "--workers", "--rate", "--connections", "--requests",
                     "--time-limit", "--service", "--size", "--cpu-us", "--sleep-ms", "--send-file", "--root",
                     "--path", "--threads"]:
            value = {"--workload": "io", "--service": "echo", "--send-file": "copy"}.get(flag, "2")
            self.assert_refused(2, f"{flag}: it does not go with --stevens", "--stevens", flag, value)
        self.assert_refused(2, "--threads: it does not go with --stevens", "--stevens", "--models", "fork", "--threads",
                            "2")

    def test_a_service_that_the_client_does_not_speak_is_refused(self):
        self.assert_refused(2, "--service: compare's client does not speak exec", "--service", "exec")

    def test_a_result_that_cannot_be_written_is_known_before_the_runs(self):
        self.assert_refused(1, "cannot write /nonexistent/x.json", "--json", "/nonexistent/x.json")
        self.assert_refused(1, str(self.directory), "--json", str(self.directory))

    def test_a_path_that_is_not_served_is_known_before_the_runs(self):
        self.assert_refused(2, "GET /none is answered with 404", "--root", str(self.directory), "--path", "/none")
        self.assert_refused(2, "--path: it needs --root", "--path", "/x")
        self.assert_refused(2, "--path: expected", "--root", str(self.directory), "--path", "x y")


class Misfortune(CompareTest):
    def test_ctrl_c_stops_the_servers_removes_everything_and_shows_what_is_finished(self):
        process, terminal = self.start_on_terminal("--models", "iterative,prefork", "--connections", "3000000",
                                                   "--time-limit", "2", "--repeat", "1")
        terminal.read_until(b"prefork: 0 of 3,000,000")
        os.killpg(process.pid, signal.SIGINT)
        table, _ = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(list(self.rows(table)), ["iterative"])
        self.assertIn("iterative was stopped by the time limit in 1 of 1 runs", table)
        self.assertIn("Interrupted: prefork not measured.", table)
        self.assertTrue(terminal.read_to_the_end().endswith(b"\r\x1b[K"))

    def test_ctrl_c_while_the_first_server_starts_leaves_nothing(self):
        process, terminal = self.start_on_terminal()
        terminal.read_until(b"iterative: starting")
        os.killpg(process.pid, signal.SIGINT)
        table, _ = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 130)
        self.assertIn("Interrupted: iterative, fork", table)

    def test_a_server_that_dies_is_reported_and_the_others_are_measured(self):
        process, terminal = self.start_on_terminal("--models", "prefork,iterative", "--connections", "3000000",
                                                   "--time-limit", "2", "--repeat", "1")
        terminal.read_until(b"prefork: 0 of 3,000,000")
        [keeper] = children_of(process.pid)
        os.kill(keeper, signal.SIGKILL)
        table, _ = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 1)
        self.assertIn("prefork: not measured: its keeper was killed: Killed", table)
        self.assertEqual(list(self.rows(table)), ["iterative"])

    def test_a_reader_that_has_gone_costs_the_table_and_nothing_else(self):
        path = self.directory / "result.json"
        reader, writer = os.pipe()
        os.close(reader)
        subprocess.run([BULLPEN, "compare", *QUICK, "--models", "iterative", "--json", str(path)],
                       env=self.environment, stdout=writer, timeout=PATIENCE_S)
        os.close(writer)
        self.assertEqual(len(json.loads(path.read_text())["workloads"][0]["measurements"]), 1)

    def test_a_killed_compare_leaves_no_server(self):
        process, terminal = self.start_on_terminal("--models", "prefork", "--connections", "3000000")
        terminal.read_until(b"prefork: 0 of 3,000,000")
        process.kill()
        process.communicate(timeout=PATIENCE_S)  # Its stdout ends with the last process that has it.
        self.assertEqual(len(list(self.temporary.iterdir())), 1)
        shutil.rmtree(*self.temporary.iterdir())  # Nobody was there to do it.


if __name__ == "__main__":
    unittest.main()
