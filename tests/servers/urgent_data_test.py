"""TCP's urgent data (MSG_OOB) holds up nobody."""

import socket
import unittest

from every_model import WITHOUT_WORKERS_OF_OURS, chosen, flags_of, model_of
from harness import Bullpen

EVENTS = {"event", "prefork-event"}


def connect(server, timeout=60):
    client = socket.create_connection(("127.0.0.1", server.port), timeout=timeout)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def rest_of(client):
    return b"".join(iter(lambda: client.recv(65536), b""))


class UrgentData(unittest.TestCase):
    def test_a_head_with_an_urgent_byte_within_ends_its_client_at_once(self):
        """No look goes beyond the mark: the worker looked again and again, until the limit for a head."""
        for case in chosen():
            if model_of(case) in EVENTS | WITHOUT_WORKERS_OF_OURS:
                continue
            with self.subTest(case=case), Bullpen("http", "--header-timeout", "60", *flags_of(case)) as server, \
                    connect(server, timeout=20) as client:
                client.sendall(b"GET / HT")
                client.send(b"U", socket.MSG_OOB)
                client.sendall(b"TP/1.0\r\n\r\n")
                try:
                    self.assertEqual(rest_of(client), b"")
                except ConnectionResetError:
                    pass


if __name__ == "__main__":
    unittest.main()
