"""How long things may take: each limit as a client sees it, and the metric that counts it."""

import re
import threading
import unittest
import urllib.request
from contextlib import closing

from every_model import under
from harness import Bullpen, wait_until
from slow_client import TIMEOUT, ask, connect, is_closed, read_answer, wait_for_close

WAYS = ("prefork", "prefork-accept", "event")  # The master waits for the client, a worker does, a coroutine does.


def timed_out(server, limit):
    return server.total("bullpen_connections_timed_out_total", limit=limit)


def wait_for_timed_out(server, limit, count):
    wait_until(lambda: timed_out(server, limit) == count, f"{count} time-outs of {limit}")


def is_served(server):
    with urllib.request.urlopen(f"http://{server.addresses[0]}/bytes/10", timeout=TIMEOUT) as answer:
        return answer.read() == b"x" * 10


class Clients(unittest.TestCase):
    """Limits that a client runs into."""

    @under(*WAYS)
    def test_who_says_nothing_is_let_go_at_the_idle_limit(self, model):
        with Bullpen("work", "--model", model, "--idle-timeout", "1", "--header-timeout", "60") as server:
            with closing(connect(server)) as silent, closing(connect(server)) as kept:
                ask(kept, "/bytes/1")
                self.assertEqual(read_answer(kept), b"x")
                for client in (silent, kept):
                    self.assertEqual(client.recv(1), b"")  # Quietly.
                wait_for_timed_out(server, "idle", 2)

    def test_who_waits_to_speak_costs_no_worker(self):
        with Bullpen("work", "--workers", "1", "--idle-timeout", "60") as server:
            with closing(connect(server)), closing(connect(server)) as kept, closing(connect(server)) as slow:
                ask(kept, "/bytes/1")
                self.assertEqual(read_answer(kept), b"x")
                slow.sendall(b"GET /bytes/1")
                wait_until(lambda: server.total("bullpen_connections_in_flight", where="parked") == 3, "three parked")
                self.assertTrue(is_served(server))

    @under(*WAYS)
    def test_a_head_must_be_complete_at_the_header_limit_however_it_comes(self, model):
        with Bullpen("work", "--model", model, "--header-timeout", "1", "--idle-timeout", "60") as server:
            with closing(connect(server)) as stops, closing(connect(server)) as drips:
                for client in (stops, drips):
                    client.sendall(b"GET /bytes/1 HTTP/1.1\r\nX: ")
                wait_for_close(drips, "the end of the one who drips", lambda: drips.sendall(b"x"))
                wait_for_close(stops, "the end of the one who stopped")
                wait_for_timed_out(server, "header", 2)
                self.assertTrue(is_served(server))
            self.assertEqual(timed_out(server, "idle"), 0)

    @under(*WAYS)
    def test_who_takes_an_answer_below_the_floor_is_cut(self, model):
        with Bullpen("work", "--model", model, "--write-timeout", "1", "--write-rate", "10000000",
                     "--workers-max", "4") as server:
            with closing(connect(server, 4096)) as stops, closing(connect(server, 4096)) as drips:
                for client in (stops, drips):
                    ask(client, "/bytes/60000000")
                received = 0

                def drip():
                    nonlocal received
                    received += len(drips.recv(1000))
                    return timed_out(server, "write") == 2
                wait_until(drip, "the end of both")
                self.assertLess(received, 60_000_000)
                self.assertTrue(is_served(server))

    @under(*WAYS)
    def test_who_takes_an_answer_slowly_but_steadily_is_let_alone(self, model):
        size = 6_000_000
        with Bullpen("work", "--model", model, "--write-timeout", "1", "--write-rate", "500",
                     "--workers-max", "4") as server:
            with closing(connect(server, 16384)) as client:
                ask(client, f"/bytes/{size}", b"Connection: close\r\n")
                pause = threading.Event()
                received = 0
                for _ in range(30):  # Far longer than the limit; the kernel's buffers alone hold more than that.
                    received += len(client.recv(8192))
                    pause.wait(0.1)
                self.assertEqual(timed_out(server, "write"), 0)
                while piece := client.recv(1 << 20):
                    received += len(piece)
                self.assertGreater(received, size)


