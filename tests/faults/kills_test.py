"""Who goes on with another worker, and who doesn't, when a worker dies."""

import mmap
import os
import random
import re
import signal
import socket
import tempfile
import threading
import time
import unittest
from contextlib import closing, contextmanager
from pathlib import Path

from faults import (LONG, OPTIMISED, Hostile, children, connect, end_of, settings_of, status_of,
                    wait_for_idle)
from harness import Bullpen, title, total, wait_until
from stepping import RECVMSG, Kill, StandStill, Steps, is_possible

SANE_SEGV = {"ASAN_OPTIONS": "handle_segv=0"}  # Else the sanitizer makes an exit of it.
STORM = 60 if LONG else 3  # Seconds.


class Client(threading.Thread):
    """Asks again and again, and counts its connections that end before it has got what it asked for."""

    def __init__(self, server, requests):
        super().__init__()
        self.server, self.requests = server, requests  # So many on a connection.
        self.answers = self.failed = self.stuck = 0
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            try:
                with closing(connect(self.server, timeout=20)) as client:
                    self.converse(client)
            except TimeoutError:
                self.stuck += 1
            except ConnectionError:
                self.failed += 1

    def converse(self, client):
        for left in range(self.requests, 0, -1):
            last = left == 1 or self.stopping.is_set()
            client.sendall(b"GET /small HTTP/1.1\r\nHost: x\r\n" + (b"Connection: close\r\n" if last else b"") +
                           b"\r\n")
            data = b""
            while not data.endswith(b"\r\n\r\nsmall"):
                if not (piece := client.recv(65536)):
                    raise ConnectionResetError
                data += piece
            self.answers += 1
            if last:
                return


def strike(server):
    """Kills a worker, whichever, 20 times a second; returns how many."""
    end, kills = time.monotonic() + STORM, 0
    while time.monotonic() < end:
        time.sleep(0.05)  # The rate of the storm.
        try:
            os.kill(random.choice(children(server)), signal.SIGKILL)
            kills += 1
        except (IndexError, ProcessLookupError):
            pass  # There is none, or it has ended meanwhile.
    return kills


class Storm(unittest.TestCase):
    def storm(self, *flags):
        with tempfile.TemporaryDirectory() as home:
            Path(home, "small").write_bytes(b"small")
            with Bullpen("http", "--root", home, *flags, program=OPTIMISED) as server:
                clients = [Client(server, requests) for requests in (1, 1, 1, 5, 50, 50, 500, 500)]
                for client in clients:
                    client.start()
                try:
                    kills = strike(server)
                finally:
                    for client in clients:
                        client.stopping.set()
                    for client in clients:
                        client.join()
                server.check_conservation()
                lost = server.total("bullpen_connections_lost_total", reason="signal")
                failed, answers, stuck = (sum(getattr(client, what) for client in clients)
                                          for what in ("failed", "answers", "stuck"))
                print(f"\n{' '.join(flags)}: {kills} kills, {answers} answers, {failed} clients failed, {lost:g} lost",
                      end="", flush=True)
                self.assertLessEqual(failed, lost)
                self.assertEqual(stuck, 0)
                self.assertEqual(server.total("bullpen_connections_lost_total"), lost)
                self.assertGreater(answers, 100)

    def test_no_more_clients_fail_than_are_counted_as_lost(self):
        self.storm("--model", "prefork", "--workers", "8")
        self.storm("--model", "prefork", "--workers", "4", "--queue", "8")
        self.storm("--model", "prefork-event", "--workers", "4")
        self.storm("--model", "fork")


@contextmanager
def counted(handler, *settings, **options):
    """A hostile server, and how many of its handlers have begun."""
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(4096)
        with mmap.mmap(file.fileno(), 4096) as counters, \
                Hostile(handler, f"counters={file.name}", *settings, **options) as server:
            yield server, lambda: int.from_bytes(counters[:8], "little")


def deaths(server, reason):
    return server.total("bullpen_worker_exits_total", reason=reason)


