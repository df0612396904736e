"""The pool under bad weather: bursts, killed workers, stops, dead masters, full descriptor tables."""

import os
import random
import resource
import signal
import socket
import tempfile
import threading
import time
import unittest
from pathlib import Path

import harness
from every_model import ONE_AT_A_TIME, SHARE_ONE_PROCESS, chosen, flags_of, model_of
from harness import Bullpen, TOP, descriptors, fewest_descriptors, processes, wait_until

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))
STORM_KILLS = int(os.environ.get("BULLPEN_STORM_KILLS", "50"))
OTHERS_KILLS = STORM_KILLS // 4  # For each of the other models.
SHARED_KILLS = 4  # Where all clients share a process, its end is a pause for everybody.


def connect(server):
    client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    return client


def echo(server, data=b"hello"):
    return harness.echo(("127.0.0.1", server.port), data)


class Load(threading.Thread):
    """Clients one after the other until told to stop."""

    def __init__(self, server):
        super().__init__()
        self.server, self.asked, self.failed, self.stopping = server, 0, 0, False

    def run(self):
        while not self.stopping:
            self.asked += 1
            try:
                if echo(self.server) != b"hello":
                    self.failed += 1
            except OSError:
                self.failed += 1

    def finish(self):
        self.stopping = True
        self.join()


