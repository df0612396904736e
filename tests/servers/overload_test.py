"""More clients than workers, connections or descriptors: who waits, who is refused, and how it ends."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import time
import unittest
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from every_model import under
from harness import Bullpen, wait_until
from slow_client import TIMEOUT, ask, connect, is_closed, read_answer

MASTERS_ACCEPT = ("prefork", "fork")
LARGE = 30_000_000  # More than the kernel's buffers hold.


def refused(server, reason):
    return server.total("bullpen_connections_refused_total", reason=reason)


def in_flight(server, where):
    return server.total("bullpen_connections_in_flight", where=where)


def wait_for_begun(server, count):
    wait_until(lambda: in_flight(server, "begun") == count, f"{count} connections begun")


def keep(server, stack):
    """A client that was served and keeps its connection."""
    client = stack.enter_context(closing(connect(server)))
    ask(client, "/bytes/1")
    assert read_answer(client) == b"x"
    return client


def read_to_end(client):
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


def curl(server, path):
    return subprocess.run(["curl", "-si", "-m", str(TIMEOUT), f"http://{server.addresses[0]}/{path}"],
                          capture_output=True, text=True, timeout=2 * TIMEOUT, check=False).stdout


@contextmanager
def standing_still(server):
    """What its workers are busy with takes as long as the test needs."""
    stopped = server.workers()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


class Queue(unittest.TestCase):
    """A bounded queue in the master, and a refusal in the service's words."""

    @under(*MASTERS_ACCEPT)
    def test_who_waits_for_too_long_is_told_to_come_again(self, model):
        with Bullpen("work", "--model", model, "--workers-max", "1", "--queue", "5",
                     "--queue-timeout", "300") as server:
            with closing(connect(server)) as busy:
                ask(busy, "/sleep/2500")
                wait_for_begun(server, 1)
                with standing_still(server):
                    answer = curl(server, "bytes/1")
                    self.assertTrue(answer.startswith("HTTP/1.1 503 Service Unavailable\n"), answer)
                    self.assertIn("\nRetry-After: 1\n", answer)
                    self.assertTrue(answer.endswith("\n\n503 Service Unavailable\n"), answer)
                    self.assertFalse(is_closed(busy))
                self.assertEqual(read_answer(busy), b"x" * 128)
            self.assertEqual(refused(server, "overload"), 1)

    def test_who_is_queued_at_a_worker_that_turns_out_slow_is_told_so_as_well(self):
        with Bullpen("work", "--workers", "2", "--queue", "50", "--queue-timeout", "300") as server, \
                ExitStack() as stack:
            clients = [stack.enter_context(closing(connect(server))) for _ in range(20)]
            for client in clients:  # Several come while the workers move: some of them are queued ahead there.
                ask(client, "/sleep/2500", b"Connection: close\r\n")
            wait_for_begun(server, 2)
            with standing_still(server):
                wait_until(lambda: refused(server, "overload") == 18, "18 to be refused")
            answers = [read_to_end(client)[:12] for client in clients]
            self.assertEqual(answers.count(b"HTTP/1.1 200"), 2)
            self.assertEqual(answers.count(b"HTTP/1.1 503"), 18)
            self.assertEqual(refused(server, "overload"), 18)

    @under(*MASTERS_ACCEPT)
    def test_who_finds_the_queue_full_is_refused_at_once(self, model):
        with Bullpen("work", "--model", model, "--workers-max", "1", "--queue", "2",
                     "--queue-timeout", "60000") as server:
            with ExitStack() as stack:
                busy, first, second, third = (stack.enter_context(closing(connect(server))) for _ in range(4))
                ask(busy, "/sleep/2500", b"Connection: close\r\n")
                wait_for_begun(server, 1)
                with standing_still(server):
                    for count, client in enumerate((first, second), 1):
                        ask(client, "/bytes/4", b"Connection: close\r\n")
                        wait_until(lambda: in_flight(server, "queued") == count, f"{count} in the queue")
                    ask(third, "/bytes/4")
                    self.assertTrue(read_to_end(third).startswith(b"HTTP/1.1 503 "))
                    self.assertFalse(is_closed(busy))
                for client, body in ((busy, b"x" * 128), (first, b"xxxx"), (second, b"xxxx")):
                    self.assertEqual(read_answer(client), body)
            self.assertEqual(refused(server, "overload"), 1)

    def test_who_is_in_the_middle_of_a_download_is_never_refused(self):
        with Bullpen("work", "--workers", "1", "--queue", "5", "--queue-timeout", "300") as server, \
                closing(connect(server, 4096)) as download, closing(socket.socket()) as busy:
            ask(download, f"/bytes/{LARGE}")
            wait_until(lambda: in_flight(server, "parked") == 1, "the download to be parked")
            busy.settimeout(TIMEOUT)
            busy.connect(("127.0.0.1", server.port))
            ask(busy, "/sleep/2500")
            wait_for_begun(server, 1)
            with standing_still(server):
                received = len(download.recv(1 << 20))
                while in_flight(server, "parked"):  # Until it waits for the worker.
                    received += len(download.recv(1 << 20))
                self.assertIn("503 Service Unavailable", curl(server, "bytes/1"))
            self.assertEqual(read_answer(busy), b"x" * 128)
            while received < LARGE:
                piece = download.recv(1 << 20)
                self.assertTrue(piece)
                received += len(piece)
            self.assertEqual(refused(server, "overload"), 1)


