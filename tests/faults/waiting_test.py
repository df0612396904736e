"""Waiting for clients: limits are not early, silent clients wake nobody, drippers take no worker from others."""

import multiprocessing
import socket
import statistics
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

from every_model import HASHED, IN_TURNS, ONE_AT_A_TIME, WITHOUT_WORKERS_OF_OURS, chosen, flags_of, model_of
from faults import (OPTIMISED, Hostile, children, connect, end_of, exporter, get, in_flight, settings_of, switches,
                    wait_for)
from harness import Bullpen, wait_until
from slow_client import ask, read_answer

DRIPPERS = 100
HALF_HEAD = b"GET /bytes/1 HTTP/1.1\r\nHost: x\r\nX: "
HEAD_MAX = 6000  # Bytes that each of them drips at most: below the longest head that is taken.


class Limits(unittest.TestCase):
    """What a client may take is what the limit says, to its end: 1 s here."""

    def shortest(self, server, case, first, last):
        """Of clients that begin, go on after different pauses and then fall silent: the least time to the cut."""
        taken = []

        def be_silent(number):
            with closing(connect(server)) as client:
                first(client)
                time.sleep(0.06 * number)  # The client's own pace.
                began = time.monotonic()
                last(client)
                end_of(client)
                taken.append(time.monotonic() - began)

        one = model_of(case) in ONE_AT_A_TIME | HASHED | IN_TURNS  # Where handlers wait, clients are served one by one.
        clients = [threading.Thread(target=be_silent, args=(number,)) for number in ((2,) if one else range(4))]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual(len(taken), len(clients))
        return min(taken)

    @staticmethod
    def keep(client):
        ask(client, "/bytes/1")
        read_answer(client)

    def test_no_limit_ends_a_client_early(self):
        for case in chosen():
            if model_of(case) in WITHOUT_WORKERS_OF_OURS:
                continue  # A program's limits are its own affair.

            def library(*settings):
                return lambda: Hostile("reads_more", *settings_of(case), *settings)

            def program(flag):
                return lambda: Bullpen("work", *flags_of(case), flag, "1")

            def say(word):
                return lambda client: client.sendall(word)

            def nothing(_):
                pass

            limits = {
                "body": (library("body_ms=1000"), nothing, say(b"b")),
                "read": (library("read_ms=1000"), nothing, say(b"r")),
                "header": (program("--header-timeout"), self.keep, say(HALF_HEAD)),
            }
            if model_of(case) == "prefork":
                limits["body, short await_next"] = (library("body_ms=1000", "await_next_ms=4"), nothing, say(b"b"))
                limits["read, short await_next"] = (library("read_ms=1000", "await_next_ms=4"), nothing, say(b"r"))
            if model_of(case) in ("prefork", "event", "prefork-event"):  # Others may need the worker for somebody.
                limits["idle"] = (program("--idle-timeout"), nothing, self.keep)

            def shortest(limit):
                server_of, first, last = limits[limit]
                with server_of() as server:
                    return self.shortest(server, case, first, last)

            with ThreadPoolExecutor(len(limits)) as at_once:
                for limit, seconds in zip(limits, at_once.map(shortest, limits)):
                    with self.subTest(model=case, limit=limit):
                        self.assertGreaterEqual(seconds, 0.999)


def wait_for_rest(processes):
    """Until none of the processes that it names is woken within a fifth of a second."""
    def at_rest():
        before = {pid: switches(pid) for pid in processes()}
        time.sleep(0.2)  # What happens in this time is counted.
        return before == {pid: switches(pid) for pid in processes()}
    wait_until(at_rest, "the workers to rest")


class SilentClients(unittest.TestCase):
    def test_silent_kept_clients_wake_no_worker(self):
        """Two hundred where they are parked or have coroutines, two where each has a worker."""
        for case in chosen():
            if model_of(case) in WITHOUT_WORKERS_OF_OURS | ONE_AT_A_TIME:
                continue
            parks = model_of(case) in {"prefork", "event", "prefork-event"} | IN_TURNS
            count = 200 if parks else 1 if model_of(case) in HASHED else 2
            flags = ["--capacity", "200"] if model_of(case) == "prefork-event" else []
            with self.subTest(model=case), ExitStack() as stack, \
                    Bullpen("work", *flags_of(case), *flags, program=OPTIMISED) as server:
                for _ in range(count):
                    client = stack.enter_context(closing(connect(server)))
                    ask(client, "/bytes/1")
                    read_answer(client)
                wait_until(lambda: server.total("bullpen_connections_in_flight") == count, "all of them")
                if model_of(case) == "prefork":
                    wait_for(server, "parked", count)
                wait_for_rest(lambda: children(server))
                # Whoever has clients of its own may look at them now and then. Who is woken by something else
                # once isn't woken by them: the best of three spans counts.
                most = 0 if model_of(case) == "prefork" else 4
                spans = []
                while len(spans) < 3 and (not spans or max(spans[-1]) > most):
                    before = {pid: switches(pid) for pid in children(server)}
                    time.sleep(1.5)  # What happens in this time is counted, nothing is waited for.
                    spans.append([switches(pid) - before[pid] for pid in before if pid in children(server)])
                self.assertLessEqual(max(spans[-1]), most, spans)
                stack.close()

    def test_a_program_with_the_default_await_next_answers_an_active_client_at_once(self):
        with Hostile("one_by_one", "model=prefork", "workers=4") as server, ExitStack() as stack:
            clients = [stack.enter_context(closing(connect(server))) for _ in range(400)]

            def ask_for_one(client):
                began = time.monotonic()
                client.sendall(b"a")
                self.assertEqual(client.recv(1), b"a")
                return time.monotonic() - began

            first = statistics.median([ask_for_one(client) for client in clients])
            took = [ask_for_one(client) for client in clients]  # Each of them after a while of silence.
            self.assertLess(statistics.median(took), 2 * first + 0.005)
            self.assertLess(statistics.quantiles(took, n=10)[-1], 20 * first + 0.05, "the slowest tenth")
            stack.close()


