"""The law of conservation in every scrape, not only at rest: accepted = all ways to end + in flight."""

import http.client
import os
import random
import signal
import socket
import threading
import unittest
from contextlib import ExitStack

from every_model import chosen, flags_of, model_of
from faults import OPTIMISED, OUTCOMES, children, connect, load
from harness import Bullpen, parse_metrics, total

CONNECTIONS = 2000  # Each its own request.
REQUESTS = 4000  # On connections that are kept.
SLOW_TO_START = {"fork": 10, "inetd": 25, "thread": 2}  # So many times fewer.


class Scraper:
    """Reads /metrics again and again over one connection, and judges each reading."""

    def __init__(self, server, stack):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.metrics_port, timeout=60)
        stack.callback(self.connection.close)
        self.last = {}
        self.scrapes = 0
        self.broken = []

    def scrape(self):
        self.connection.request("GET", "/metrics")
        now = parse_metrics(self.connection.getresponse().read().decode())
        self.scrapes += 1
        accepted = total(now, "bullpen_connections_accepted_total")
        ended = {kind: total(now, f"bullpen_connections_{kind}_total") for kind in OUTCOMES}
        in_flight = {dict(labels)["where"]: value for (name, labels), value in now.items()
                     if name == "bullpen_connections_in_flight"}
        if accepted != sum(ended.values()) + sum(in_flight.values()):
            self.broken.append(f"accepted {accepted:g}, ended {ended}, in flight {in_flight}")
        for sample, before in self.last.items():
            if sample[0].endswith("_total") and now.get(sample, 0) < before:
                self.broken.append(f"{sample[0]}{dict(sample[1])} went back from {before:g} to {now.get(sample)}")
        self.last = now

    def scrape_until_ended(self, loads, but_at_least=20):
        while any(each.poll() is None for each in loads) or self.scrapes < but_at_least:
            self.scrape()


class Leavers(threading.Thread):
    """Clients that reset, leave in the middle of a head, or close without a word, until told to stop."""

    def __init__(self, server):
        super().__init__()
        self.server, self.stopping = server, threading.Event()

    def run(self):
        number = 0
        while not self.stopping.wait(0.002):
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

    def __init__(self, server):
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
            disturbers = [kind(server) for kind in weather]
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