class Connections(unittest.TestCase):
    """At --connections-max."""

    def test_the_longest_idle_makes_room_for_who_comes(self):
        with Bullpen("work", "--workers", "1", "--connections-max", "4") as server, ExitStack() as stack:
            first = keep(server, stack)
            wait_until(lambda: in_flight(server, "parked") == 1, "the first to be idle")
            second = keep(server, stack)
            wait_until(lambda: in_flight(server, "parked") == 2, "the second to be idle")
            silent = stack.enter_context(closing(connect(server)))
            download = stack.enter_context(closing(connect(server, 4096)))
            ask(download, f"/bytes/{LARGE}")
            wait_until(lambda: in_flight(server, "parked") == 4, "four parked")
            for turn in range(1, 4):  # Of the master, with nobody who comes.
                [worker] = wait_until(server.workers, "the worker")
                os.kill(worker, signal.SIGKILL)
                wait_until(lambda: server.total("bullpen_worker_spawns_total") == turn + 1, "its successor")
                wait_until(lambda: server.total("bullpen_workers", state="idle") == 1, "it to be ready")
            self.assertEqual(in_flight(server, "parked"), 4)

            completed = server.total("bullpen_connections_completed_total")
            third = keep(server, stack)
            self.assertEqual(read_to_end(first), b"")
            self.assertFalse(is_closed(second))
            fourth = keep(server, stack)
            self.assertEqual(read_to_end(second), b"")
            self.assertEqual(server.total("bullpen_connections_completed_total"), completed + 2)
            self.assertEqual(refused(server, "connections"), 0)
            keep(server, stack)
            self.assertTrue(read_to_end(silent).startswith(b"HTTP/1.1 503 "))
            self.assertEqual(refused(server, "connections"), 1)
            for client in (third, fourth):
                self.assertFalse(is_closed(client))
            self.assertEqual(len(read_answer(download)), LARGE)
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)

    @under("prefork", "fork", "prefork-event")
    def test_who_comes_while_nobody_is_idle_waits_and_costs_nothing(self, model):
        with Bullpen("work", "--model", model, "--connections-max", "2") as server, ExitStack() as stack:
            clients = [stack.enter_context(closing(connect(server))) for _ in range(2)]
            for client in clients:
                ask(client, "/sleep/2500", b"Connection: close\r\n")
            wait_for_begun(server, 2)
            with standing_still(server):
                clients += [stack.enter_context(closing(connect(server))) for _ in range(2)]
                for client in clients[2:]:
                    ask(client, "/bytes/3", b"Connection: close\r\n")
                self.assertLess(cpu_of(server.master, 1.5), 0.3)
                self.assertEqual(server.total("bullpen_connections_accepted_total"), 2)
            for client in clients:
                self.assertIsNotNone(read_answer(client))