def drip(port, pause, stop, dripped):
    """DRIPPERS clients that send a head which never ends, byte by byte, each again after the pause."""
    with ExitStack() as stack:
        clients = []

        def begin():
            client = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port))))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.sendall(HALF_HEAD)
            return [client, 0]

        clients = [begin() for _ in range(DRIPPERS)]
        while not stop.is_set():
            for client in clients:
                try:
                    client[0].send(b"x")
                except OSError:  # It was let go.
                    client[:] = begin()
                client[1] += 1
                if client[1] >= HEAD_MAX:
                    client[0].close()
                    client[:] = begin()
                with dripped.get_lock():
                    dripped.value += 1
            time.sleep(pause)


class Drippers(unittest.TestCase):
    def drippers(self, server, stack, pause=0.0):
        """They drip until the stack is closed, in a process of their own; how many bytes they have sent."""
        stop, dripped = multiprocessing.Event(), multiprocessing.Value("L", 0)
        process = multiprocessing.Process(target=drip, args=(server.port, pause, stop, dripped))
        process.start()
        stack.callback(process.join)
        stack.callback(stop.set)
        wait_until(lambda: dripped.value > DRIPPERS, "the drippers to begin")
        return dripped

    def test_bytes_of_half_heads_cost_far_fewer_handoffs_than_there_are(self):
        with Bullpen("work", "--workers", "4", program=OPTIMISED) as server, ExitStack() as stack:
            dripped = self.drippers(server, stack, pause=0.005)
            wait_until(lambda: in_flight(server, "parked") + in_flight(server, "begun") >= DRIPPERS, "them to be there")
            before = dripped.value, server.total("bullpen_handoffs_total")
            wait_until(lambda: dripped.value - before[0] >= 200 * DRIPPERS, "bytes")
            bytes_sent = dripped.value - before[0]
            self.assertLess(server.total("bullpen_handoffs_total") - before[1], bytes_sent / 4,
                            f"handoffs for {bytes_sent} bytes")
            stack.close()

    def test_drippers_that_drip_flat_out_cost_each_a_few_handoffs_a_second_and_others_are_served(self):
        """What they cost the machine besides, as packets and as a client that never rests, is no server's to mend."""
        with Bullpen("work", "--workers", "4", program=OPTIMISED) as server, ExitStack() as stack:
            dripped = self.drippers(server, stack)
            time.sleep(0.5)  # Until the drippers are known as such.
            began, before, bytes_before = time.monotonic(), server.total("bullpen_handoffs_total"), dripped.value
            wait_until(lambda: dripped.value - bytes_before >= 500 * DRIPPERS, "bytes")
            with ThreadPoolExecutor(4) as others:
                self.assertEqual(set(others.map(lambda _: get(server), range(50))), {200})
            handoffs = server.total("bullpen_handoffs_total") - before
            self.assertLess(handoffs, 30 * DRIPPERS * (time.monotonic() - began) + 500)
            stack.close()

    def test_a_head_that_one_byte_completes_after_many_drips_is_answered_soon(self):
        with Bullpen("work", "--workers", "2", program=OPTIMISED) as server:
            took = []
            for _ in range(3):
                with closing(connect(server)) as client:
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    for byte in HALF_HEAD + b"x" * 60 + b"\r\n\r":
                        client.send(bytes([byte]))
                        time.sleep(0.005)  # The client's own pace.
                    began = time.monotonic()
                    client.send(b"\n")
                    self.assertEqual(read_answer(client), b"x")
                    took.append(time.monotonic() - began)
            self.assertLess(min(took), 0.35)


class IdleServers(unittest.TestCase):
    def test_an_idle_server_waits_and_does_not_wake_for_nothing(self):
        with ExitStack() as stack:
            servers = {case: stack.enter_context(Bullpen("echo", *flags_of(case), program=OPTIMISED))
                       for case in chosen()}
            for server in servers.values():
                wait_until(lambda: server.total("bullpen_workers", state="starting") == 0, "the workers to be ready")
            wait_for_rest(lambda: [pid for server in servers.values() for pid in children(server)])
            groups = {case: {"workers": children(server), "master": [server.master],
                             "keeper": [server.pid], "exporter": [exporter(server)]}
                      for case, server in servers.items()}

            def count():
                return {case: {who: sum(map(switches, pids)) for who, pids in group.items()}
                        for case, group in groups.items()}
            before = count()
            time.sleep(1.5)  # What happens in this time is counted, nothing is waited for.
            after = count()
            for case in servers:
                with self.subTest(model=case):
                    woken = {who: after[case][who] - before[case][who] for who in after[case]}
                    self.assertEqual(woken["workers"], 0)
                    self.assertLessEqual(woken["master"], 4)
                    self.assertLessEqual(woken["keeper"], 2)
                    self.assertLessEqual(woken["exporter"], 4)


if __name__ == "__main__":
    unittest.main()
