"""A machine or a server that stands still for a while: who spoke in time is served, though the server comes late."""

import os
import signal
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

from every_model import WITHOUT_WORKERS_OF_OURS, chosen, flags_of, model_of
from faults import Hostile, connect, end_of, settings_of
from harness import Bullpen, wait_until

LIMIT = 2  # Seconds, of whichever limit.
STANDSTILL = 2.5
DOWNLOAD = 30_000_000
GET = b"GET /bytes/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Phase:
    """Where a client is when the server stops: `before` brings it there, `meanwhile` is what it does then."""

    flag, is_parked = "--idle-timeout", True  # Where the model parks.

    def server(self, case):
        return Bullpen("work", *flags_of(case), self.flag, str(LIMIT))

    def before(self, client):
        pass

    def meanwhile(self, client):
        client.sendall(GET)

    def is_served(self, client):
        return (end_of(client) or b"").startswith(b"HTTP/1.1 200")


class First(Phase):
    """It has connected and said nothing yet."""


class Kept(Phase):
    """It waits between two requests."""

    def before(self, client):
        client.sendall(b"GET /bytes/1 HTTP/1.1\r\nHost: x\r\n\r\n")
        while not client.recv(65536).endswith(b"x"):
            pass


class Head(Phase):
    """It is in the middle of a head."""

    flag = "--header-timeout"

    def before(self, client):
        client.sendall(GET[:20])

    def meanwhile(self, client):
        client.sendall(GET[20:])


class Body(Phase):
    """It is in the middle of what a handler reads as a whole."""

    is_parked = False
    setting, word = "body_ms", b"b"

    def server(self, case):
        return Hostile("reads_more", *settings_of(case), f"{self.setting}={1000 * LIMIT}")

    def before(self, client):
        client.sendall(self.word)

    def meanwhile(self, client):
        client.sendall(b"123456789")

    def is_served(self, client):
        return end_of(client) == b"done"


class Conversation(Body):
    """It is in a conversation that the handler reads."""

    setting, word = "read_ms", b"r"


class Download(Phase):
    """It has not taken its answer for a moment, and does so now."""

    flag = "--write-timeout"

    def before(self, client):
        client.sendall(b"GET /bytes/%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % DOWNLOAD)
        self.got = len(client.recv(1000))

    def meanwhile(self, client):
        client.settimeout(0.3)
        try:
            while piece := client.recv(1 << 20):
                self.got += len(piece)
        except TimeoutError:  # All that the kernel held.
            client.settimeout(30)

    def is_served(self, client):
        return self.got + len(end_of(client) or b"") > DOWNLOAD


PHASES = (First, Kept, Head, Body, Conversation, Download)


class Standstill(unittest.TestCase):
    def test_who_spoke_while_the_server_stood_still_is_served(self):
        for case in chosen():
            if model_of(case) in WITHOUT_WORKERS_OF_OURS:
                continue  # A program's limits are its own affair.
            with self.subTest(model=case), ExitStack() as stack:
                servers = [(phase, stack.enter_context(phase.server(case))) for phase in (kind() for kind in PHASES)]
                tried = []
                for phase, server in servers:
                    client = stack.enter_context(closing(connect(server)))  # Its limits run from here on.
                    tried.append((phase, server, client))
                    phase.before(client)
                    where = {"where": "parked"} if phase.is_parked and model_of(case) == "prefork" else {}
                    wait_until(lambda: server.total("bullpen_connections_in_flight", **where) == 1, "it to be there")
                    os.killpg(server.pid, signal.SIGSTOP)
                began = time.monotonic()
                for phase, _, client in tried:
                    phase.meanwhile(client)
                time.sleep(max(0.0, began + STANDSTILL - time.monotonic()))  # As long as the machine is away.
                for _, server, _ in tried:
                    os.killpg(server.pid, signal.SIGCONT)
                # At once: a client that is made to wait for the others is cut by right.
                with ThreadPoolExecutor() as threads:
                    served = list(threads.map(lambda one: one[0].is_served(one[2]), tried))
                cut = [type(phase).__name__ for (phase, _, _), good in zip(tried, served) if not good]
                self.assertEqual(cut, [], "clients that spoke in time were cut")


if __name__ == "__main__":
    unittest.main()