def cpu_of(pid, span):
    """Seconds of CPU time that the process uses within so many seconds."""
    def used():
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")

    before = used()
    time.sleep(span)
    return used() - before


class Descriptors(unittest.TestCase):
    """The master out of descriptors. Sanitizers then see errors where there are none: they need some themselves."""

    @contextmanager
    def served(self, *flags):
        """A server, and a stack for its clients."""
        program = os.environ.get("BULLPEN_OPTIMISED")
        with Bullpen("work", *flags, program=program) as server, ExitStack() as stack:
            yield server, stack

    @contextmanager
    def limited(self, server):
        """The master has not a descriptor left."""
        used = set(map(int, os.listdir(f"/proc/{server.pid}/fd")))
        lowest_free = next(fd for fd in range(len(used) + 1) if fd not in used)
        before = resource.prlimit(server.master, resource.RLIMIT_NOFILE)
        resource.prlimit(server.master, resource.RLIMIT_NOFILE, (lowest_free, before[1]))
        yield
        resource.prlimit(server.master, resource.RLIMIT_NOFILE, before)

    def check_calm(self, server, line):
        """The master neither spins nor fills the log."""
        span = 2
        wait_until(lambda: line in server.stderr, f"'{line}' in the log")
        before = server.stderr.count(line)
        self.assertLess(cpu_of(server.master, span), 0.3)
        self.assertLessEqual(server.stderr.count(line) - before, span + 1)

    def crowd(self, server, stack, count):
        clients = [keep(server, stack) for _ in range(count)]
        wait_until(lambda: in_flight(server, "parked") == count, "the crowd to be parked")
        return clients

    def newcomers(self, server, stack, count):
        clients = [stack.enter_context(closing(connect(server))) for _ in range(count)]
        for client in clients:
            ask(client, "/bytes/2")
        return clients

    def check_nothing_lost(self, server):
        self.assertEqual(server.total("bullpen_connections_lost_total"), 0)
        self.assertEqual(server.total("bullpen_connections_refused_total"), 0)

    @under(*MASTERS_ACCEPT)
    def test_who_comes_waits_in_the_backlog_until_there_are_some_again(self, model):
        with self.served("--model", model) as (server, stack):
            parked = self.crowd(server, stack, 30 if model == "prefork" else 0)
            with self.limited(server):
                accepted = server.total("bullpen_connections_accepted_total")
                new = self.newcomers(server, stack, 5)
                self.check_calm(server, "cannot accept: Too many open files")
                self.assertLess(server.total("bullpen_connections_accepted_total"), accepted + 5)
            for client in parked:
                ask(client, "/bytes/2")
            for client in new + parked:
                self.assertEqual(read_answer(client), b"xx")
            self.check_nothing_lost(server)

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_a_kernel_out_of_files_is_endured_as_well(self):
        with self.served("--workers", "2") as (server, stack):
            parked = self.crowd(server, stack, 3)
            tracer = stack.enter_context(subprocess.Popen(
                ["strace", "-p", str(server.master), "-e", "trace=accept4", "-e", "inject=accept4:error=ENFILE"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
            stack.callback(tracer.kill)
            self.assertIn("attached", tracer.stderr.readline())
            new = self.newcomers(server, stack, 5)
            self.check_calm(server, "cannot accept: Too many open files in system")
            for client in parked:  # They are unharmed.
                ask(client, "/bytes/3")
                self.assertEqual(read_answer(client), b"xxx")
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=TIMEOUT)
            for client in new:
                self.assertEqual(read_answer(client), b"xx")
            self.check_nothing_lost(server)


if __name__ == "__main__":
    unittest.main()
