"""The law of conservation in every scrape, not only at rest: accepted = all ways to end + in flight."""

import os
import random
import signal
import socket
import threading
import unittest
from contextlib import ExitStack

from every_model import chosen, flags_of, model_of
from faults import OPTIMISED, Scraper, children, connect, load
from harness import Bullpen

CONNECTIONS = 2000  # Each its own request.
REQUESTS = 4000  # On connections that are kept.
SLOW_TO_START = {"fork": 10, "inetd": 25, "thread": 2}  # So many times fewer.


class Leavers(threading.Thread):
    """Clients that reset, leave in the middle of a head, or close without a word, until told to stop. So many times fewer,
    that the server needn't start programs for them alone."""

    def __init__(self, server, few):
        super().__init__()
        self.server, self.pause, self.stopping = server, 0.002 * few, threading.Event()

    def run(self):
        number = 0
        while not self.stopping.wait(self.pause):
            number += 1
            try:
                with connect(self.server) as client:
                    client.sendall((b"", b"GET /by", b"GET /bytes/100000 HTTP/1.1\r\nHost: x\r\n\r\n")[number % 3])
                    if number % 2:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            except ConnectionError:
                pass


class Strikes(threading.Thread):
    """SIGKILL for one worker after the other, until told to stop."""

    def __init__(self, server, _):
        super().__init__()
        self.server, self.stopping = server, threading.Event()

    def run(self):
        while not self.stopping.wait(0.05):
            if victims := children(self.server):
                try:
                    os.kill(random.choice(victims), signal.SIGKILL)
                except ProcessLookupError:
                    pass


class EveryScrape(unittest.TestCase):
    def check(self, case, *weather, flags=()):
        few = SLOW_TO_START.get(model_of(case), 1)
        with Bullpen("work", *flags_of(case), *flags, program=OPTIMISED) as server, ExitStack() as stack:
            scraper = Scraper(server, stack)
            disturbers = [kind(server, few) for kind in weather]
            for each in disturbers:
                each.start()
            loads = [load(server, "--connections", str(CONNECTIONS // few), "--concurrency", "8"),
                     load(server, "--requests", str(REQUESTS // few), "--keep-alive=7", "--concurrency", "8")]
            try:
                scraper.scrape_until_ended(loads)
            finally:
                for each in disturbers:
                    each.stopping.set()
                    each.join()
                for each in loads:
                    each.kill()
                    each.wait()
            scraper.scrape()
            if scraper.broken:
                self.fail(f"{len(scraper.broken)} complaints in {scraper.scrapes} scrapes, first: {scraper.broken[0]}")

    def test_each_scrape_under_load_accounts_for_every_connection(self):
        for case in chosen():
            with self.subTest(model=case):
                self.check(case, Leavers)

    def test_each_scrape_accounts_for_every_connection_while_workers_are_killed(self):
        for case in chosen():
            if model_of(case) not in ("prefork", "prefork-accept", "fork", "prefork-event"):
                continue
            with self.subTest(model=case):
                self.check(case, Leavers, Strikes)

    def test_each_scrape_accounts_for_every_connection_while_clients_are_queued_refused_and_let_go(self):
        for case in ("prefork", "fork"):
            with self.subTest(model=case):
                self.check(case, Leavers, flags=("--workers-max", "2", "--queue", "4", "--queue-timeout", "20",
                                                 "--idle-timeout", "1", "--connections-max", "12"))


if __name__ == "__main__":
    unittest.main()
