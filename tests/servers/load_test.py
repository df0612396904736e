"""`bullpen load` as its user meets it."""

import contextlib
import json
import os
import pty
import select
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from harness import Bullpen, TOP, wait_until

BULLPEN = os.environ.get("BULLPEN", str(TOP / "build" / "bullpen"))
PATIENCE_S = 60


def load(*arguments):
    return subprocess.run([BULLPEN, "load", *arguments], capture_output=True, text=True, timeout=PATIENCE_S,
                          stdin=subprocess.DEVNULL)


class LoadTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)
        (self.directory / "www").mkdir()
        (self.directory / "www" / "file.txt").write_bytes(b"x" * 128)
        self.root = ["http", "--root", str(self.directory / "www")]

    def load_to_json(self, *arguments, status=0):
        path = self.directory / "result.json"
        result = load("--json", str(path), *arguments)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertLessEqual(max(len(line) for line in result.stdout.splitlines()), 80, result.stdout)
        return result.stdout, json.loads(path.read_text())


class Http(LoadTest):
    def test_every_request_is_counted_and_the_server_counts_the_same(self):
        with Bullpen(*self.root) as server:
            report, result = self.load_to_json(server.url + "file.txt", "--connections", "500", "--concurrency", "4")
            self.assertEqual(result["requests"], 500)
            self.assertEqual(result["connections"], 500)
            self.assertEqual(result["failed"], 0)
            self.assertEqual(result["statuses"], {"200": 500})
            self.assertGreater(result["bytes"], 500 * 128)
            wait_until(lambda: server.total("bullpen_connections_completed_total") == 500, "500 completed connections")
            self.assertIn("a connection a request, 4 at once", report.replace("\n", " "))
            latency = result["latency_us"]
            self.assertEqual(sorted(latency, key=latency.get)[-1], "max")
            self.assertLessEqual(latency["p50"], latency["p99"])
            self.assertLessEqual(latency["p99"], latency["p999"])
            self.assertEqual(result["latency_distribution"][-1], [1, latency["max"]])
            self.assertAlmostEqual(result["requests_per_s"], 500 / result["duration_s"])
            self.assertGreater(result["client_cpu_s"], 0)

    def test_kept_alive_connections_make_all_or_so_many_requests(self):
        with Bullpen(*self.root) as server:
            _, result = self.load_to_json("--keep-alive", server.url + "file.txt", "--requests", "300", "--concurrency", "2")
            self.assertEqual((result["requests"], result["connections"]), (300, 2))
            _, result = self.load_to_json(server.url, "--keep-alive=30", "--connections", "10", "--concurrency", "2")
            self.assertEqual((result["requests"], result["connections"]), (300, 10))

    def test_an_open_loop_keeps_its_schedule(self):
        with Bullpen(*self.root) as server:
            for arrivals in ("even", "poisson"):
                report, result = self.load_to_json(server.url, "--rate", "500", "--duration", "1", "--arrivals", arrivals)
                self.assertEqual(result["failed"], 0)
                self.assertAlmostEqual(result["requests"], 500, delta=100)
                self.assertGreaterEqual(result["duration_s"], 0.9)
                self.assertIn("Latency counts from when a request was due", report)
            self.assertEqual(result["rate"], 500)

    def test_poisson_arrivals_are_others_each_time_and_the_seed_that_is_shown_brings_them_back(self):
        poisson = ["--rate", "1000", "--requests", "20", "--arrivals", "poisson"]
        with Bullpen(*self.root) as server:
            report, first = self.load_to_json(server.url, *poisson)
            _, other = self.load_to_json(server.url, *poisson)
            _, again = self.load_to_json(server.url, *poisson, "--seed", str(first["seed"]))
            _, even = self.load_to_json(server.url, "--rate", "1000", "--requests", "20")
        self.assertIn(f"(Poisson, seed {first['seed']})", report.replace("\n", " "))
        self.assertNotEqual(first["seed"], other["seed"])
        self.assertEqual(first["seed"], again["seed"])
        self.assertIsNone(even["seed"])

    def test_a_name_and_a_scheme_in_capitals_will_do(self):
        with Bullpen(*self.root, "--listen", "127.0.0.1:0") as server:
            for more in ([], ["--source", "127.0.0.7"]):
                _, result = self.load_to_json(f"HTTP://localhost:{server.port}/file.txt", "--requests", "5", *more)
                self.assertEqual((result["requests"], result["bad_ends"]), (5, 0))

    def test_a_request_file_has_classes_and_bad_statuses_are_errors(self):
        requests = self.directory / "requests"
        requests.write_text("# the mix\n/file.txt weight=99 class=fast\nHEAD /none class=bad\n")
        with Bullpen(*self.root) as server:
            report, result = self.load_to_json(server.url, "--requests", "1000", "--keep-alive", "--request-file",
                                               str(requests), "--concurrency", "2", status=1)
        self.assertEqual(result["classes"]["fast"]["requests"], 990)
        self.assertEqual(result["classes"]["bad"]["requests"], 0)
        self.assertGreater(result["classes"]["fast"]["latency_us"]["p99"], 0)
        self.assertEqual(result["errors"]["bad_status"], 10)
        self.assertEqual(result["statuses"], {"200": 990, "404": 10})
        self.assertEqual(result["connections"], 2)
        self.assertIn("class fast", report)
        self.assertIn("404 10 times", report)

    def test_a_unix_socket_answers_for_the_host_of_the_url(self):
        path = str(self.directory / "web.sock")
        with Bullpen(*self.root, "--listen", f"unix:{path}"):
            _, result = self.load_to_json("http://example.org/file.txt", "--unix", path, "--connections", "20")
            self.assertEqual(result["requests"], 20)

    def test_method_headers_body_and_host_are_sent_as_said(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            received = []

            def serve():
                client, _ = listener.accept()
                with client:
                    request = b""
                    while not request.endswith(b"hello"):
                        request += client.recv(4096)
                    received.append(request.decode())
                    client.sendall(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")

            thread = threading.Thread(target=serve)
            thread.start()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/a?b"
            _, result = self.load_to_json(url, "--connections", "1", "--method", "POST", "--header", "Host: other",
                                          "--header", "A: b", "--message", "hello")
            thread.join()
        self.assertEqual(received, ["POST /a?b HTTP/1.1\r\nHost: other\r\nA: b\r\nContent-Length: 5\r\n"
                                    "Connection: close\r\n\r\nhello"])
        self.assertEqual(result["statuses"], {"201": 1})

    def test_json_can_go_to_stdout_and_a_warm_up_is_not_counted(self):
        with Bullpen(*self.root) as server:
            result = load(server.url, "--requests", "50", "--warm-up", "0.2", "--json", "-")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(json.loads(result.stdout)["requests"], 50)
            self.assertIn("latency in ms", result.stderr)
            self.assertGreater(server.total("bullpen_connections_accepted_total"), 50)


class Crowds(LoadTest):
    @contextlib.contextmanager
    def counting_server(self):
        """A URL, and how many requests came on each connection, which is answered forever."""
        requests, clients = [], []

        def serve(client, number):
            with client, contextlib.suppress(OSError):
                while client.recv(4096):
                    requests[number] += 1
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    requests.append(0)
                    clients.append(threading.Thread(target=serve, args=(client, len(requests) - 1)))
                    clients[-1].start()

        with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
            acceptor = threading.Thread(target=accept)
            acceptor.start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/", requests
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in clients:
                thread.join()

    def test_an_open_loop_goes_round_its_connections(self):
        with self.counting_server() as (url, requests):
            _, result = self.load_to_json(url, "--keep-alive", "--concurrency", "20", "--rate", "100", "--requests", "100")
        self.assertEqual(result["requests"], 100)
        self.assertEqual(len(requests), 20)
        self.assertGreaterEqual(min(requests), 3, requests)  # Five each, if neither side ever is late.

    def test_idle_connections_have_one_answer_and_stay_silent_beside_the_load(self):
        with self.counting_server() as (url, requests):
            report, result = self.load_to_json(url, "--idle", "120", "--requests", "60", "--keep-alive", "--concurrency", "2")
        self.assertEqual(result["idle"], {"asked": 120, "answered": 120, "undisturbed": 120})
        self.assertEqual(result["requests"], 60)
        self.assertEqual(requests[:120], [1] * 120)
        self.assertIn("120 of 120 idle connections were open; at the end 120 still were", report.replace("\n", " "))

    def test_idle_connections_that_the_server_closes_are_an_error(self):
        with Bullpen(*self.root, "--model", "iterative") as server:  # It keeps none.
            report, result = self.load_to_json(server.url, "--idle", "4", "--requests", "10", status=1)
        self.assertEqual(result["requests"], 10)
        self.assertEqual(result["idle"], {"asked": 4, "answered": 4, "undisturbed": 0})
        self.assertIn("of 4 idle connections", report.replace("\n", " "))

    def test_without_idle_connections_there_is_no_word_of_them(self):
        with Bullpen(*self.root) as server:
            report, result = self.load_to_json(server.url, "--requests", "10")
        self.assertIsNone(result["idle"])
        self.assertNotIn("idle", report)
        self.assertAlmostEqual(result["longest_wait_us"] / result["latency_us"]["max"], 1, delta=0.01)

    def test_connections_come_from_where_they_are_told_to(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            with subprocess.Popen([BULLPEN, "load", url, "--connections", "1", "--source", "127.0.0.7"],
                                  stdout=subprocess.DEVNULL) as process:
                client, (source, _) = listener.accept()
                with client:
                    client.recv(4096)
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                self.assertEqual(process.wait(PATIENCE_S), 0)
        self.assertEqual(source, "127.0.0.7")


class Raw(LoadTest):
    def test_echoes_are_compared_over_tcp_and_unix_sockets(self):
        path = str(self.directory / "echo.sock")
        with Bullpen("echo", "--listen", "127.0.0.1:0", "--listen", f"unix:{path}") as server:
            for url in (f"tcp://127.0.0.1:{server.port}", f"unix:{path}"):
                for more in ([], ["--size", "100000"], ["--keep-alive=5"], ["--message", "x"], ["--slow-send", "50/1"]):
                    _, result = self.load_to_json(url, "--requests", "40", "--concurrency", "4", *more)
                    self.assertEqual(result["requests"], 40, more)
                    self.assertEqual(result["statuses"], {})

    def test_the_answer_can_be_what_comes_until_the_server_closes(self):
        request = self.directory / "request"
        request.write_bytes(b"GET / HTTP/1.0\r\n\r\n")
        with Bullpen(*self.root) as server:
            _, result = self.load_to_json(f"tcp://127.0.0.1:{server.port}", "--connections", "20", "--expect", "close",
                                          "--request-file", str(request))
            self.assertEqual(result["requests"], 20)
            self.assertGreater(result["bytes"], 20 * 100)


class WhatCannotBe(LoadTest):
    def assert_refused(self, status, sentence, *arguments):
        result = load(*arguments)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertIn(sentence, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertEqual(result.stdout, "")

    def test_what_is_mistyped_is_said_in_one_sentence(self):
        url = "http://127.0.0.1:9/"
        self.assert_refused(2, "(did you mean http://127.0.0.1:80?)", "127.0.0.1:80")
        self.assert_refused(2, "'127.0.0.1' is not an address: expected HOST:PORT", "tcp://127.0.0.1")
        self.assert_refused(2, "unknown option '--concurency' (did you mean --concurrency?)", url, "--concurency", "1")
        self.assert_refused(2, "--concurrency: expected a number from 1 to", url, "--concurrency", "0")
        self.assert_refused(2, "--rate: expected a number from 0 to 1000000, got -1", url, "--rate", "-1")
        self.assert_refused(2, "--rate: expected a number from 0 to 1000000, got nan", url, "--rate", "nan")
        self.assert_refused(2, "--timeout: expected a number from 0.001 to 86400, got 0", url, "--timeout", "0")
        self.assert_refused(2, "--requests: expected a number from 0 to 1000000000000, got '1.5'", url, "--requests", "1.5")
        self.assert_refused(2, "--arrivals: expected even or poisson, got 'odd'", url, "--rate", "1", "--arrivals", "odd")
        self.assert_refused(2, "--arrivals: it goes with --rate", url, "--arrivals", "poisson")
        self.assert_refused(2, "--keep-alive: expected a number from 0", url, "--keep-alive=x")
        self.assert_refused(2, "--slow-send: expected BYTES/MS, got '7'", url, "--slow-send", "7")
        self.assert_refused(2, "--header: expected 'Name: value', got 'x'", url, "--header", "x")
        self.assert_refused(2, "--header: expected 'Name: value', got 'Content-Length : 5'", url, "--header",
                            "Content-Length : 5")
        self.assert_refused(2, "--header: content-length is said by load itself", url, "--header", "content-length: 5")
        self.assert_refused(2, "--header: Transfer-Encoding is said by load itself", url, "--message", "x", "--header",
                            "Transfer-Encoding: chunked")
        self.assert_refused(2, "--seed: it goes with --arrivals poisson", url, "--rate", "1", "--seed", "1")
        self.assert_refused(2, "--seed: expected a number from 0 to 4294967295, got -1", url, "--seed", "-1")
        self.assert_refused(2, "--expect: it goes with tcp:// and unix:", url, "--expect", "close")
        self.assert_refused(2, "--expect: expected echo or close", "tcp://127.0.0.1:9", "--expect", "x")
        self.assert_refused(2, "--method: it goes with http://", "tcp://127.0.0.1:9", "--method", "GET")
        self.assert_refused(2, "--idle: expected a number from 0 to", url, "--idle", "-1")
        self.assert_refused(2, "--idle: with --expect close", "tcp://127.0.0.1:9", "--expect", "close", "--idle", "1")
        self.assert_refused(2, "--source: expected an IP address of this machine, got 'x y'", url, "--source", "x y")
        self.assert_refused(2, "one is IPv4 and one IPv6", url, "--source", "::1")
        self.assert_refused(2, "--source: it goes with a server on TCP", "unix:/x", "--source", "127.0.0.1")
        self.assert_refused(1, "--source: cannot come from 192.0.2.1", url, "--source", "192.0.2.1")
        self.assert_refused(2, "URL", "--rate", "1")

    def test_more_idle_connections_than_descriptors_are_refused(self):
        result = subprocess.run(["sh", "-c", 'ulimit -n 100; exec "$0" "$@"', BULLPEN, "load", "http://127.0.0.1:9/",
                                 "--idle", "100"], capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("--idle: with --concurrency this takes 136 descriptors", result.stderr)

    def test_the_help_fits_on_a_terminal(self):
        lines = load("--help").stdout.splitlines()
        self.assertLessEqual(max(map(len, lines)), 80, max(lines, key=len))

    def test_files_that_cannot_be_used_are_known_before_anything_is_sent(self):
        url = "http://127.0.0.1:9/"
        self.assert_refused(1, "cannot write /nonexistent/x.json", url, "--json", "/nonexistent/x.json")
        self.assert_refused(1, "cannot read /nonexistent/requests", url, "--request-file", "/nonexistent/requests")
        bad = self.directory / "requests"
        bad.write_text("/a\n/b wieght=3\n")
        self.assert_refused(2, f"{bad}:2: unexpected 'wieght=3'", url, "--request-file", str(bad))

    def test_where_nobody_listens_it_gives_up(self):
        with socket.create_server(("127.0.0.1", 0)) as gone:
            url = f"http://127.0.0.1:{gone.getsockname()[1]}/"
        report, result = self.load_to_json(url, "--duration", "50", status=1)
        self.assertIn("Gave up", report)
        self.assertTrue(result["gave_up"])
        self.assertEqual(result["errors"]["refused"], result["failed"])


class Misfortune(LoadTest):
    def test_ctrl_c_shows_what_there_is_and_the_terminal_is_left_clean(self):
        path = self.directory / "result.json"
        ours, theirs = pty.openpty()
        with Bullpen(*self.root) as server:
            process = subprocess.Popen([BULLPEN, "load", server.url, "--duration", "50", "--json", str(path)],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, text=True)
            os.close(theirs)
            shown = b""
            while b" 1 s, " not in shown.replace(b"\r\x1b[K", b" "):
                self.assertTrue(select.select([ours], [], [], PATIENCE_S)[0], shown)
                shown += os.read(ours, 4096)
            process.send_signal(signal.SIGINT)
            report, _ = process.communicate(timeout=PATIENCE_S)
        while select.select([ours], [], [], 0)[0]:
            try:
                shown += os.read(ours, 4096)
            except OSError:
                break
        os.close(ours)
        self.assertEqual(process.returncode, 130)
        self.assertTrue(shown.endswith(b"\r\x1b[K"), shown[-100:])
        self.assertIn("Interrupted", report)
        result = json.loads(path.read_text())
        self.assertTrue(result["interrupted"])
        self.assertGreater(result["requests"], 0)
        self.assertLess(result["duration_s"], 50)

    def test_a_server_that_never_answers_is_an_error_for_each_request(self):
        with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            report, result = self.load_to_json(url, "--rate", "100", "--duration", "0.5", "--timeout", "0.5",
                                               "--concurrency", "10", status=1)
        self.assertEqual(result["requests"], 0)
        self.assertEqual(result["unanswered"], result["failed"])
        self.assertEqual(result["failed"], 50)
        self.assertGreaterEqual(result["errors"]["timed_out"], 10)
        self.assertIn("Errors: 50 (", report)


if __name__ == "__main__":
    unittest.main()
