"""What is stuck or stopped holds nothing up for longer than its own limit."""

import os
import select
import signal
import time
import unittest
from contextlib import ExitStack, closing

from every_model import SHARE_ONE_PROCESS, WITHOUT_WORKERS_OF_OURS, chosen, flags_of, model_of
from faults import connect, end_of, exporter, stand_still, stopped_group
from harness import Bullpen, echo, processes, title, total, wait_until

NO_REQUEST_LIMIT = SHARE_ONE_PROCESS | {"prefork-event"}


def serving(server):
    """The processes that clients may be in."""
    return [pid for pid in server.children() if "bullpen: metrics" not in title(pid)]


def process_of(server, client):
    """Which of them has the client: the one that has its socket, which the master may have as well."""
    wanted = "%08X" % 0x0100007F + ":%04X" % client.getsockname()[1]
    with open("/proc/net/tcp", encoding="ascii") as table:
        inode = next(words[9] for words in map(str.split, table) if words[2] == wanted and words[9] != "0")
    for pid in serving(server):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{fd}") == f"socket:[{inode}]":
                    return pid
            except OSError:
                pass
    raise AssertionError("nobody has it")


class StuckRequests(unittest.TestCase):
    def test_a_stuck_request_holds_a_stop_for_its_limit_and_grace_alone(self):
        for case in chosen():
            if model_of(case) in NO_REQUEST_LIMIT:
                continue
            program = model_of(case) in WITHOUT_WORKERS_OF_OURS
            # It ignores SIGTERM, as /sleep does.
            words = ["exec", "--", "/bin/sh", "-c", "trap '' TERM; exec sleep 50"] if program else ["work"]
            with self.subTest(model=case), \
                    Bullpen(*words[:1], *flags_of(case), "--request-timeout", "1", "--request-grace", "1",
                            "--drain-timeout", "15", *words[1:]) as server:
                with closing(connect(server)) as stuck:
                    stuck.sendall(b"GET /sleep/50000 HTTP/1.1\r\nHost: x\r\n\r\n")
                    wait_until(lambda: server.total("bullpen_connections_in_flight", where="begun") == 1, "its begin")
                    began = time.monotonic()
                    self.assertEqual(server.stop(), 3)  # Its client was lost.
                    self.assertLess(time.monotonic() - began, 8)


class Crowds(unittest.TestCase):
    """In a crowd a worker receives several clients at once, and serves one after the other."""

    def test_those_behind_a_client_that_stays_are_served_by_another_worker(self):
        with Bullpen("echo", "--workers", "2", "--queue", "50", "--queue-timeout", "60000") as server, ExitStack() as stack:
            holders = [stack.enter_context(closing(connect(server))) for _ in range(2)]
            for holder in holders:
                holder.sendall(b"x")
                self.assertEqual(holder.recv(1), b"x")
            crowd = [stack.enter_context(closing(connect(server))) for _ in range(40)]
            for client in crowd:
                client.sendall(b"x")
            wait_until(lambda: server.total("bullpen_connections_in_flight", where="queued") == len(crowd),
                       "all to be in the master's queue")
            holders[0].close()
            stays = select.select(crowd, [], [], 30)[0][0]
            holders[1].close()
            waiting = set(crowd) - {stays}
            while waiting:
                answered = select.select(waiting, [], [], 30)[0]
                self.assertTrue(answered, f"{len(waiting)} clients wait in vain")
                for client in answered:
                    self.assertEqual(client.recv(1), b"x")
                    client.close()
                    waiting.remove(client)


class Stopped(unittest.TestCase):
    """SIGSTOP for a single process is a fault; for all of them it is a machine that was suspended."""

    FLAGS = ("--stopped-timeout", "1")

    def test_a_stopped_worker_is_killed_and_replaced_and_its_client_is_lost(self):
        for case in chosen():
            with self.subTest(model=case), Bullpen("echo", *flags_of(case), *self.FLAGS) as server:
                with closing(connect(server)) as client:
                    client.sendall(b"a")
                    self.assertEqual(client.recv(1), b"a")
                    worker = process_of(server, client)
                    stand_still(worker)
                    wait_until(lambda: worker not in serving(server), "its end", 10)
                    self.assertIn(end_of(client), (b"", None))
                wait_until(lambda: server.total("bullpen_connections_lost_total", reason="stopped") == 1, "its loss", 5)
                self.assertEqual(server.total("bullpen_worker_exits_total", reason="stopped"),
                                 server.total("bullpen_worker_exits_total"))
                self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")

    def test_a_stopped_exporter_is_replaced(self):
        with Bullpen("echo", *self.FLAGS) as server:
            first = exporter(server)
            stand_still(first)
            wait_until(lambda: exporter(server) not in (None, first), "another exporter", 20)  # Its limit may be 10 s.
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)

    def test_a_standstill_of_the_whole_group_kills_nobody(self):
        with ExitStack() as stack:
            servers = {case: stack.enter_context(Bullpen("echo", *flags_of(case), *self.FLAGS)) for case in chosen()}
            clients = {case: stack.enter_context(closing(connect(server))) for case, server in servers.items()}
            for client in clients.values():
                client.sendall(b"a")
                self.assertEqual(client.recv(1), b"a")
            with ExitStack() as standstill:
                for server in servers.values():
                    standstill.enter_context(stopped_group(server))
                time.sleep(2)  # As long as the machine is away.
            time.sleep(0.3)  # For the masters to do what they mustn't.
            for case, server in servers.items():
                with self.subTest(model=case):
                    clients[case].sendall(b"b")
                    self.assertEqual(clients[case].recv(1), b"b")
                    clients[case].close()
                    self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")
                    now = server.metrics()
                    self.assertEqual(total(now, "bullpen_worker_exits_total", reason="stopped"), 0)
                    self.assertEqual(total(now, "bullpen_connections_lost_total"), 0)


if __name__ == "__main__":
    unittest.main()
