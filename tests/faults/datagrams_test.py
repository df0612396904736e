"""Handlers of datagrams that are slow: the pool's size follows what waits in its sockets."""

import socket
import unittest

from datagram_counts import balanced, datagrams
from faults import Hostile, free_ports
from harness import wait_until

SIZED = ("prefork", "prefork-accept", "prefork-reuseport", "prethread", "prethread-accept")
PATIENCE = 60


class SlowDatagrams(Hostile):
    """Answers with its pid, after as many milliseconds as the datagram says."""

    def __init__(self, *settings):
        [port] = free_ports(1)
        super().__init__("datagrams", f"listen=udp:127.0.0.1:{port}", *settings, listeners=0)
        self.address = ("127.0.0.1", port)

    def client(self):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(PATIENCE)
        client.connect(self.address)
        return client

    def alive(self):
        return self.total("bullpen_workers") - self.total("bullpen_workers", state="absent")

    def waiting(self):
        return self.total("bullpen_listen_queue_length")


class Size(unittest.TestCase):
    def test_a_pool_grows_while_datagrams_wait_and_shrinks_when_they_dont(self):
        for model in SIZED:
            with self.subTest(model=model), \
                    SlowDatagrams(f"model={model}", "workers_max=30", "shrink_s=1") as server:
                wait_until(lambda: server.alive() == 4, "the first workers")
                burst = 200
                clients = [server.client() for _ in range(10)]  # With prefork-reuseport several sockets get some.
                for number in range(burst):
                    clients[number % len(clients)].send(b"300")
                if model != "prefork-reuseport":  # There a new worker has a new socket, with nothing in it.
                    wait_until(lambda: server.waiting() > 50, "the queue to be seen")
                    wait_until(lambda: server.alive() == 30, "as many workers as there may be")
                else:
                    wait_until(lambda: server.alive() >= 6, "more workers")
                wait_until(lambda: (found := datagrams(server))["answered"] == burst and balanced(found), "the answers")
                wait_until(lambda: server.alive() <= 6, "spare_max workers")
                wait_until(lambda: server.waiting() == 0, "nothing to wait any more")
                for client in clients:
                    client.close()

    def test_datagrams_that_are_served_in_time_make_no_pool_grow(self):
        with SlowDatagrams("model=prefork", "workers_max=30") as server, server.client() as client:
            wait_until(lambda: server.alive() == 4, "the first workers")
            for _ in range(200):
                client.send(b"1")
                client.recv(100)
            self.assertLessEqual(server.alive(), 5)


if __name__ == "__main__":
    unittest.main()
