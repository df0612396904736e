"""Workers told to leave: a client that has just connected is served, and who got nothing is not called completed."""

import os
import signal
import tempfile
import threading
import time
import unittest
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from every_model import HASHED, ONE_AT_A_TIME, WITHOUT_WORKERS_OF_OURS, chosen, flags_of, model_of, under
from faults import children, connect, end_of, get
from harness import Bullpen, wait_until

SPEAKS_AFTER = 0.3  # Seconds; at a stop a silent client has stop_patience, 1 s.
REQUEST = b"GET /bytes/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SIZE_THEMSELVES = ("prefork-accept", "prefork-lock", "prethread-accept", "prethread")
NO_POOL_TO_SIGNAL = {"fork", "inetd", "thread"}


def clients_of(server, stack, case):
    """As many as can be served at once."""
    count = 1 if model_of(case) in ONE_AT_A_TIME | HASHED else 4
    return [stack.enter_context(closing(connect(server))) for _ in range(count)]


class EveryModel(unittest.TestCase):
    def check_late_speakers(self, clients):
        time.sleep(SPEAKS_AFTER)  # The clients' own pace, nothing is waited for.
        for client in clients:
            try:
                client.sendall(REQUEST)
            except ConnectionError:
                pass
        self.assertEqual([(end_of(client) or b"")[:12] for client in clients], [b"HTTP/1.1 200"] * len(clients))

    def test_clients_that_connected_just_before_a_stop_and_speak_soon_are_answered(self):
        for case in chosen():
            with self.subTest(model=case), Bullpen("work", *flags_of(case)) as server, ExitStack() as stack:
                self.assertEqual(get(server), 200)
                clients = clients_of(server, stack, case)
                server.terminate()
                self.check_late_speakers(clients)
                self.assertEqual(server.wait(), 0)

    def test_clients_of_workers_that_are_told_to_leave_have_their_usual_limits(self):
        for case in chosen():
            if model_of(case) in NO_POOL_TO_SIGNAL:
                continue
            with self.subTest(model=case), Bullpen("work", *flags_of(case)) as server, ExitStack() as stack:
                self.assertEqual(get(server), 200)
                workers = children(server)
                clients = clients_of(server, stack, case)
                for pid in workers:
                    os.kill(pid, signal.SIGTERM)
                self.check_late_speakers(clients)
                wait_until(lambda: not set(workers) & set(children(server)), "the workers to leave")

    @contextmanager
    def with_a_busy_neighbour(self, case):
        """A pool of this model, and one of another whose client keeps the exporter there during a stop."""
        with tempfile.TemporaryDirectory() as home:
            config = Path(home, "bullpen.toml")
            config.write_text("".join(f'[pool.{name}]\nservice = "work"\nlisten = "127.0.0.1:0"\n' for name in "ab"))
            with Bullpen("--config", str(config), "--pool", "a", *flags_of(case)) as server, \
                    closing(connect(server, listener=1)) as busy:
                busy.sendall(b"GET /sleep/4000 HTTP/1.1\r\nHost: x\r\n\r\n")
                wait_until(lambda: server.total("bullpen_connections_in_flight", pool="b", where="begun") == 1, "it")
                yield server

    def test_clients_that_stay_silent_at_a_stop_are_refused_and_not_completed(self):
        for case in chosen():
            if model_of(case) in WITHOUT_WORKERS_OF_OURS:
                continue  # How a program ends is all that is known of it.
            with self.subTest(model=case), self.with_a_busy_neighbour(case) as server, ExitStack() as stack:
                clients = clients_of(server, stack, case)
                server.terminate()
                self.assertEqual([end_of(client) for client in clients], [b""] * len(clients))

                def ended():
                    now = server.metrics()
                    settled = {name: value for (name, labels), value in now.items() if ("pool", "a") in labels}
                    return now if settled["bullpen_connections_accepted_total"] == len(clients) and not sum(
                        value for (name, labels), value in now.items()
                        if name == "bullpen_connections_in_flight" and ("pool", "a") in labels) else None
                wait_until(ended, "their ends to be counted", 3)
                self.assertEqual(server.total("bullpen_connections_refused_total", pool="a", reason="stopping"),
                                 len(clients))
                self.assertEqual(server.total("bullpen_connections_completed_total", pool="a"), 0)
                self.assertEqual(server.wait(), 0)


class Shrinking(unittest.TestCase):
    @under(*SIZE_THEMSELVES)
    def test_a_pool_that_shrinks_under_load_answers_everybody(self, model):
        with Bullpen("work", "--model", model, "--workers-start", "2", "--workers-max", "40", "--spare-min", "1",
                     "--spare-max", "1", "--shrink-window", "1") as server:
            crowded, stopping, failed = threading.Event(), threading.Event(), []

            def ask_again_and_again(steady):
                while not stopping.is_set():
                    if not steady and not crowded.wait(0.01):
                        continue
                    with closing(connect(server)) as client:
                        time.sleep(0.01)  # The client's own pace.
                        try:
                            client.sendall(REQUEST)
                        except ConnectionError:
                            pass
                        if not (end_of(client) or b"").startswith(b"HTTP/1.1 200"):
                            failed.append(client)

            askers = [threading.Thread(target=ask_again_and_again, args=(number < 8,)) for number in range(24)]
            for asker in askers:
                asker.start()
            try:
                for _ in range(2):
                    crowded.set()
                    wait_until(lambda: failed or server.total("bullpen_workers") >= 18, "a larger pool")
                    crowded.clear()
                    wait_until(lambda: failed or server.total("bullpen_workers") <= 14, "a smaller pool")
            finally:
                stopping.set()
                for asker in askers:
                    asker.join()
            self.assertEqual(len(failed), 0, "clients that were not answered")


if __name__ == "__main__":
    unittest.main()
