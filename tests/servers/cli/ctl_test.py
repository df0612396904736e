"""`bullpen ctl` and signals: what an operator tells a running server."""

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
import unittest
from contextlib import ExitStack
from pathlib import Path

from harness import TOP, Bullpen, descriptors, echo, end_with, fewest_descriptors, processes, title, wait_until

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))


def run(*arguments, env=None):
    """(exit status, stdout, stderr) of a command that is expected to end by itself."""
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
    return done.returncode, done.stdout, done.stderr


def connect(server):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(30)
    try:
        client.connect(str(server.control / "default.sock"))
    except OSError:
        client.close()
        raise
    return client


def answer_of(client):
    line = b""
    while not line.endswith(b"\n"):
        line += client.recv(65536)
    return json.loads(line)


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def signals_pending(pid):
    return int(re.search(r"^ShdPnd:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1], 16)


def begin_stop(server, client, **output):
    """`bullpen ctl stop`, under way: the client's connection, which has begun, holds it up."""
    client.sendall(b"x")
    assert client.recv(1) == b"x"
    stopping = subprocess.Popen([PROGRAM, "ctl", "--control", str(server.control), "stop"], text=True, **output)
    wait_until(lambda: "stopping" in server.ctl("status")[1], "the stop")
    return stopping


Bullpen.asks_by = None  # It is what is tested here.


class Commands(unittest.TestCase):
    def test_status_is_for_eyes_on_80_columns_and_with_json_the_line_itself(self):
        with Bullpen("echo", "--workers", "2") as server:
            wait_until(lambda: "serving" in server.ctl("status")[1], "the first worker")
            status, out, err = server.ctl("status")
            self.assertEqual((status, err), (0, ""))
            self.assertIn("server default: serving, up ", out)
            self.assertIn(f"127.0.0.1:{server.port}", out)
            for line in out.splitlines():
                self.assertLessEqual(len(line), 80, line)
            status, out, err = server.ctl("--json", "status")
            self.assertEqual((status, err), (0, ""))
            told = json.loads(out)
            self.assertEqual((told["version"], told["exit_status"]), (1, 0))
            self.assertEqual((told["server"]["pid"], told["server"]["master_pid"]), (server.pid, server.master))
            [pool] = told["server"]["pools"]
            self.assertEqual((pool["name"], pool["model"], pool["workers"]["max"]), ("default", "prefork", 2))

    def test_stop_answers_when_the_server_has_ended(self):
        with Bullpen("echo", "--workers", "1") as server, socket.create_connection(("127.0.0.1", server.port)) as client:
            stopping = begin_stop(server, client, stdout=subprocess.PIPE)
            self.assertIsNone(stopping.poll())
            client.sendall(b"y")
            self.assertEqual(client.recv(1), b"y")
            client.close()
            self.assertEqual(stopping.communicate(timeout=60)[0], "the server has stopped\n")
            self.assertEqual(stopping.returncode, 0)
            self.assertEqual(server.left_behind(), [])
            self.assertEqual(server.wait(), 0)
            self.assertEqual(os.listdir(server.control), [])

    def test_stop_now_ends_a_stop_that_waits_for_a_client_and_tells_both_who_asked(self):
        with Bullpen("echo", "--workers", "1") as server, socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"x")
            self.assertEqual(client.recv(1), b"x")
            told = []
            first = threading.Thread(target=lambda: told.append(server.ctl("stop")))
            first.start()
            wait_until(lambda: "stopping" in server.ctl("status")[1], "the stop")
            second = server.ctl("stop", "--now")
            first.join()
            self.assertEqual(told, [second])
            self.assertEqual(server.wait(), 3)
            self.assertEqual(second, (3, "", "bullpen: stop: the server has stopped; connections lost in the stop: 1\n"))

    def test_what_is_refused_is_a_sentence_and_status_2_and_changes_nothing(self):
        with Bullpen("echo") as server:
            for arguments, expected in [
                (("stpo",), "did you mean stop?"),
                (("status", "--now"), "--now goes with stop"),
                (("--name", "x" * 100, "status"), "is too long"),
                (("--name", "a/b", "status"), "has no slash"),
                (("--name", "", "status"), "control socket's file"),
                (("--timeout", "0", "status"), "--timeout"),
                ((), "COMMAND"),
            ]:
                with self.subTest(arguments=arguments):
                    status, out, err = server.ctl(*arguments)
                    self.assertEqual((status, out), (2, ""), err)
                    self.assertRegex(err, r"\Abullpen: [^\n]+\n\Z")
                    self.assertIn(expected, err)
            self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")

    def test_without_a_server_it_is_a_sentence_and_status_1(self):
        with tempfile.TemporaryDirectory() as home:
            status, out, err = run("ctl", "--control", home, "--name", "nobody", "status")
            self.assertEqual((status, out), (1, ""))
            self.assertIn("no server 'nobody' can be reached", err)
            self.assertIn(f"{home}/nobody.sock", err)

    def test_a_server_that_does_not_answer_is_given_up(self):
        with Bullpen("echo") as server:
            os.kill(server.master, signal.SIGSTOP)
            status, _, err = server.ctl("--timeout", "1", "status")
            os.kill(server.master, signal.SIGCONT)
            self.assertEqual(status, 1)
            self.assertIn("has not answered within 1 s", err)


class Sockets(unittest.TestCase):
    def test_it_is_for_its_owner_alone(self):
        with tempfile.TemporaryDirectory() as home:
            directory = Path(home, "new")
            with Bullpen("echo", "--control", str(directory), "--name", "web"):
                self.assertEqual(stat.S_IMODE(directory.stat().st_mode), 0o700)
                self.assertEqual(stat.S_IMODE((directory / "web.sock").stat().st_mode), 0o600)
            self.assertEqual(os.listdir(directory), [])

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_another_user_is_not_heard_even_where_the_mode_lets_him_in(self):
        with Bullpen("echo") as server:
            os.chmod(server._home.name, 0o755)
            server.control.chmod(0o755)
            (server.control / "default.sock").chmod(0o666)
            asking = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
                      "s.sendall(b'{\"version\":1,\"command\":\"stop\"}\\n'); print(s.recv(1000))")
            done = subprocess.run(["python3", "-c", asking, str(server.control / "default.sock")], user=65534, text=True,
                                  capture_output=True, timeout=60, check=False)
            self.assertNotIn("version", done.stdout)
            self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")

    def test_the_file_of_a_dead_server_is_taken_over_that_of_a_living_one_is_not(self):
        with Bullpen("echo") as server:
            flags = ("--listen", "127.0.0.1:0", "--metrics", "off", "--control", str(server.control))
            status, out, err = run("serve", "echo", *flags)
            self.assertEqual((status, out), (2, ""), err)
            self.assertRegex(err, r"\Abullpen: [^\n]*belongs to another server[^\n]*\n\Z")
            self.assertEqual(server.ctl("status")[0], 0)
            with Bullpen("echo", *flags, "--name", "other"):
                self.assertEqual(server.ctl("--name", "other", "status")[0], 0)
            server.terminate(signal.SIGKILL)
            server.wait()
            self.assertIn("default.sock", os.listdir(server.control))
            with Bullpen("echo", *flags):
                self.assertEqual(server.ctl("status")[0], 0)

    def test_a_server_that_stops_leaves_its_name_to_its_successor(self):
        with Bullpen("echo") as server, socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"x")
            self.assertEqual(client.recv(1), b"x")
            server.terminate()
            wait_until(lambda: "stopping" in server.ctl("status")[1], "the stop")
            with Bullpen("echo", "--metrics", "off", "--control", str(server.control)) as successor:
                told = json.loads(server.ctl("--json", "status")[1])
                self.assertEqual(told["server"]["pid"], successor.pid)
                client.close()
                self.assertEqual(server.wait(), 0)
                self.assertEqual(server.ctl("status")[0], 0)

    def test_a_directory_that_is_not_safe_is_refused(self):
        with tempfile.TemporaryDirectory() as home:
            shared = Path(home, "shared")
            shared.mkdir()
            shared.chmod(0o777)
            Path(home, "file").write_text("")
            for setting, expected in ((str(shared), "isn't safe"), (f"{home}/file", "is no directory"),
                                      ("on", "expected auto, off or a directory's path")):
                with self.subTest(setting=setting):
                    status, out, err = run("serve", "echo", "--listen", "127.0.0.1:0", "--metrics", "off",
                                           "--control", setting)
                    self.assertEqual((status, out), (2, ""), err)
                    self.assertIn(expected, err)

    def test_off_makes_none(self):
        with tempfile.TemporaryDirectory() as home, \
                Bullpen("echo", "--control", "off", env={"XDG_RUNTIME_DIR": home}):
            self.assertEqual(os.listdir(home), [])

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_without_a_runtime_directory_or_beside_a_namesake_the_server_serves_and_says_that_it_cannot_be_reached(self):
        with Bullpen("echo", "--control", "auto", user=65534, env={"XDG_RUNTIME_DIR": ""}) as server:
            self.assertIn("XDG_RUNTIME_DIR isn't set", server.stderr)
        with tempfile.TemporaryDirectory() as home:
            os.chown(home, 65534, -1)
            with Bullpen("echo", "--control", "auto", user=65534, env={"XDG_RUNTIME_DIR": home}):
                self.assertEqual(os.listdir(f"{home}/bullpen"), ["default.sock"])
                with Bullpen("echo", "--control", "auto", user=65534, env={"XDG_RUNTIME_DIR": home}) as second:
                    self.assertIn("belongs to another server", second.stderr)
                    self.assertEqual(echo(("127.0.0.1", second.port)), b"hello")
                self.assertEqual(os.listdir(f"{home}/bullpen"), ["default.sock"])