class Requests(unittest.TestCase):
    """The limit that a worker runs into."""

    def check_log_of_slow(self, server, client, line):
        self.assertRegex(server.stderr, r"pool default: worker \d+ \(pid \d+\) is told to stop: slow request" +
                         (f", client 127\\.0\\.0\\.1:{client.getsockname()[1]}" if client else "") +
                         (f', "{re.escape(line)}"' if line else "") + r", 1\.\d s\n")
        self.assertEqual(server.stderr.count("slow request"), 1)

    def exits(self, server):
        return server.total("bullpen_worker_exits_total", reason="request_timeout")

    def lost(self, server):
        return server.total("bullpen_connections_lost_total", reason="request_timeout")

    @under("prefork", "fork")
    def test_a_worker_too_slow_is_killed_after_the_grace_and_others_are_unharmed(self, model):
        with Bullpen("work", "--model", model, "--request-timeout", "1", "--request-grace", "1") as server:
            with closing(connect(server)) as slow, closing(connect(server)) as other:
                ask(slow, "/sleep/50000")
                while not is_closed(slow):
                    ask(other, "/bytes/3")
                    self.assertEqual(read_answer(other), b"xxx")
                self.check_log_of_slow(server, slow, "GET /sleep/50000 HTTP/1.1")
            wait_until(lambda: self.exits(server) == 1, "the count of the exit")
            self.assertEqual(server.total("bullpen_connections_lost_total"), 1)
            self.assertEqual(self.lost(server), 1)
            self.assertTrue(is_served(server))

    def test_what_is_done_within_the_grace_is_not_lost(self):
        with Bullpen("work", "--workers", "1", "--request-timeout", "1", "--request-grace", "50") as server:
            with closing(connect(server)) as slow, closing(connect(server)) as waiting:
                ask(slow, "/sleep/2500")
                wait_until(lambda: server.total("bullpen_connections_in_flight", where="begun") == 1, "its begin")
                ask(waiting, "/bytes/2")
                self.assertEqual(read_answer(slow), b"x" * 128)
                self.assertEqual(read_answer(waiting), b"xx")
                self.check_log_of_slow(server, slow, "GET /sleep/2500 HTTP/1.1")
            wait_until(lambda: self.exits(server) == 1, "the count of the exit")
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)

    def test_a_worker_that_accepts_by_itself_is_ended_as_well(self):
        with Bullpen("work", "--model", "prefork-accept", "--request-timeout", "1", "--request-grace", "0") as server:
            with closing(connect(server)) as slow:
                ask(slow, "/sleep/50000")
                wait_for_close(slow, "its end")
            wait_until(lambda: self.exits(server) == 1, "the count of the exit")
            self.assertEqual(self.lost(server), 1)
            self.assertRegex(server.stderr, r'pool default: worker \d+ .*: slow request, "GET /sleep/50000 HTTP/1\.1", 1\.')

    def test_a_program_is_told_to_stop_at_the_limit(self):
        with Bullpen("exec", "--model", "inetd", "--request-timeout", "1", "--request-grace", "3600",
                     "--", "/bin/sleep", "3600") as server:
            with closing(connect(server)) as slow:
                wait_for_close(slow, "its end")  # By SIGTERM: the grace is long.
                self.check_log_of_slow(server, slow, None)
            wait_until(lambda: self.exits(server) == 1, "the count of the exit")
            self.assertEqual(self.lost(server), 1)

    @under("prefork", "prefork-accept")
    def test_waiting_for_the_client_is_no_request(self, model):
        with Bullpen("work", "--model", model, "--request-timeout", "1", "--request-grace", "0",
                     "--idle-timeout", "2") as server:
            with closing(connect(server)) as kept:
                ask(kept, "/bytes/1")
                self.assertEqual(read_answer(kept), b"x")
                self.assertEqual(kept.recv(1), b"")
            wait_for_timed_out(server, "idle", 1)
            self.assertEqual(self.exits(server), 0)
            self.assertNotIn("slow request", server.stderr)


if __name__ == "__main__":
    unittest.main()
