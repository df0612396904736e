"""Few descriptors and many clients: nobody is promised a descriptor that isn't there, and it is over with the crowd."""

import json
import os
import select
import socket
import subprocess
import tempfile
import time
import unittest
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from every_model import under
from faults import HOSTILE, LONG, OPTIMISED, Hostile, behind, connect, get, stopped_group, wait_for, wait_for_idle
from harness import Bullpen, wait_until
from slow_client import ask

COMPLAINTS = ("Too many open files", "out of descriptors")


SMALL, LARGE = "/small", "/large"
LARGE_SIZE = 5_000_000  # More than the kernel's buffers hold: its sender is parked together with the file.


@contextmanager
def limited(descriptors, *flags):
    """A server that may have so many."""
    with behind(f"ulimit -n {descriptors}; exec", program=OPTIMISED) as program:
        with Bullpen(*flags, program=program) as server:
            yield server


class Crowd:
    """Clients that ask at once and keep their connections, as far as they are let in."""

    def __init__(self, server, count, listener=0):
        self.server = server
        self.clients = [connect(server, listener) for _ in range(count)]
        for client in self.clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.ask(SMALL)
        wait_until(lambda: self.answered() >= 4, "the first answers")

    def ask(self, path):
        for client in self.clients:
            try:
                ask(client, path)
            except ConnectionError:  # It was let go.
                pass

    def ask_in_one_moment(self, path):
        with stopped_group(self.server):
            self.forget_answers()
            self.ask(path)

    def answered(self):
        poll = select.poll()
        for client in self.clients:
            poll.register(client, select.POLLIN)
        return len(poll.poll(0))

    def forget_answers(self):
        poll = select.poll()
        clients = {client.fileno(): client for client in self.clients}
        for descriptor in clients:
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(0):
            try:
                if clients[descriptor].recv(65536):
                    continue
            except ConnectionError:
                pass
            clients.pop(descriptor).close()
        self.clients = list(clients.values())

    def read_all(self):
        """Until everybody has had a whole answer or was let go, or nothing comes any more."""
        left = {client.fileno(): client for client in self.clients}
        got = dict.fromkeys(left, 0)
        poll = select.poll()
        for descriptor in left:
            poll.register(descriptor, select.POLLIN)
        while left:
            if not (events := poll.poll(5000)):
                raise AssertionError(f"{len(left)} of {len(got)} clients wait in vain for the rest")
            for descriptor, _ in events:
                try:
                    piece = len(left[descriptor].recv(1 << 20))
                except ConnectionError:
                    piece = 0
                got[descriptor] += piece
                if not piece or got[descriptor] > LARGE_SIZE:
                    poll.unregister(descriptor)
                    del left[descriptor]

    def leave(self):
        for client in self.clients:
            client.close()


class Crowds(unittest.TestCase):
    """A kept-alive crowd may have all that is there; when it leaves, the others are served at once."""

    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        self.home = home.name
        Path(self.home, "small").write_text("small")
        Path(self.home, "large").write_bytes(b"x" * LARGE_SIZE)

    def check_service(self, server, listeners=(0,)):
        for listener in listeners:
            self.assertEqual(get(server, SMALL, listener, timeout=5), 200)
        wait_until(lambda: server.total("bullpen_connections_in_flight") == 0, "no connection in flight", 10)
        self.assertEqual(server.total("bullpen_connections_lost_total"), 0)
        for complaint in COMPLAINTS:
            self.assertNotIn(complaint, server.stderr)
        began = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - began, 8, "the stop takes the whole drain time")

    @under("prefork", "fork", "prefork-event")
    def test_a_crowd_that_speaks_in_one_moment_and_leaves_harms_nobody(self, model):
        for descriptors, workers, count in ((1024, 4, 600), (256, 4, 300), (200, 2, 150), (2000, 16, 1500)):
            if model == "fork" and descriptors != 256:
                continue  # A process for each.
            flags = ["--model", model, "--workers-max" if model == "fork" else "--workers", str(workers)]
            if model == "prefork-event":
                flags += ["--capacity", "20"]
            with self.subTest(descriptors=descriptors), limited(descriptors, "--root", self.home, *flags) as server:
                crowd = Crowd(server, count)
                crowd.ask_in_one_moment(SMALL)
                crowd.leave()
                self.check_service(server)

    def test_a_crowd_that_takes_its_time_with_files_is_served(self):
        for descriptors, workers, count in ((256, 2, 120), (400, 8, 250)):
            with self.subTest(descriptors=descriptors), \
                    limited(descriptors, "--root", self.home, "--workers", str(workers)) as server:
                crowd = Crowd(server, count)
                crowd.ask_in_one_moment(LARGE)
                crowd.read_all()
                crowd.leave()
                self.check_service(server)

    def test_the_crowds_of_several_pools_share_the_descriptors(self):
        config = Path(self.home, "bullpen.toml")
        config.write_text("".join(f"""
            [pool.{name}]
            listen = "127.0.0.1:0"
            root = "{self.home}"
            workers = {workers}
            """ for name, workers in (("a", 2), ("b", 8), ("c", 4))))
        with limited(400, "--config", str(config)) as server:
            crowds = [Crowd(server, 80, listener) for listener in range(3)]
            with stopped_group(server):
                for crowd in crowds:
                    crowd.forget_answers()
                    crowd.ask(LARGE)
            for crowd in crowds:
                crowd.read_all()
                crowd.leave()
            self.check_service(server, listeners=range(3))

    def test_a_pool_that_has_shrunk_gives_its_workers_descriptors_to_nobody(self):
        with limited(320, "--root", self.home, "--workers-start", "1", "--spare-min", "1", "--spare-max", "1",
                     "--workers-max", "40", "--shrink-window", "1") as server:
            crowd = Crowd(server, 100)
            for _ in range(2):  # It grows, and shrinks again.
                crowd.ask_in_one_moment(LARGE)
                crowd.read_all()
            wait_until(lambda: server.total("bullpen_workers") <= 3, "a smaller pool")
            crowd.ask_in_one_moment(LARGE)
            crowd.read_all()
            crowd.leave()
            self.check_service(server)