class Nuisances(unittest.TestCase):
    def test_clients_that_stall_flood_or_die_cost_the_master_nothing(self):
        with Bullpen("echo", "--workers", "1") as server, ExitStack() as stack:
            open_now = lambda: len(descriptors(server.pid))
            wait_until(lambda: "serving" in server.ctl("status")[1], "the first worker")
            before = len(fewest_descriptors(server.pid))  # The last answer's client may not be closed yet.
            stalled = [stack.enter_context(connect(server)) for _ in range(20)]
            for client in stalled:
                client.sendall(b'{"version"')
            ended = threading.Event()

            def flood():
                while not ended.is_set():
                    with contextlib.suppress(OSError), connect(server) as client:  # The backlog may be full.
                        client.sendall(b"x" * 100_000)

            flooders = [threading.Thread(target=flood) for _ in range(2)]
            used = cpu_seconds(server.master)
            began = time.monotonic()
            for flooder in flooders:
                flooder.start()
            for _ in range(20):
                self.assertEqual(server.ctl("status")[0], 0)
                self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")
            ended.set()
            share = (cpu_seconds(server.master) - used) / (time.monotonic() - began)
            for flooder in flooders:
                flooder.join()
            self.assertLess(share, 0.5)
            for client in stalled:
                client.close()
            wait_until(lambda: open_now() == before, "the descriptors of those clients to be closed")

    def test_a_request_that_is_none_is_answered_with_what_is_wrong(self):
        with Bullpen("echo") as server:
            for request, expected in ((b"status\n", "JSON object"), (b"{}\n" * 2, "JSON object"),
                                      (b'{"version":7,"command":"status"}\n', "version 7"),
                                      (b'{"version":1,"command":"dance"}\n', "dance"), (b"\n", "JSON object"),
                                      (b"\xff" * 2000, "at most 1024 bytes")):
                with self.subTest(request=request[:60]), connect(server) as client:
                    client.sendall(request)
                    answer = answer_of(client)
                    self.assertEqual(answer["exit_status"], 2)
                    self.assertIn(expected, answer["message"])


