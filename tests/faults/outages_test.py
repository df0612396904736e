"""Outages end with their cause: failing accepts and forks, workers that crash, threads that can't be started."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from every_model import FORK_FOR_EACH, SHARE_ONE_PROCESS, chosen, flags_of, model_of, under
from faults import OPTIMISED, Hostile, behind, children, connect, end_of, exporter, get, injected
from harness import Bullpen, for_everybody, wait_until

FORKS = "clone,clone3,fork,vfork"
A_USER = 54_321  # Whom nobody else runs anything as: RLIMIT_NPROC counts all that a user has.
needs_strace = unittest.skipUnless(shutil.which("strace"), "strace is not installed")
needs_root = unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")


def recovery(server):
    """When the server has a client answered and an exporter."""
    try:
        get(server)
    except TimeoutError:
        return float("inf")
    wait_until(lambda: exporter(server), "an exporter")
    return time.monotonic()


class Accepts(unittest.TestCase):
    @needs_strace
    def test_an_accept_that_fails_for_one_client_holds_up_nobody(self):
        for case in chosen():
            with self.subTest(model=case), Bullpen("work", *flags_of(case), program=OPTIMISED) as server:
                self.assertEqual(get(server), 200)
                accepting = [server.master, *([] if model_of(case) in FORK_FOR_EACH else children(server))]

                def time_of_many(when):
                    with injected(accepting, f"accept4:error=EPERM:when={when}"):
                        began = time.monotonic()
                        for _ in range(60):
                            self.assertEqual(get(server), 200)
                        return time.monotonic() - began

                usual = time_of_many("60000+1")
                # Every second accept: a firewall says no. The injected failure leaves the client in the backlog.
                self.assertLess(time_of_many("1+2"), 2 * usual + 1.5, "each of 30 failures cost 100 ms")


class Forks(unittest.TestCase):
    OUTAGE = 6.6  # Seconds: with a pause that doubles, the next try would be at 12.7.

    @needs_strace
    def test_when_forks_are_possible_again_workers_are_there_soon(self):
        cases = [case for case in chosen() if model_of(case) not in FORK_FOR_EACH]
        with ExitStack() as stack:
            servers = {case: stack.enter_context(Bullpen("work", *flags_of(case), program=OPTIMISED))
                       for case in cases}
            for server in servers.values():
                self.assertEqual(get(server), 200)
            outage = stack.enter_context(ExitStack())
            outage.enter_context(injected([server.master for server in servers.values()], f"{FORKS}:error=EAGAIN",
                                          follow=False))
            for server in servers.values():
                for pid in [exporter(server), *children(server)]:
                    os.kill(pid, signal.SIGKILL)
            time.sleep(self.OUTAGE)  # Nothing is waited for: it lasts that long.
            for case, server in servers.items():
                self.assertLess(server.stderr.count("\n"), 100, f"{case}: log lines")
            outage.close()
            began = time.monotonic()
            with ThreadPoolExecutor(len(servers)) as pool:
                recovered = dict(zip(servers, pool.map(recovery, servers.values())))
            for case, at in recovered.items():
                with self.subTest(model=case):
                    self.assertLess(at - began, 3, "seconds until a client was answered and the exporter was back")

    @under("iterative", "thread", "prefork-accept", "prefork-lock", "prefork-reuseport", "prefork", "prethread",
           "prethread-accept", "event", "prefork-event")
    def test_workers_that_crash_at_their_first_request_are_forked_at_a_bounded_rate(self, model):
        workers = [] if model in SHARE_ONE_PROCESS | {"iterative"} else ["workers=4"]
        with Hostile("crash", f"model={model}", *workers) as server:
            server.may_lose = True
            stopping = threading.Event()

            def ask_again_and_again():
                while not stopping.is_set():
                    try:
                        with connect(server, timeout=1) as client:
                            client.sendall(b"hello")
                            end_of(client)
                    except OSError:
                        pass
            askers = [threading.Thread(target=ask_again_and_again) for _ in range(4)]
            for asker in askers:
                asker.start()
            try:
                before = server.total("bullpen_worker_exits_total"), server.stderr.count("\n")
                time.sleep(2)  # A rate is measured, nothing is waited for.
                after = server.total("bullpen_worker_exits_total"), server.stderr.count("\n")
            finally:
                stopping.set()
                for asker in askers:
                    asker.join()
            self.assertLess(after[0] - before[0], 60, "deaths in 2 s")
            self.assertLess(after[1] - before[1], 100, "log lines in 2 s")

    def test_an_exporter_that_crashes_again_and_again_is_there_again_soon(self):
        with Bullpen("work", program=OPTIMISED) as server:
            for number in range(8):
                pid = wait_until(lambda: exporter(server), "an exporter", 2.5)
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda: exporter(server) != pid, f"its death, the {number}th")
            wait_until(lambda: exporter(server), "an exporter", 2.5)


class Threads(unittest.TestCase):
    @needs_root
    def test_a_process_that_cannot_have_all_its_threads_is_never_ready_and_tried_at_a_bounded_rate(self):
        for flags in (["prefork", "--threads", "16"], ["prethread"], ["prethread-accept"]):
            with self.subTest(model=flags), tempfile.TemporaryDirectory() as home, \
                    behind(f"exec prlimit --nproc=10:200 setpriv --reuid={A_USER} --regid={A_USER} --clear-groups",
                           program=for_everybody(OPTIMISED, home)) as program, \
                    Bullpen("work", "--workers", "16", "--control", "off", "--model", *flags,
                            program=program) as server:
                before = server.total("bullpen_worker_spawns_total"), server.stderr.count("\n")
                most_ready, end = 0, time.monotonic() + 2
                while time.monotonic() < end:  # A rate is measured, nothing is waited for.
                    now = server.metrics()
                    most_ready = max(most_ready, sum(value for (name, labels), value in now.items()
                                                     if name == "bullpen_workers" and ("state", "idle") in labels))
                after = server.total("bullpen_worker_spawns_total"), server.stderr.count("\n")
                self.assertEqual(most_ready, 0, "ready workers of a process that lacks threads")
                self.assertLess((after[0] - before[0]) / 16, 60, "processes in 2 s")
                self.assertLess(after[1] - before[1], 200, "log lines in 2 s")
                subprocess.run(["setpriv", f"--reuid={A_USER}", f"--regid={A_USER}", "--clear-groups",
                                "prlimit", "--pid", str(server.master), "--nproc=200"], check=True)
                wait_until(lambda: server.total("bullpen_workers", state="idle") == 16, "all threads", 4)
                self.assertEqual(get(server), 200)


if __name__ == "__main__":
    unittest.main()