class Retries(unittest.TestCase):
    """Of a request that a handler has seen and not taken."""

    def ask(self, server, word):
        with closing(connect(server)) as client:
            client.sendall(word)
            return end_of(client)

    def test_a_poisonous_request_kills_one_worker_and_one_more_for_each_retry_and_is_logged_each_time(self):
        for model in ("prefork", "fork"):
            for retries in (0, 1, 3):
                with self.subTest(model=model, retries=retries), \
                        counted("dies_as_told", f"model={model}", f"retry_crashed={retries}",
                                env=SANE_SEGV) as (server, begun):
                    self.assertIn(self.ask(server, b"s"), (b"", None))
                    wait_until(lambda: server.total("bullpen_connections_lost_total", reason="signal") == 1, "its loss")
                    self.assertEqual(begun(), retries + 1)
                    wait_until(lambda r=retries: deaths(server, "signal") == r + 1, "the last worker's burial")
                    logged = re.findall(r"killed by signal 11 .* it had the request \"die as s\"", server.stderr)
                    self.assertEqual(len(logged), retries + 1, server.stderr)
                    server.check_conservation()

    def test_each_request_of_a_kept_connection_has_its_own_retries(self):
        with counted("dies_as_told", "model=prefork", "workers=2", "retry_crashed=1") as (server, begun):
            with closing(connect(server)) as client:
                for number in range(3):
                    client.sendall(b"o")  # Once it dies, once it answers.
                    self.assertEqual(client.recv(1), b"o", f"request {number}")
            self.assertEqual(begun(), 6)
            wait_until(lambda: deaths(server, "signal") == 3, "three deaths")
            server.check_conservation()
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)

    def test_a_handler_that_exits_is_not_retried(self):
        for word in (b"e", b"q"):
            for model in ("prefork", "fork"):
                with self.subTest(word=word, model=model), \
                        counted("dies_as_told", f"model={model}", "retry_crashed=5",
                                env={"ASAN_OPTIONS": "detect_leaks=0"}) as (server, begun):
                    self.assertIn(self.ask(server, word), (b"", None))
                    wait_until(lambda: server.total("bullpen_connections_lost_total") == 1, "its loss")
                    self.assertEqual(begun(), 1)

    def test_a_request_that_takes_too_long_is_not_retried(self):
        for model in ("prefork", "fork"):
            with self.subTest(model=model), counted("dies_as_told", f"model={model}", "retry_crashed=5",
                                                    "request_ms=300") as (server, begun):
                self.assertIn(self.ask(server, b"t"), (b"", None))
                lost = "bullpen_connections_lost_total"
                wait_until(lambda: server.total(lost, reason="request_timeout") == 1, "its loss")
                self.assertEqual(begun(), 1)

    def test_the_client_of_a_worker_that_writes_nonsense_over_its_notes_is_not_retried(self):
        """Whether the master replaces it or it crashes by itself."""
        for word in (b"x", b"y"):
            for model in ("prefork", "fork"):
                with self.subTest(word=word, model=model), \
                        counted("dies_as_told", f"model={model}", "retry_crashed=5") as (server, begun):
                    with closing(connect(server, timeout=10)) as client:
                        client.sendall(word)
                        if (word, model) == (b"x", "fork"):  # Nobody looks at what such a worker writes while it lives.
                            wait_until(lambda: begun() == 1, "its handler")
                            os.kill(children(server)[0], signal.SIGKILL)
                        self.assertIn(end_of(client), (b"", None))
                    self.assertEqual(begun(), 1)

    def test_a_request_that_outlasts_the_stop_is_not_retried(self):
        for model in ("prefork", "fork"):
            with self.subTest(model=model), counted("dies_as_told", f"model={model}", "retry_crashed=5",
                                                    "drain_s=1") as (server, begun):
                with closing(connect(server)) as client:
                    client.sendall(b"t")
                    wait_until(lambda: begun() == 1, "its handler")
                    server.stop()
                    self.assertIn(end_of(client), (b"", None))
                self.assertEqual(begun(), 1)


