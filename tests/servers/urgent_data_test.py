"""TCP's urgent data (MSG_OOB): it holds up nobody, and --oob says what becomes of it."""

import socket
import tempfile
import unittest
from pathlib import Path

from every_model import WITHOUT_WORKERS_OF_OURS, chosen, flags_of, model_of
from harness import Bullpen, wait_until
from upgradable import Upgradable

EVENTS = {"event", "prefork-event"}
METRIC = "bullpen_urgent_bytes_total"


def connect(server, timeout=60):
    client = socket.create_connection(("127.0.0.1", server.port), timeout=timeout)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def rest_of(client):
    return b"".join(iter(lambda: client.recv(65536), b""))


def echoed(server):
    """What comes back of abc, an urgent U, and def."""
    with connect(server) as client:
        client.sendall(b"abc")
        client.send(b"U", socket.MSG_OOB)
        client.sendall(b"def")
        client.shutdown(socket.SHUT_WR)
        return rest_of(client)


class UrgentData(unittest.TestCase):
    def test_a_head_with_an_urgent_byte_within_ends_its_client_at_once(self):
        """No look goes beyond the mark: the worker looked again and again, until the limit for a head."""
        for case in chosen():
            if model_of(case) in EVENTS | WITHOUT_WORKERS_OF_OURS:
                continue
            for oob in ("off", "inline", "discard"):
                with self.subTest(case=case, oob=oob), \
                        Bullpen("http", "--header-timeout", "60", "--oob", oob, *flags_of(case)) as server, \
                        connect(server, timeout=20) as client:
                    client.sendall(b"GET / HT")
                    client.send(b"U", socket.MSG_OOB)
                    client.sendall(b"TP/1.0\r\n\r\n")
                    try:
                        self.assertEqual(rest_of(client), b"")
                    except ConnectionResetError:
                        pass

    def test_an_urgent_byte_before_a_request_and_behind_it_harms_nobody(self):
        for model in ("prefork", "prefork-accept", "event"):
            with self.subTest(model=model), Bullpen("http", "--oob", "discard", "--model", model) as server, connect(server) as client:
                client.send(b"U", socket.MSG_OOB)
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertTrue(client.recv(65536).startswith(b"HTTP/1.1 200 "))
                # A request may be taken once its answer has left: a second mark before that would replace the first.
                wait_until(lambda server=server: server.total(METRIC) == 1, "the first is counted")
                client.send(b"V", socket.MSG_OOB)
                client.sendall(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
                self.assertIn(b"HTTP/1.1 200 ", rest_of(client))
                wait_until(lambda server=server: server.total(METRIC) == 2, "both are counted")

    def test_inline_it_stays_where_it_was_and_is_counted(self):
        for case in chosen():
            with self.subTest(case=case), Bullpen("echo", "--oob", "inline", *flags_of(case)) as server:
                self.assertEqual([echoed(server), echoed(server)], [b"abcUdef"] * 2)
                if model_of(case) not in WITHOUT_WORKERS_OF_OURS:  # Whose programs read by themselves.
                    wait_until(lambda server=server: server.total(METRIC) == 2, "both are counted")

    def test_discarded_it_is_gone_and_counted(self):
        for case in chosen():
            with self.subTest(case=case), Bullpen("echo", "--oob", "discard", *flags_of(case)) as server:
                self.assertEqual([echoed(server), echoed(server)], [b"abcdef"] * 2)
                if model_of(case) not in WITHOUT_WORKERS_OF_OURS:
                    wait_until(lambda server=server: server.total(METRIC) == 2, "both are counted")

    def test_a_worker_that_waits_for_it_counts_it_too(self):
        for how, said in (("inline", b"U"), ("discard", b"x")):
            for model in ("prefork", "prethread-accept", "event"):
                with self.subTest(how=how, model=model), Bullpen("echo", "--oob", how, "--model", model) as server, \
                        connect(server) as client:
                    client.sendall(b"a")
                    self.assertEqual(client.recv(1), b"a")  # It waits for more.
                    client.send(b"U", socket.MSG_OOB)
                    if how == "discard":
                        client.sendall(b"x")
                    self.assertEqual(client.recv(1), said)
                    wait_until(lambda server=server: server.total(METRIC) == 1, "it is counted")

    def test_a_reload_refuses_another_oob_and_an_upgrade_takes_it(self):
        with tempfile.TemporaryDirectory() as home:
            file = Path(home) / "bullpen.toml"
            file.write_text('[pool.a]\nservice = "echo"\nlisten = "127.0.0.1:0"\n')
            with Upgradable(home, "--config", str(file)) as server:
                self.assertEqual(echoed(server), b"abcdef")
                for how, said in (("inline", b"abcUdef"), ("off", b"abcdef")):
                    file.write_text(f'[pool.a]\nservice = "echo"\nlisten = "127.0.0.1:0"\noob = "{how}"\n')
                    status, *told = server.ctl("reload")
                    self.assertNotEqual(status, 0)
                    self.assertIn("oob", "".join(told))
                    server.upgrade()
                    self.assertEqual(echoed(server), said)

    def test_otherwise_the_kernel_skips_it_and_there_is_no_metric(self):
        with Bullpen("echo") as server:
            self.assertEqual(echoed(server), b"abcdef")
            self.assertNotIn(METRIC, str(server.metrics()))


if __name__ == "__main__":
    unittest.main()