class Deaths(unittest.TestCase):
    """The master's, while clients of the control socket wait."""

    def test_who_waits_is_told_that_the_connection_was_cut_and_the_order_is_carried_out_by_the_next_master(self):
        with Bullpen("echo", "--workers", "1") as server, socket.create_connection(("127.0.0.1", server.port)) as client:
            stopping = begin_stop(server, client, stderr=subprocess.PIPE)
            os.kill(server.master, signal.SIGKILL)
            self.assertIn("the connection to the server was cut", stopping.communicate(timeout=60)[1])
            self.assertEqual(stopping.returncode, 1)
            wait_until(lambda: "stopping" in server.ctl("status")[1], "the next master's stop")
            client.sendall(b"y")
            self.assertEqual(client.recv(1), b"y")
            client.close()
            self.assertEqual(server.wait(), 0)
            self.assertEqual(os.listdir(server.control), [])

    def test_clients_of_the_socket_are_closed_by_the_next_master_and_are_none_of_a_pools(self):
        with Bullpen("echo", "--workers", "1", "--listen", "127.0.0.1:0") as server, ExitStack() as stack:
            wait_until(lambda: "serving" in server.ctl("status")[1], "the first worker")
            before = descriptors(server.pid)
            waiting = [stack.enter_context(connect(server)) for _ in range(5)]
            for client in waiting[:3]:
                client.sendall(b'{"version"')
            wait_until(lambda: len(descriptors(server.pid)) == len(before) + 5, "their accept")
            os.kill(server.master, signal.SIGKILL)
            for client in waiting:
                with contextlib.suppress(ConnectionResetError):
                    self.assertEqual(client.recv(1), b"")
            self.assertEqual(server.ctl("status")[0], 0)
            self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")
            wait_until(lambda: server.total("bullpen_connections_accepted_total") == 1, "the one connection of the pool")
            wait_until(lambda: len(descriptors(server.pid)) == len(before), "the end of their descriptors")

    def test_a_command_that_comes_while_there_is_no_master_is_answered_by_the_next(self):
        with Bullpen("echo", "--workers", "1") as server:
            for _ in range(20):
                os.kill(server.master, signal.SIGKILL)
                with connect(server) as client:
                    client.sendall(b'{"version":1,"command":"status"}\n')
                    try:
                        told = answer_of(client)
                    except ConnectionError:  # The dead one had accepted it.
                        continue
                    self.assertEqual((told["exit_status"], told["server"]["pid"]), (0, server.pid))

    def test_a_signal_that_a_dead_master_had_not_heard_is_heard_by_the_next_once(self):
        with Bullpen("echo", "--workers", "4") as server:
            limit = lambda: server.total("bullpen_workers_max")
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 4, "the workers")
            for expected in (3, 2, 1):
                master = server.master
                os.kill(master, signal.SIGSTOP)
                server.terminate(signal.SIGTTOU)
                wait_until(lambda: signals_pending(server.pid) == 0, "the keeper has it")
                os.kill(master, signal.SIGKILL)
                wait_until(lambda: limit() == expected, "the smaller pool")
                os.kill(server.master, signal.SIGKILL)
                wait_until(lambda: server.master != master and "serving" in server.ctl("status")[1], "the next master")
                self.assertEqual(limit(), expected)
                self.assertIn(f" {expected} ", server.ctl("status")[1])
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 1, "one worker")

    def test_neither_workers_nor_the_exporter_have_the_socket(self):
        with Bullpen("echo", "--workers", "2") as server:
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 2, "the workers")
            inode = next(line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines()
                         if line.endswith(str(server.control / "default.sock")))
            for pid in server.children():
                self.assertNotIn(f"socket:[{inode}]", descriptors(pid).values(), title(pid))
            self.assertIn(f"socket:[{inode}]", descriptors(server.pid).values())

    def test_the_keepers_death_leaves_a_file_that_the_same_command_takes_over_at_once(self):
        with tempfile.TemporaryDirectory() as home:
            for _ in range(3):
                with Bullpen("echo", "--control", home) as server:
                    server.terminate(signal.SIGKILL)
                    server.wait()
                    self.assertEqual(os.listdir(home), ["default.sock"])
            with Bullpen("echo", "--control", home) as server:
                self.assertEqual(run("ctl", "--control", home, "stop"), (0, "the server has stopped\n", ""))
                self.assertEqual(server.wait(), 0)
            self.assertEqual(os.listdir(home), [])