class Fresh(unittest.TestCase):
    """What a dead worker leaves behind doesn't reach the next one."""

    def test_no_option_that_a_dead_worker_has_set_is_there_for_the_next(self):
        for kind in ("TCP", "UNIX"):
            for model in ("prefork", "fork"):
                with self.subTest(socket=kind, model=model), tempfile.TemporaryDirectory() as home:
                    path = f"{home}/socket"
                    settings = [f"listen=unix:{path}"] if kind == "UNIX" else []
                    with counted("leaves_options", f"model={model}", "retry_crashed=1", *settings) as (server, begun):
                        def ask():
                            if kind == "TCP":
                                client = connect(server)
                            else:
                                client = socket.socket(socket.AF_UNIX)
                                client.settimeout(30)
                                client.connect(path)
                            with closing(client):
                                return end_of(client)
                        usual = ask()
                        self.assertIn(b"low water 1,", usual)
                        self.assertEqual(ask(), usual)
                        self.assertEqual(begun(), 3)
                        wait_until(lambda: deaths(server, "signal") == 1, "a death")

    @unittest.skipUnless(is_possible(), "ptrace(2) is not allowed")
    def test_the_time_for_a_head_goes_on_when_workers_die_with_half_of_it(self):
        with Bullpen("http", "--workers", "2", "--header-timeout", "2", "--retry-crashed", "10",
                     program=OPTIMISED) as server, closing(connect(server)) as client:
            wait_for_idle(server, 2)
            began, kills = time.monotonic(), 0
            client.sendall(b"GET /small HTTP/1.1\r\nName: ")
            client.settimeout(0.05)
            while time.monotonic() - began < 10:
                first = next((pid for pid in server.workers() if "/0]" in title(pid)), None)
                kill = Kill(6)
                try:
                    with Steps([first] if first else [], kill):
                        try:
                            client.sendall(b"x")
                            if not client.recv(100):
                                break
                            break
                        except TimeoutError:
                            pass
                except (ConnectionError, ProcessLookupError):
                    break
                kills += kill.place is not None
            took = time.monotonic() - began
            print(f"\n{kills} kills within {took:.1f} s", end="", flush=True)
            self.assertGreater(kills, 3)
            self.assertGreater(took, 1.9)
            self.assertLess(took, 4)  # Deadlines are looked at once a second.


@unittest.skipUnless(is_possible(), "ptrace(2) is not allowed")
class Stopped(unittest.TestCase):
    def test_what_a_stopped_worker_has_received_and_not_begun_is_served_by_another_once_it_was_killed(self):
        for case in ("prefork", "prefork, 2 threads each", "prefork-event"):
            with self.subTest(case=case), counted("counted_echo", *settings_of(case), "workers=4", "retry_crashed=0",
                                                  "stopped_ms=1000") as (server, begun):
                wait_for_idle(server, 4)
                strike = StandStill(RECVMSG)
                with closing(connect(server)) as warm:  # So that an event loop has made what it makes at first.
                    warm.sendall(b"a")
                    self.assertEqual(warm.recv(1), b"a")
                wait_until(lambda: server.total("bullpen_connections_in_flight") == 0, "rest")
                before = begun()
                with Steps(server.workers(), strike):  # The master may not have seen yet that the first is idle again.
                    client = connect(server)
                    wait_until(lambda: strike.pid, "it to be received")
                with closing(client):
                    wait_until(lambda: status_of(strike.pid, "State") == "T", "it to stand still")
                    self.assertEqual(begun(), before)
                    client.sendall(b"hello")
                    self.assertEqual(client.recv(5), b"hello")
                    self.assertEqual(begun(), before + 1)
                wait_until(lambda: deaths(server, "stopped") == 1, "the stopped worker's death")
                server.check_conservation()
                self.assertEqual(server.total("bullpen_connections_lost_total"), 0)


if __name__ == "__main__":
    unittest.main()
