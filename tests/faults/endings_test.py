"""A client sees its connection end at once and as the handler wants it, though the master has a copy of its socket."""

import os
import signal
import socket
import tempfile
import time
import unittest
from contextlib import closing, contextmanager

from every_model import CASES, model_of
from faults import OPTIMISED, Hostile, connect, end_of, settings_of, stand_still, wait_for
from harness import Bullpen, wait_until

HANDING_OFF = ("prefork", "prefork, 2 threads each", "prefork-event", "fork")


@contextmanager
def ending(case):
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(4096)
        with Hostile("ends", f"counters={file.name}", *settings_of(case)) as server:
            yield server


def ask(server, word):
    """What comes until the end, and how many seconds later that is."""
    with closing(connect(server, timeout=10)) as client:
        began = time.monotonic()
        client.sendall(word)
        return end_of(client), time.monotonic() - began


@contextmanager
def without_master(server):
    master = server.master
    stand_still(master)
    try:
        yield
    finally:
        os.kill(master, signal.SIGCONT)


class Endings(unittest.TestCase):
    def test_a_handler_that_wants_its_client_reset_has_it_reset_at_once(self):
        for case in HANDING_OFF:
            with self.subTest(case=case), ending(case) as server:
                for _ in range(5):
                    data, seconds = ask(server, b"r")
                    self.assertIsNone(data, "an end in order")
                    self.assertLess(seconds, 1)
                self.assertEqual(ask(server, b"-")[0], b"")
                server.check_conservation()
                self.assertEqual(server.total("bullpen_connections_lost_total"), 0)

    def test_a_handler_that_wants_its_close_to_wait_holds_up_no_other_client(self):
        for case in HANDING_OFF:
            with self.subTest(case=case), ending(case) as server, closing(connect(server)) as deaf:
                deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                deaf.sendall(b"l")
                wait_until(lambda: server.total("bullpen_connections_completed_total") == 1, "its end", 5)
                for _ in range(20):
                    data, seconds = ask(server, b"-")
                    self.assertEqual(data, b"")
                    self.assertLess(seconds, 1)

    def test_what_the_child_of_a_handler_sends_later_arrives_if_the_connection_was_detached(self):
        for case in HANDING_OFF:
            with self.subTest(case=case), ending(case) as server:
                self.assertEqual(ask(server, b"d")[0], b"child")
                server.check_conservation()

    def test_else_the_client_sees_the_end_though_a_child_has_its_socket(self):
        for case in HANDING_OFF:
            with self.subTest(case=case), ending(case) as server:
                data, seconds = ask(server, b"c")
                self.assertEqual(data, b"")
                self.assertLess(seconds, 0.85, "as long as the child waits")

    def test_a_client_sees_the_end_while_the_master_stands_still(self):
        for case in HANDING_OFF:
            with self.subTest(case=case), \
                    Bullpen("work", "--model", model_of(case), *CASES[case], program=OPTIMISED) as server:
                with closing(connect(server, timeout=5)) as client:
                    client.sendall(b"GET /sleep/500 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    wait_for(server, "begun", 1)
                    with without_master(server):
                        data = client.recv(100)
                        began = time.monotonic()
                        data += end_of(client)
                        took = time.monotonic() - began
                self.assertTrue(data.startswith(b"HTTP/1.1 200"), data)
                print(f"\n{case}: the end came after {took * 1000:.1f} ms, without the master", end="", flush=True)
                self.assertLess(took, 1)


if __name__ == "__main__":
    unittest.main()