class Signals(unittest.TestCase):
    def test_sighup_without_a_configuration_file_is_refused_in_the_log(self):
        with Bullpen("echo", "--workers", "1") as server:
            server.terminate(signal.SIGHUP)
            wait_until(lambda: "SIGHUP: there is nothing to read again" in server.stderr, "the line")
            self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")

    def test_those_for_the_whole_group_are_carried_out_once_and_end_no_worker(self):
        with Bullpen("echo", "--workers", "3") as server:
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 3, "the workers")
            workers = sorted(server.workers())
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN):
                os.killpg(server.pid, number)
            wait_until(lambda: "SIGTTIN: pool default: there is no room" in server.stderr, "the last signal")
            self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")
            self.assertEqual(server.total("bullpen_worker_exits_total", reason="signal"), 0)
            self.assertEqual(sorted(server.workers()), workers)
            for name in ("SIGHUP", "SIGUSR1", "SIGTTIN"):
                self.assertEqual(server.stderr.count(name), 1, name)

    def test_ttou_and_ttin_change_the_size_of_a_pool_in_place(self):
        with Bullpen("echo", "--workers", "3") as server:
            idle = lambda: server.total("bullpen_workers", state="idle")
            wait_until(lambda: idle() == 3, "the workers")
            for expected in (2, 1):
                server.terminate(signal.SIGTTOU)
                wait_until(lambda: idle() == expected, f"{expected} workers")
                self.assertEqual(server.total("bullpen_workers_max"), expected)
            server.terminate(signal.SIGTTOU)
            wait_until(lambda: "can't have one worker less" in server.stderr, "the refusal")
            server.terminate(signal.SIGTTIN)
            wait_until(lambda: idle() == 2, "one worker more")
            self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")
        with Bullpen("echo", "--spare-min", "1", "--spare-max", "3", "--workers-start", "1") as server:
            server.terminate(signal.SIGTTIN)
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 2, "two spare workers")
            self.assertEqual(server.total("bullpen_spare_max"), 4)
        with Bullpen("echo", "--model", "thread") as server:
            server.terminate(signal.SIGTTIN)
            wait_until(lambda: "has no number of workers" in server.stderr, "the refusal")

    def test_two_at_once_are_both_heeded(self):
        for first, second, expected in ((signal.SIGUSR1, signal.SIGTERM, "no file with a name"),
                                        (signal.SIGTERM, signal.SIGTTIN, "the server is stopping"),
                                        (signal.SIGTERM, signal.SIGINT, "SIGTERM: the server is stopping already"),
                                        (signal.SIGQUIT, signal.SIGTERM, "SIGQUIT: the server is stopping already")):
            with self.subTest(first=first, second=second), Bullpen("echo", "--workers", "1") as server, \
                    socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(b"x")
                self.assertEqual(client.recv(1), b"x")
                os.kill(master := server.master, signal.SIGSTOP)
                server.terminate(first)
                server.terminate(second)
                wait_until(lambda: signals_pending(server.pid) == 0, "the keeper has both")
                os.kill(master, signal.SIGCONT)
                wait_until(lambda: expected in server.stderr and "master: stopping;" in server.stderr, "both lines")
                client.close()
                self.assertEqual(server.wait(), 0)

    def test_a_second_sigint_ends_busy_workers(self):
        with Bullpen("echo", "--workers", "1") as server, socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"x")
            self.assertEqual(client.recv(1), b"x")
            server.terminate(signal.SIGINT)
            wait_until(lambda: "master: stopping;" in server.stderr, "the stop")
            server.terminate(signal.SIGINT)
            self.assertEqual(server.wait(), 3)

    def test_a_hangup_stops_a_server_that_had_a_terminal_whichever_master_hears_it(self):
        for kills in (0, 1):
            with self.subTest(kills=kills), tempfile.TemporaryDirectory() as home:
                end, terminal = os.openpty()
                with started_server(home, stdin=terminal) as (process, log):
                    os.close(terminal)
                    os.close(end)
                    for _ in range(kills):
                        os.kill(master_of(process), signal.SIGKILL)
                    process.send_signal(signal.SIGHUP)
                    self.assertEqual(process.wait(60), 0, log.read_text())

    def test_usr1_opens_the_logs_file_anew_for_keeper_master_and_workers(self):
        with tempfile.TemporaryDirectory() as home, started_server(home) as (process, log):
            old = Path(home, "log.1")
            for kills in (0, 1, 0):
                log.rename(old)
                process.send_signal(signal.SIGUSR1)
                wait_until(lambda: log.exists() and "open anew" in log.read_text(), "the new file")
                files = descriptors(process.pid).values()
                self.assertEqual((str(log) in files, str(old) in files), (True, False))
                said_before = old.read_text()
                process.send_signal(signal.SIGALRM)  # The keeper says so.
                wait_until(lambda: "Alarm clock" in log.read_text(), "the keeper's line")
                process.send_signal(signal.SIGTTIN)
                wait_until(lambda: "SIGTTIN" in log.read_text(), "the master's line")
                for _ in range(kills):
                    os.kill(master_of(process), signal.SIGKILL)
                    wait_until(lambda: "another one takes over" in log.read_text(), "the keeper's line about the death")
                    master_of(process)
                    process.send_signal(signal.SIGTTIN)
                    wait_until(lambda: log.read_text().count("SIGTTIN") == 2, "the next master's line")
                self.assertEqual(old.read_text(), said_before)
            process.terminate()
            self.assertEqual(process.wait(60), 0)
            self.assertIn("master: stopping", log.read_text())


def master_of(process):
    return wait_until(lambda: next((pid for pid, state, parent, _, _ in processes() if parent == process.pid and state != "Z"
                                    and title(pid).startswith("bullpen: master")), None), "a master")


@contextlib.contextmanager
def started_server(home, stdin=subprocess.DEVNULL):
    """A server whose stderr is the file `log` in `home`, once it is ready."""
    log = Path(home, "log")
    with open(log, "ab") as opened:
        process = subprocess.Popen([PROGRAM, "serve", "echo", "--listen", "127.0.0.1:0", "--metrics", "off",
                                    "--control", f"{home}/control", "--workers", "2"], stdin=stdin, stdout=subprocess.PIPE,
                                   stderr=opened, start_new_session=True, preexec_fn=end_with(os.getpid()))
    try:
        output = b""
        while b"ready" not in output:
            piece = os.read(process.stdout.fileno(), 4096)
            assert piece, log.read_text()
            output += piece
        yield process, log
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    wait_until(lambda: not [pid for pid, state, _, group, _ in processes() if group == process.pid and state != "Z"],
               "the end of its processes")


if __name__ == "__main__":
    unittest.main()
