"""Handlers that fork: what their children inherit harms neither the worker, its siblings nor its successor."""

import os
import signal
import unittest
from contextlib import contextmanager

from every_model import under
from faults import HOSTILE, Hostile, children, connect, cpu_of_each
from harness import title, wait_until

RUN_HANDLERS = ("iterative", "fork", "thread", "prefork-accept", "prefork-lock", "prefork-reuseport", "prefork",
                "prethread", "prethread-accept", "event", "prefork-event")
HAND_OFF = ("prefork",)


def workers(model):
    """The same number in each model that has one."""
    return ["workers=2"] if model not in ("iterative", "event", "fork", "thread") else []


def ask(server, word):
    """A new client's word, and the answer."""
    with connect(server, timeout=5) as client:
        client.sendall(word)
        return client.recv(100)


@contextmanager
def child_of_handler(server):
    """A handler's child, which lives until the end of the block, if it can."""
    child = int(ask(server, b"p"))
    try:
        yield child
    finally:
        try:
            if title(child).startswith(("bullpen", HOSTILE)):
                os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Children(unittest.TestCase):
    @under(*RUN_HANDLERS)
    def test_a_child_that_gets_sigterm_stops_no_worker(self, model):
        with Hostile("kills_its_child", f"model={model}", *workers(model)) as server, child_of_handler(server):
            for _ in range(4):
                self.assertEqual(ask(server, b"hello"), b"hello")
            used = cpu_of_each([server.pid, server.master, *children(server)], 0.6)
            self.assertLess(max(used.values()), 0.1, "a process that has nothing to do spins")
            for _ in range(4):
                self.assertEqual(ask(server, b"hello"), b"hello")

    @under(*HAND_OFF)
    def test_a_child_that_reads_the_channel_takes_no_client_from_the_next_worker(self, model):
        for threads in ("1", "2"):
            with self.subTest(threads=threads), Hostile("clones_a_thief", f"model={model}", "workers=2",
                                                        f"threads={threads}") as server:
                before = children(server)
                with child_of_handler(server):
                    for pid in before:
                        os.kill(pid, signal.SIGKILL)
                    wait_until(lambda: not set(before) & set(children(server)), "the workers' burial")
                    wait_until(lambda: server.total("bullpen_workers", state="idle") == 2, "their successors")
                    for number in range(20):
                        self.assertEqual(ask(server, b"hello"), b"hello", f"client {number}")
                    server.check_conservation()

    @under(*HAND_OFF)
    def test_a_worker_whose_child_steals_its_clients_does_not_wedge_the_pool(self, model):
        with Hostile("clones_a_thief", f"model={model}", "workers=1") as server, child_of_handler(server):
            # The robbed worker still gets one or the other.
            wait_until(lambda: answered(server) and server.total("bullpen_worker_exits_total", reason="replaced") > 0,
                       "another worker, since clients are stolen from this one")
            for _ in range(5):
                self.assertTrue(answered(server))
            wait_until(lambda: server.total("bullpen_connections_in_flight") == 0, "the stolen ones' settlement")


def answered(server):
    """Whether a client is. A thief's victims are closed, or wait in vain."""
    try:
        return ask(server, b"hello") == b"hello"
    except OSError:
        return False


if __name__ == "__main__":
    unittest.main()
