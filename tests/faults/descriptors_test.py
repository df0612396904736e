"""Few descriptors and many clients: nobody is promised a descriptor that isn't there, and it is over with the crowd."""

import select
import socket
import tempfile
import time
import unittest
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from every_model import under
from faults import OPTIMISED, behind, connect, get, stopped_group
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