class OneEach(unittest.TestCase):
    """A connection costs the master one descriptor, wherever it is."""

    COUNT = 19000 if LONG else 3000

    def check(self, server, say_something):
        before = len(os.listdir(f"/proc/{server.pid}/fd"))
        with ExitStack() as stack:
            clients = [stack.enter_context(closing(connect(server))) for _ in range(self.COUNT)]
            for client in clients if say_something else []:
                client.sendall(b"a")
                self.assertEqual(client.recv(1), b"a")
            wait_for(server, "parked", self.COUNT)
            self.assertEqual(len(os.listdir(f"/proc/{server.pid}/fd")) - before, self.COUNT)
        wait_until(lambda: len(os.listdir(f"/proc/{server.pid}/fd")) <= before, f"{before} descriptors")

    def test_each_silent_client_costs_one(self):
        with Bullpen("echo", "--workers", "2", "--handoff-when", "readable", program=OPTIMISED) as server:
            wait_for_idle(server, 2)
            self.check(server, say_something=False)

    def test_each_client_that_waits_between_two_requests_costs_one(self):
        with Hostile("one_by_one", "model=prefork", "workers=2") as server:
            wait_for_idle(server, 2)
            self.check(server, say_something=True)


class BusyCrowds(unittest.TestCase):
    """900 kept clients that ask without a pause, of a server that may have 1024 descriptors."""

    SECONDS = 60 if LONG else 4

    def crowd(self, server, url, *flags):
        done = subprocess.run([OPTIMISED, "load", url, "--concurrency", "900", "--keep-alive", "--json", "-",
                               "--duration", str(self.SECONDS), *flags], capture_output=True, text=True)
        seen = json.loads(done.stdout[done.stdout.index("{"):])
        print(f"\n{seen['requests']} answers on {seen['connections']} connections, {seen['failed']} failed, "
              f"the longest wait {seen['longest_wait_us'] / 1000:.0f} ms", end="", flush=True)
        refused = server.total("bullpen_connections_refused_total", reason="connections")
        self.assertEqual(seen["unanswered"], 0)
        self.assertEqual(seen["failed"], refused, (seen["errors"], seen["statuses"]))
        self.assertEqual(seen["statuses"].get("503", 0), refused)
        self.assertGreater(seen["requests"], 5000)
        self.assertEqual(server.total("bullpen_connections_lost_total"), 0)
        self.assertEqual(server.total("bullpen_connections_refused_total"), refused)
        for complaint in COMPLAINTS:
            self.assertNotIn(complaint, server.stderr)
        return seen

    def test_where_all_have_room_all_are_kept(self):
        with behind("ulimit -n 1024; exec", program=HOSTILE) as program:
            with Hostile("one_by_one", "model=prefork", "workers=16", program=program) as server:
                seen = self.crowd(server, f"tcp://{server.addresses[0]}", "--size", "1")
                self.assertEqual((seen["reconnects"], seen["failed"]), (0, 0))

    def test_where_some_have_room_they_are_closed_between_two_requests_or_refused_before_the_first(self):
        """A client of http is admitted at the price of two descriptors: its answer's file may wait with it."""
        with tempfile.TemporaryDirectory() as home:
            Path(home, "small").write_text("small")
            with limited(1024, "http", "--root", home, "--workers", "16") as server:
                self.crowd(server, f"{server.url.rstrip('/')}/small")


def answered(clients):
    """How many of them have something to read."""
    return len(select.select(clients, [], [], 0)[0])


class ConnectionsMax(unittest.TestCase):
    """--connections-max is never exceeded, wherever the connections are."""

    def most_seen(self, server, until):
        """The most connections in flight that any scrape saw until then."""
        most = 0
        while not until():
            most = max(most, int(server.total("bullpen_connections_in_flight")))
        return most

    def test_clients_queued_ahead_at_workers_count(self):
        with Bullpen("work", "--workers", "2", "--queue-ahead", "16", "--connections-max", "8") as server, \
                ExitStack() as stack:
            clients = [stack.enter_context(closing(connect(server))) for _ in range(40)]
            for client in clients:
                ask(client, "/sleep/200", b"Connection: close\r\n")
            most = self.most_seen(server, lambda: answered(clients) == len(clients))
            self.assertGreater(most, 2)
            self.assertLessEqual(most, 8)

    def test_clients_of_draining_workers_count(self):
        with Bullpen("work", "--workers-max", "12", "--spare-min", "4", "--connections-max", "4",
                     "--request-timeout", "1", "--request-grace", "60") as server, ExitStack() as stack:
            slow = [stack.enter_context(closing(connect(server))) for _ in range(4)]
            for client in slow:
                ask(client, "/sleep/4000", b"Connection: close\r\n")
            wait_until(lambda: server.total("bullpen_workers", state="draining") == 4, "four that are told to leave")
            others = [stack.enter_context(closing(connect(server))) for _ in range(8)]
            for client in others:
                ask(client, "/sleep/200", b"Connection: close\r\n")
            self.assertLessEqual(self.most_seen(server, lambda: answered(slow) == 4), 4)


if __name__ == "__main__":
    unittest.main()
