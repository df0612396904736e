"""Idle and slow clients of http, many more than workers: they cost none, and who is quick is served at once."""

import hashlib
import os
import random
import resource
import signal
import socket
import tempfile
import threading
import time
import unittest
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from harness import Bullpen, wait_until
from slow_client import ask, connect, read_answer

STORM_KILLS = int(os.environ.get("BULLPEN_STORM_KILLS", "50"))
LARGE = 6_000_000  # More than the kernel's buffers hold.

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def parked(server):
    return server.total("bullpen_connections_in_flight", where="parked")


def wait_for_parked(server, count):
    wait_until(lambda: parked(server) == count, f"{count} parked connections")


def lost(server):
    return server.total("bullpen_connections_lost_total")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Parking(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)
        for number in range(10):
            Path(self.home.name, str(number)).write_text(f"file {number}\n")
        self.large = random.Random(4).randbytes(LARGE)
        Path(self.home.name, "large").write_bytes(self.large)
        self.stack = self.enter(ExitStack())

    def enter(self, context):
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    @contextmanager
    def serve(self, *flags):
        with Bullpen("http", "--root", self.home.name, *(flags or ("--workers", "2"))) as server:
            wait_until(lambda: server.total("bullpen_workers", state="idle") >= 2, "idle workers")
            yield server
            self.stack.close()  # What is left to do then has to come to rest without clients.

    def open(self, server, count, **options):
        return [self.stack.enter_context(closing(connect(server, **options))) for _ in range(count)]

    def is_served(self, server):
        with closing(connect(server)) as client:
            ask(client, "/7")
            return read_answer(client) == b"file 7\n"

    def check_that_nothing_is_left(self, server, before):
        """When all clients have left."""
        self.stack.close()
        wait_until(lambda: descriptors(server.pid) == before, "as many descriptors as before")
        self.assertEqual(lost(server), 0)

    def test_a_thousand_clients_between_two_requests_cost_no_worker(self):
        with self.serve() as server:
            before = descriptors(server.pid)  # Before the first client, which may stay parked after it has left.
            self.assertTrue(self.is_served(server))
            clients = self.open(server, 1000)
            for round in range(2):
                for client in clients:
                    ask(client, "/1")
                for client in clients:
                    self.assertEqual(read_answer(client), b"file 1\n")
                wait_for_parked(server, 1000)
                self.assertEqual(server.total("bullpen_workers", state="idle"), 2)
                self.assertTrue(self.is_served(server))
            handoffs = server.total("bullpen_handoffs_total")
            self.check_that_nothing_is_left(server, before)
            self.assertEqual(server.total("bullpen_handoffs_total"), handoffs)
            self.assertEqual(server.total("bullpen_connections_completed_total"), 1003)

    def test_clients_that_say_nothing_cost_no_worker(self):
        with self.serve() as server:
            before = descriptors(server.pid)
            self.open(server, 300)
            wait_for_parked(server, 300)
            self.assertEqual(server.total("bullpen_handoffs_total"), 0)
            self.assertTrue(self.is_served(server))
            self.check_that_nothing_is_left(server, before)

    def test_heads_that_come_byte_by_byte_cost_no_worker(self):
        with self.serve() as server:
            before = descriptors(server.pid)
            slow = self.open(server, 200)
            head = b"GET /3 HTTP/1.0\r\n\r\n"
            for position in range(len(head)):
                for client in slow:
                    client.sendall(head[position:position + 1])
                if position < len(head) - 1:
                    self.assertTrue(self.is_served(server))
            for client in slow:
                self.assertEqual(read_answer(client), b"file 3\n")
                self.assertEqual(client.recv(1), b"")
            self.check_that_nothing_is_left(server, before)

    def test_answers_that_are_taken_slowly_cost_no_worker_and_arrive_whole(self):
        with self.serve() as server:
            before = descriptors(server.pid)
            slow = self.open(server, 16, receive_buffer=65536)
            for client in slow:
                ask(client, "/large", b"Connection: close\r\n")
            wait_for_parked(server, 16)
            self.assertTrue(self.is_served(server))
            for client in slow:
                self.assertGreater(len(client.recv(65536)), 0)
                self.assertTrue(self.is_served(server))
            digest = hashlib.sha256(self.large).digest()
            others = self.open(server, 4, receive_buffer=65536)
            for client in others:
                ask(client, "/large")
            wait_until(lambda: parked(server) >= 16, "the others to be parked")
            for client in others:
                self.assertEqual(hashlib.sha256(read_answer(client)).digest(), digest)
            for client in slow:
                rest = b"".join(iter(lambda client=client: client.recv(1 << 20), b""))
                self.assertTrue(self.large.endswith(rest))
                self.assertGreater(len(rest), LARGE - 2 * 65536)
            self.check_that_nothing_is_left(server, before)

    def test_a_request_body_that_is_sent_slowly_costs_no_worker(self):
        with self.serve() as server:
            before = descriptors(server.pid)
            slow = self.open(server, 50)
            for client in slow:
                client.sendall(b"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(5):
                for client in slow:
                    client.sendall(b"x")
                self.assertTrue(self.is_served(server))
            for client in slow:  # Told off, and not cut off while it goes on.
                self.assertIn(b" 405 ", client.recv(65536).split(b"\r\n")[0])
            self.check_that_nothing_is_left(server, before)

    def test_requests_that_come_together_are_answered_in_their_order(self):
        with self.serve() as server:
            clients = self.open(server, 20)
            order = [random.randrange(10) for _ in range(50)]
            requests = b"".join(f"GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for number in order)
            for round in range(2):
                for client in clients:
                    client.sendall(requests)
                for client in clients:
                    with client.makefile("rb") as stream:
                        for number in order:
                            while stream.readline() not in (b"\r\n", b""):
                                pass
                            self.assertEqual(stream.readline(), f"file {number}\n".encode())
                wait_for_parked(server, 20)

    def test_a_client_that_has_ended_its_side_gets_its_answer(self):
        with self.serve() as server:
            [client, brief] = self.open(server, 2)
            ask(client, "/1")
            self.assertEqual(read_answer(client), b"file 1\n")
            wait_for_parked(server, 2)
            for each in (client, brief):
                ask(each, "/2")
                each.shutdown(socket.SHUT_WR)
                self.assertEqual(read_answer(each), b"file 2\n")
                self.assertEqual(each.recv(1), b"")

    def test_at_a_stop_parked_clients_are_let_go_and_half_a_head_may_still_be_completed(self):
        with self.serve() as server:
            [idle, silent, half] = self.open(server, 3)
            ask(idle, "/1")
            self.assertEqual(read_answer(idle), b"file 1\n")
            half.sendall(b"GET /5 HT")
            wait_for_parked(server, 3)
            server.terminate()
            for client in (idle, silent):
                self.assertEqual(client.recv(1), b"")
            half.sendall(b"TP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(read_answer(half), b"file 5\n")
            self.assertEqual(half.recv(1), b"")
            self.assertEqual(server.wait(), 0)

    def test_when_the_master_is_killed_nothing_is_left(self):
        with self.serve() as server:
            clients = self.open(server, 50)
            for client in clients:
                ask(client, "/1")
                self.assertEqual(read_answer(client), b"file 1\n")
            wait_for_parked(server, 50)
            server.stop(signal.SIGKILL)
            for client in clients:
                self.assertEqual(client.recv(1), b"")

    def test_threads_give_their_connections_back_too(self):
        with self.serve("--workers", "4", "--threads", "2") as server:
            clients = self.open(server, 100)
            for client in clients:
                ask(client, "/1")
            for client in clients:
                self.assertEqual(read_answer(client), b"file 1\n")
            wait_for_parked(server, 100)
            self.assertTrue(self.is_served(server))


class Visitors(threading.Thread):
    """Ten clients who keep their connections, asking in turn."""

    def __init__(self, server):
        super().__init__()
        self.server, self.answers, self.failed, self.stopping = server, 0, 0, False

    def run(self):
        clients = [connect(self.server) for _ in range(10)]
        while not self.stopping:
            sent = [self.attempt(lambda client=client: ask(client, "/1") or True) for client in clients]
            for place, client in enumerate(clients):
                if sent[place] and self.attempt(lambda client=client: read_answer(client) == b"file 1\n"):
                    self.answers += 1
                    continue
                self.failed += 1
                client.close()
                clients[place] = connect(self.server)
        for client in clients:
            client.close()

    @staticmethod
    def attempt(action):
        try:
            return action()
        except ConnectionError:
            return False


class Storms(unittest.TestCase):
    def test_workers_that_are_killed_take_only_the_clients_in_their_hands_with_them(self):
        with tempfile.TemporaryDirectory() as home:
            Path(home, "1").write_text("file 1\n")
            with Bullpen("http", "--root", home, "--workers", "4") as server:
                wait_until(lambda: server.total("bullpen_workers", state="idle") == 4, "4 idle workers")
                before = descriptors(server.pid)
                visitors = [Visitors(server) for _ in range(5)]
                for each in visitors:
                    each.start()
                kills = 0
                while kills < STORM_KILLS:
                    if victims := server.workers():
                        with suppress(ProcessLookupError):  # It has left by itself.
                            os.kill(random.choice(victims), signal.SIGKILL)
                            kills += 1
                    time.sleep(0.05)  # The rate of the storm, not a wait for something.
                for each in visitors:
                    each.stopping = True
                for each in visitors:
                    each.join()
                wait_until(lambda: server.total("bullpen_connections_in_flight") == 0, "rest")
                failed = sum(each.failed for each in visitors)
                print(f"\n{sum(each.answers for each in visitors)} answers, {kills} kills, {lost(server):.0f} lost, "
                      f"{failed} failed")
                self.assertLessEqual(failed, lost(server))
                self.assertLessEqual(lost(server), kills)
                wait_until(lambda: server.total("bullpen_workers", state="idle") == 4, "4 idle workers")
                wait_until(lambda: descriptors(server.pid) == before, "as many descriptors as before")


if __name__ == "__main__":
    unittest.main()
