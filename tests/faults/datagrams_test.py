"""Handlers of datagrams that are slow: the pool's size follows what waits in its sockets."""

import os
import signal
import socket
import time
import unittest

from datagram_counts import balanced, datagrams
from faults import Hostile
from harness import free_ports, wait_until

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

    def ask(self, client, what):
        client.send(str(what).encode())
        return client.recv(100)

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
                clients = [server.client() for _ in range(40)]  # Of four sockets of prefork-reuseport each gets some.
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


class OneEach(unittest.TestCase):
    """Under fork each datagram has a process of its own."""

    def wait_for(self, server, **wanted):
        wait_until(lambda: (counts := datagrams(server)) and balanced(counts)
                   and all(counts[name] == wanted[name] for name in wanted), f"{wanted}, balanced")
        wait_until(lambda: server.alive() == 0, "the workers' ends")

    def test_as_many_are_served_at_once_as_wait_each_by_another_process(self):
        with SlowDatagrams("model=fork", "workers_max=8") as server, server.client() as client:
            for _ in range(16):
                client.send(b"3000")
            wait_until(lambda: server.alive() == 8, "as many workers as there may be")
            self.assertEqual(len({client.recv(100) for _ in range(16)}), 16)
            self.wait_for(server, answered=16, received=16)
            self.assertNotEqual(server.ask(client, 0), server.ask(client, 0))

    def test_several_sockets_have_turns(self):
        ports = free_ports(2)
        with SlowDatagrams("model=fork", "workers_max=2", f"listen=udp:127.0.0.1:{ports[1]}") as server, \
                server.client() as busy, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            for _ in range(100):
                busy.send(b"100")
            other.settimeout(PATIENCE)
            other.connect(("127.0.0.1", ports[1]))
            server.ask(other, 1)
            self.assertLess(datagrams(server)["answered"], 60)
            self.wait_for(server, answered=101)

    def test_a_death_takes_one_datagram_and_no_other(self):
        with SlowDatagrams("model=fork", "workers_max=10") as server, server.client() as client:
            for what in (b"crash", b"exit", b"throw", b"nothing", b"no"):
                client.send(what)
            for _ in range(20):
                client.send(b"1")
            for _ in range(20):
                client.recv(100)
            self.wait_for(server, received=25, lost=2, failed=1, discarded=1, refused=1, answered=20)

    def test_a_stop_answers_what_the_kernel_holds(self):
        with SlowDatagrams("model=fork", "workers_max=3") as server, server.client() as client:
            for _ in range(30):
                client.send(b"100")
            wait_until(lambda: server.alive() > 0, "a worker")
            server.terminate(signal.SIGTERM)
            for _ in range(30):
                client.recv(100)
            self.assertEqual(server.wait(), 0)

    def test_a_master_s_death_loses_none(self):
        with SlowDatagrams("model=fork", "workers_max=3") as server, server.client() as client:
            for _ in range(20):
                client.send(b"100")
            for _ in range(3):
                client.recv(100)
                master = server.master
                os.kill(master, signal.SIGKILL)
                wait_until(lambda: server.master != master, "another master")
            for _ in range(17):
                client.recv(100)
            self.wait_for(server, received=20, answered=20)

    def test_workers_that_can_t_start_are_not_forked_without_a_pause(self):
        for how in ("fail", "exit"):
            with self.subTest(how=how), \
                    SlowDatagrams("model=fork", "workers_max=10", f"start={how}", "drain_s=1") as server, \
                    server.client() as client:
                client.send(b"0")
                wait_until(lambda: server.total("bullpen_worker_spawns_total") > 3, "some")
                began, starts = time.monotonic(), server.total("bullpen_worker_spawns_total")
                wait_until(lambda: server.total("bullpen_worker_spawns_total") > starts + 1, "two more")
                self.assertGreater(time.monotonic() - began, 0.5)
                self.assertEqual(datagrams(server)["received"], 0)


if __name__ == "__main__":
    unittest.main()
