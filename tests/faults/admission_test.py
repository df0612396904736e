"""Who gets in and who waits: limits that fit the model, saturation that is none, listeners that take turns."""

import subprocess
import tempfile
import time
import unittest
from contextlib import ExitStack, closing
from pathlib import Path

from every_model import (FORK_FOR_EACH, HASHED, IN_TURNS, ONE_AT_A_TIME, WITHOUT_WORKERS_OF_OURS, chosen, flags_of,
                         model_of, under)
from faults import HOSTILE, OPTIMISED, PROGRAM, behind, connect, end_of, get, load, timed_get
from harness import Bullpen, title, wait_until

SLOW = b"GET /sleep/1500 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class SourceLimits(unittest.TestCase):
    """Of prefork-event the master doesn't see how a connection ends: it can't count a source's."""

    def check_refused(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertRegex(done.stderr, r"\A[^\n]*source[^\n]*\n\Z")
        self.assertIn("prefork-event", done.stderr)

    def check(self, *command):
        try:
            self.check_refused(*command)
        except subprocess.TimeoutExpired:
            self.fail("it serves")

    def test_the_program_refuses_them(self):
        for flags in (("--source-connections", "5"), ("--source-rate", "5")):
            with self.subTest(flags=flags):
                self.check(PROGRAM, "serve", "work", "--model", "prefork-event", *flags, "--listen", "127.0.0.1:0",
                           "--metrics", "off")

    def test_the_check_of_a_file_refuses_them(self):
        for key in ("source_connections", "source_rate"):
            with self.subTest(key=key), tempfile.TemporaryDirectory() as home:
                config = Path(home, "bullpen.toml")
                config.write_text(f'[pool.a]\nservice = "work"\nmodel = "prefork-event"\n{key} = 5\n')
                self.check(PROGRAM, "check-config", str(config))

    def test_the_library_refuses_them(self):
        for setting in ("source_connections=5", "source_rate=5"):
            with self.subTest(setting=setting):
                self.check(HOSTILE, "kills_its_child", "model=prefork-event", "listen=127.0.0.1:0", setting)


class Saturation(unittest.TestCase):
    def test_a_model_with_room_for_many_is_not_saturated_by_one_client(self):
        for flags in (("--model", "event"), ("--model", "epoll"), ("--model", "prefork-event", "--workers", "1"),
                      ("--model", "prefork-event", "--workers", "2"), ("--model", "thread")):
            with self.subTest(flags=flags), Bullpen("echo", *flags) as server, closing(connect(server)) as client:
                client.sendall(b"a")
                self.assertEqual(client.recv(1), b"a")
                time.sleep(1.2)  # What is counted in this time must be nothing.
                self.assertEqual(server.total("bullpen_saturated_seconds_total"), 0)
                self.assertNotIn("saturated", server.stderr)


class Listeners(unittest.TestCase):
    def test_a_crowd_at_one_listener_starves_nobody_at_another(self):
        for case in chosen():
            model = model_of(case)
            if model in HASHED | IN_TURNS | {"event", "thread"}:
                continue  # Each listener has room of its own, or there is room for all.
            few = ["--workers-max", "2"] if model in FORK_FOR_EACH else \
                [] if model in ONE_AT_A_TIME | {"prefork-event"} else ["--workers", "2"]
            if model == "prefork-event":
                few = ["--workers", "1", "--connections-max", "2"]
            if model in ("prefork", "prefork-event"):  # Else the master takes everybody in, and the first comes first.
                few += ["--handoff-when", "accepted"]
            with self.subTest(model=case), Bullpen("work", *flags_of(case), *few, "--listen", "127.0.0.1:0",
                                                   "--listen", "127.0.0.1:0", program=OPTIMISED) as server:
                self.assertEqual(get(server, listener=1), 200)
                crowd = load(server, "--duration", "8", "--concurrency", "1000", path="/sleep/5")
                try:
                    wait_until(lambda: server.total("bullpen_listen_queue_length") > 800, "the crowd")
                    took = [timed_get(server, listener=1) for _ in range(3)]
                    self.assertLess(min(took), 0.7)  # Its turn comes after one of the crowd's.
                finally:
                    crowd.kill()
                    crowd.wait()


class Boot(unittest.TestCase):
    """The clock began a moment ago, in a time namespace of its own."""

    @under("prefork", "fork")
    def test_clients_that_wait_right_after_the_boot_are_not_refused(self, model):
        uptime = int(time.clock_gettime(time.CLOCK_MONOTONIC))
        # A time namespace holds for the children of whoever makes it; nsenter joins it and stays the same process.
        holder = subprocess.Popen(["unshare", "--time", f"--monotonic=-{uptime - 1}", "sleep", "60"],
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        wait_until(lambda: holder.poll() is not None or title(holder.pid).startswith("sleep"), "the namespace")
        namespace = f"nsenter --time=/proc/{holder.pid}/ns/time_for_children"
        if holder.poll() is not None or subprocess.run(namespace.split() + ["true"], check=False).returncode:
            self.skipTest("no time namespaces here")
        with behind("exec", namespace, program=OPTIMISED) as program, \
                Bullpen("work", "--model", model, "--workers-max", "1", "--queue", "10", "--queue-timeout", "60000",
                        program=program) as server, ExitStack() as stack:
            clients = [stack.enter_context(closing(connect(server))) for _ in range(3)]
            for client in clients:
                client.sendall(SLOW if client is clients[0] else SLOW.replace(b"1500", b"1"))
                wait_until(lambda: server.total("bullpen_connections_accepted_total") > clients.index(client), "it")
            self.assertEqual([end_of(client)[:12] for client in clients], [b"HTTP/1.1 200"] * 3)


if __name__ == "__main__":
    unittest.main()
