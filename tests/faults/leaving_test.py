"""Workers that accept, told to leave: a client that has just connected is served, and who got nothing isn't completed."""

import os
import signal
import threading
import time
import unittest
from contextlib import ExitStack, closing

from every_model import HASHED, ONE_AT_A_TIME, WITHOUT_WORKERS_OF_OURS, chosen, flags_of, model_of
from faults import connect, end_of, get, wait_for_idle
from harness import Bullpen, wait_until

SPEAKS_AFTER = 0.3  # Seconds; a silent client has stop_patience, 1 s.
REQUEST = b"GET /bytes/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def completed(server):
    return server.total("bullpen_connections_completed_total")


class Stops(unittest.TestCase):
    """An orderly stop, right after clients have connected."""

    def crowd(self, stack, server, case):
        count = 1 if model_of(case) in ONE_AT_A_TIME | HASHED else 4  # As many as can be served at once.
        return [stack.enter_context(closing(connect(server))) for _ in range(count)]

    def test_clients_that_connected_just_before_and_speak_soon_are_answered(self):
        for case in chosen():
            with self.subTest(model=case), Bullpen("work", *flags_of(case)) as server, ExitStack() as stack:
                self.assertEqual(get(server), 200)
                clients = self.crowd(stack, server, case)
                server.terminate()
                time.sleep(SPEAKS_AFTER)  # The client's own pace, nothing is waited for.
                for client in clients:
                    client.sendall(REQUEST)
                answers = [(end_of(client) or b"")[:12] for client in clients]
                self.assertEqual(answers, [b"HTTP/1.1 200"] * len(clients))
                self.assertEqual(server.wait(), 0)

    def test_clients_that_stay_silent_are_refused_and_not_completed(self):
        for case in chosen():
            if model_of(case) in WITHOUT_WORKERS_OF_OURS:
                continue  # How a program ends is all that is known of it.
            # A client at work keeps the server there until the silent ones' ends have been counted.
            with self.subTest(model=case), Bullpen("work", *flags_of(case), "--workers-max", "64") \
                    if False else self.serving(case) as server, ExitStack() as stack:
                self.assertEqual(get(server), 200)
                wait_until(lambda: completed(server) == 1, "one completed")
                if model_of(case) in ONE_AT_A_TIME:
                    clients = self.crowd(stack, server, case)
                else:
                    busy = stack.enter_context(closing(connect(server)))
                    busy.sendall(b"GET /sleep/4000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    wait_until(lambda: server.total("bullpen_connections_in_flight") == 1, "one at work")
                    clients = self.crowd(stack, server, case)
                server.terminate()