def stand_still(pid):
    """Stops a process and waits until it has: one that is just waking would still take what it is sent."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: any(other == pid and state == "T" for other, state, *_ in processes()), f"{pid} to stop")


def cpu_seconds(pid):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:  # It has ended.
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(server):
    """The living processes that clients may be in."""
    return [pid for pid in server.children() if "bullpen: metrics" not in harness.title(pid)]


def strike(server, kills, pause=0.05):
    """Kills so many processes, one after the other, whichever; returns their pids. One may be hit twice before it is
    dead."""
    killed = set()

    def hit():
        time.sleep(pause)  # The rate of the storm, not a wait for something.
        if victims := children(server):
            victim = random.choice(victims)
            try:
                os.kill(victim, signal.SIGKILL)
                killed.add(victim)
            except ProcessLookupError:
                pass
        return len(killed) >= kills
    wait_until(hit, f"{kills} kills", 60)
    return killed


def share_of_a_cpu(server):
    """What the resting server uses, all its processes together."""
    pids = [server.pid, server.master, *children(server)]
    before = sum(map(cpu_seconds, pids))
    time.sleep(1)  # A second of CPU is measured, nothing is waited for.
    return sum(map(cpu_seconds, pids)) - before


class Storms(unittest.TestCase):
    def test_a_burst_makes_the_pool_grow_to_what_is_needed_and_not_beyond_the_maximum_then_it_shrinks(self):
        with Bullpen("echo", "--workers-max", "40", "--shrink-window", "1") as server:
            clients = [connect(server) for _ in range(100)]
            for client in clients:
                client.sendall(b"x")
            wait_until(lambda: server.total("bullpen_workers", state="busy") == 40, "40 busy workers", 30)
            self.assertEqual(server.total("bullpen_workers"), 40)
            wait_until(lambda: server.total("bullpen_listen_queue_length") +
                       server.total("bullpen_connections_in_flight", where="queued") == 60, "60 that wait", 10)
            self.assertEqual(len(server.workers()), 40)
            for client in clients:
                self.assertEqual(client.recv(1), b"x")
                client.close()
            wait_until(lambda: server.total("bullpen_workers") <= 6, "the pool to shrink", 60)
            self.assertGreater(server.total("bullpen_saturated_seconds_total"), 0)

    def storm(self, *flags, **options):
        with Bullpen("echo", "--workers", "8", *flags, **options) as server:
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 8, "8 idle workers")
            before = len(fewest_descriptors(server.pid))
            loads = [Load(server) for _ in range(4)]
            for load in loads:
                load.start()
            killed = strike(server, STORM_KILLS)
            for load in loads:
                load.finish()
            kills = len(killed)
            wait_until(lambda: sum(server.total("bullpen_worker_exits_total", reason=reason)
                                   for reason in ("signal", "start")) == kills, f"{kills} burials", 20)
            wait_until(lambda: server.total("bullpen_connections_in_flight") == 0, "rest", 20)
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 8, "8 idle workers", 20)
            failed = sum(load.failed for load in loads)
            lost = server.total("bullpen_connections_lost_total")
            print(f"\n{sum(load.asked for load in loads)} clients, {kills} kills, {lost:.0f} lost, {failed} failed")
            self.assertLessEqual(failed, lost)
            self.assertLessEqual(lost, kills)
            wait_until(lambda: len(descriptors(server.pid)) == before, f"{before} descriptors in the master", 20)

    def test_workers_killed_at_random_lose_only_what_they_held(self):
        self.storm()

    def test_no_model_is_stopped_by_kills_at_random(self):
        for case in chosen():
            if model_of(case) in ONE_AT_A_TIME or case == "prefork":
                continue
            flags = flags_of(case)
            if case not in ("fork", "inetd", "event"):
                flags += ["--workers", "8"]
            with self.subTest(model=case), Bullpen("echo", *flags) as server:
                self.assertEqual(echo(server), b"hello")
                server.check_conservation()
                wait_until(lambda: server.total("bullpen_workers", state="starting") == 0, "the workers")
                before = len(fewest_descriptors(server.pid))
                loads = [Load(server) for _ in range(4)]
                for load in loads:
                    load.start()
                shared = model_of(case) in SHARE_ONE_PROCESS
                killed = strike(server, *((SHARED_KILLS, 0.5) if shared else (OTHERS_KILLS, 0.05)))
                for load in loads:
                    load.finish()
                asked, failed = (sum(getattr(load, name) for load in loads) for name in ("asked", "failed"))
                server.check_conservation()
                lost = server.total("bullpen_connections_lost_total")
                print(f"\n{case}: {asked} clients, {len(killed)} kills, {lost:.0f} lost, {failed} failed")
                self.assertGreater(asked, failed)
                self.assertEqual([echo(server) for _ in range(20)], [b"hello"] * 20)
                wait_until(lambda: len(descriptors(server.pid)) == before, f"{before} descriptors in the master", 20)
                self.assertLess(share_of_a_cpu(server), 0.3)

    def test_the_same_holds_for_an_ordinary_user_whose_descriptors_in_flight_are_limited(self):
        self.storm(user=65534)

    def test_what_a_stopped_worker_was_handed_is_served_by_others_once_it_dies(self):
        with Bullpen("echo", "--workers", "2") as server:
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 2, "two idle workers", 10)
            victims = server.workers()
            for pid in victims:
                stand_still(pid)
            with connect(server) as one, connect(server) as two:
                for client in (one, two):
                    client.sendall(b"x")
                wait_until(lambda: server.total("bullpen_connections_in_flight", where="queued") == 2, "2 queued", 10)
                for pid in victims:
                    os.kill(pid, signal.SIGKILL)
                self.assertEqual(one.recv(1), b"x")
                self.assertEqual(two.recv(1), b"x")
            self.assertGreaterEqual(server.total("bullpen_handoffs_recovered_total"), 2)
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)

    def test_what_a_stopped_worker_was_handed_is_served_by_another_though_it_lives(self):
        with Bullpen("echo", "--workers", "2") as server:
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 2, "two idle workers", 10)
            first = min(server.workers())
            stand_still(first)
            for _ in range(3):
                self.assertEqual(echo(server), b"hello")
            self.assertEqual(server.total("bullpen_handoffs_recovered_total"), 1)
            os.kill(first, signal.SIGCONT)
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 2, "it to be idle again", 10)
            clients = [connect(server) for _ in range(2)]
            for client in clients:
                client.sendall(b"x")
            for client in clients:
                self.assertEqual(client.recv(1), b"x")
                client.close()
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)
            self.assertEqual(server.total("bullpen_worker_spawns_total"), 2)

    def test_fifty_deaths_in_one_moment_are_all_noticed(self):
        with Bullpen("echo", "--workers", "50") as server:
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 50, "50 idle workers", 20)
            master = server.master
            os.kill(master, signal.SIGSTOP)
            for pid in server.workers():
                os.kill(pid, signal.SIGKILL)
            os.kill(master, signal.SIGCONT)
            wait_until(lambda: server.total("bullpen_worker_exits_total") == 50, "50 burials", 20)
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 50, "50 new workers", 20)
            self.assertEqual(echo(server), b"hello")

    def test_a_worker_has_exactly_its_own_descriptors(self):
        with Bullpen("http", "--workers", "2") as server:
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 2, "two idle workers", 10)
            for pid in server.workers():
                log = os.readlink(f"/proc/{pid}/fd/2")
                links = sorted(os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")
                               if int(fd) > 2)
                self.assertEqual(links.count(log), 1, links)
                links.remove(log)  # The log's own.
                kinds = [link.split(":")[0] for link in links]
                # The served directory, the eventfds on which the master waits (when a worker is free, for stop(), for
                # reload()), and the slot's channel.
                self.assertEqual([kinds[0][0], *kinds[1:]], ["/", *["anon_inode"] * 3, "socket"], links)


# UBSan's vptr check opens pipes, and misreports when it can't: with full descriptor tables only the optimised program
# will do.
OPTIMISED = os.environ.get("BULLPEN_OPTIMISED")


class Descriptors(unittest.TestCase):
    def test_a_master_without_free_descriptors_neither_spins_nor_loses_a_client(self):
        with Bullpen("echo", "--workers", "2", program=OPTIMISED) as server:
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 2, "two idle workers", 10)
            _, hard = resource.prlimit(server.master, resource.RLIMIT_NOFILE)
            resource.prlimit(server.master, resource.RLIMIT_NOFILE, (len(descriptors(server.pid)), hard))
            with connect(server) as client:
                client.sendall(b"x")
                wait_until(lambda: "cannot accept" in server.stderr, "the warning", 10)
                before = cpu_seconds(server.master)
                time.sleep(1)  # A second of CPU is measured, nothing is waited for.
                self.assertLess(cpu_seconds(server.master) - before, 0.3)
                resource.prlimit(server.master, resource.RLIMIT_NOFILE, (hard, hard))
                self.assertEqual(client.recv(1), b"x")
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)

    def test_a_worker_that_cannot_receive_a_descriptor_is_replaced_and_its_client_goes_to_the_next(self):
        with Bullpen("echo", "--workers", "1", program=OPTIMISED) as server:
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 1, "an idle worker", 10)
            [worker] = server.workers()
            highest = max(int(fd) for fd in os.listdir(f"/proc/{worker}/fd"))
            free = [fd for fd in range(highest) if not os.path.exists(f"/proc/{worker}/fd/{fd}")]
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (min(free, default=highest + 1),) * 2)
            self.assertEqual(echo(server), b"hello")
            wait_until(lambda: server.total("bullpen_worker_exits_total", reason="descriptors") == 1, "it", 10)
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)


class Stops(unittest.TestCase):
    def test_many_clients_in_the_backlog_are_served_at_a_stop_and_newcomers_by_a_successor(self):
        for case in chosen():
            model = model_of(case)
            pool = {"iterative": (), "event": (), "fork": ("--workers-max", "2"),
                    "inetd": ("--workers-max", "2")}.get(model, ("--workers", "2"))
            with self.subTest(model=case), Bullpen("echo", *flags_of(case), *pool) as server:
                one = model in ("iterative", "prefork-reuseport")  # By its hash both may be given to one worker.
                held = [connect(server) for _ in range(1 if one else 2)]
                for client in held:
                    client.sendall(b"x")
                    self.assertEqual(client.recv(1), b"x")
                waiting = [connect(server) for _ in range(10 if model == "inetd" else 200)]  # With sanitizers a program starts slowly.
                for client in waiting:
                    client.sendall(b"hello")
                    client.shutdown(socket.SHUT_WR)
                os.kill(server.pid, signal.SIGTERM)
                wait_until(lambda: "stopping" in server.stderr, "the stop to begin", 10)
                with Bullpen("echo", *flags_of(case), "--listen", f"127.0.0.1:{server.port}") as successor:
                    for _ in range(10):
                        self.assertEqual(echo(successor, b"new"), b"new")
                    for client in held:
                        client.close()
                    for client in waiting:
                        answer = b""
                        while piece := client.recv(100):
                            answer += piece
                        self.assertEqual(answer, b"hello")
                        client.close()
                    self.assertEqual(server.wait(), 0)
                    for _ in range(10):
                        self.assertEqual(echo(successor, b"new"), b"new")

    def test_ctrl_c_for_the_whole_group_is_an_orderly_stop(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
            with self.subTest(signal=number), Bullpen("echo", "--workers", "3") as server:
                client = connect(server)
                client.sendall(b"x")
                self.assertEqual(client.recv(1), b"x")
                os.killpg(server.pid, number)
                client.sendall(b"y")
                self.assertEqual(client.recv(1), b"y")
                client.close()
                self.assertEqual(server.wait(), 0)

    def test_the_keeper_killed_under_load_leaves_no_orphan_and_the_same_command_starts_at_once(self):
        for case in chosen():
            with self.subTest(model=case), Bullpen("echo", *flags_of(case), "--drain-timeout", "20") as server:
                begun = connect(server)
                begun.sendall(b"x")
                self.assertEqual(begun.recv(1), b"x")
                workers = server.workers()
                os.kill(server.pid, signal.SIGKILL)
                server.wait()
                metrics = server.metrics_url.split("/")[2]
                with Bullpen("echo", *flags_of(case), "--listen", f"127.0.0.1:{server.port}",
                             "--metrics", metrics) as successor:
                    self.assertEqual([echo(successor) for _ in range(5)], [b"hello"] * 5)
                begun.sendall(b"y")
                self.assertEqual(begun.recv(1), b"y")
                begun.close()
                wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers), "the orphans' end", 20)

    def test_an_order_to_stop_that_comes_at_once_is_obeyed_and_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as home:
            for _ in range(10):
                with Bullpen("echo", "--listen", f"unix:{home}/socket") as server:
                    self.assertEqual(server.stop(), 0)
                self.assertEqual(os.listdir(home), [])

    def test_signals_that_its_parent_had_blocked_reach_it_all_the_same(self):
        with tempfile.TemporaryDirectory() as home:
            program = Path(home, "bullpen")
            program.write_text(f'#!/bin/sh\nexec env --block-signal=TERM,CHLD "{PROGRAM}" "$@"\n')
            program.chmod(0o755)
            with Bullpen("echo", "--workers", "1", program=program) as server:
                wait_until(server.workers, "a worker")
                [worker] = server.workers()
                os.kill(worker, signal.SIGKILL)
                wait_until(lambda: server.total("bullpen_worker_exits_total") == 1, "its burial", 10)
                self.assertEqual(echo(server), b"hello")

    def test_a_worker_told_to_leave_does_not_keep_its_kept_alive_client(self):
        with Bullpen("http", "--workers", "1") as server, connect(server) as client:
            request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
            client.sendall(request)
            self.assertIn(b"200 OK", client.recv(65536))
            [worker] = server.workers()
            os.kill(worker, signal.SIGTERM)
            wait_until(lambda: worker not in server.workers(), "the worker to leave", 10)
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)

    def test_a_drain_timeout_ends_what_never_ends(self):
        with Bullpen("echo", "--workers", "1", "--drain-timeout", "1") as server:
            with connect(server) as client:
                client.sendall(b"x")
                self.assertEqual(client.recv(1), b"x")
                self.assertEqual(server.stop(), 3)

    def test_a_master_that_waits_for_a_busy_worker_at_a_stop_does_not_spin(self):
        for case in chosen():
            with self.subTest(model=case), Bullpen("echo", *flags_of(case)) as server:
                with connect(server) as client:
                    client.sendall(b"x")
                    self.assertEqual(client.recv(1), b"x")
                    os.kill(server.pid, signal.SIGTERM)
                    wait_until(lambda: "stopping" in server.stderr, "the stop to begin", 10)
                    before = cpu_seconds(server.master)
                    time.sleep(0.5)  # Half a second of CPU is measured, nothing is waited for.
                    self.assertLess(cpu_seconds(server.master) - before, 0.2)
                self.assertEqual(server.wait(), 0)

    def test_an_idle_kept_alive_connection_does_not_delay_a_stop(self):
        with Bullpen("http", "--workers", "2") as server:
            with connect(server) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn(b"200 OK", client.recv(65536))
                began = time.monotonic()
                self.assertEqual(server.stop(), 0)
                self.assertLess(time.monotonic() - began, 15)


if __name__ == "__main__":
    unittest.main()
