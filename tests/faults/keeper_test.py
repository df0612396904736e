"""The master dies, stands still, is killed at each of its system calls: its clients and its workers notice nothing."""

import json
import os
import re
import signal
import socket
import tempfile
import threading
import time
import unittest
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from every_model import SHARE_ONE_PROCESS, WITHOUT_WORKERS_OF_OURS, chosen, flags_of, model_of, under
from faults import LONG, OPTIMISED, Scraper, children, connect, exporter, get, load, stand_still, wait_for
from harness import Bullpen, echo, processes, wait_until
from slow_client import ask, read_answer
from stepping import Kill, Steps, is_possible
from sweep_test import BODY, SCENARIOS, Asker, Http, ends_of

HANDS_OFF = ("prefork", "prefork-event", "fork")


def kill_master(server):
    """Returns once there is another one."""
    master = server.master
    os.kill(master, signal.SIGKILL)
    wait_until(lambda: server.master != master, "another master")


class Strikes(threading.Thread):
    """SIGKILL for one master after the other, at a rate, until told to stop."""

    def __init__(self, server, pause):
        super().__init__()
        self.server, self.pause, self.stopping, self.kills = server, pause, threading.Event(), 0

    def run(self):
        while not self.stopping.wait(self.pause):
            os.kill(self.server.master, signal.SIGKILL)
            self.kills += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()


class Deaths(unittest.TestCase):
    def test_under_each_model_another_master_goes_on_with_the_same_workers_and_clients(self):
        for case in chosen():
            with self.subTest(model=case), Bullpen("echo", *flags_of(case)) as server, \
                    closing(connect(server)) as begun:
                begun.sendall(b"a")
                self.assertEqual(begun.recv(1), b"a")
                wait_until(lambda: server.total("bullpen_workers", state="starting") == 0, "the workers to be ready")
                workers, metrics = sorted(children(server)), exporter(server)
                kill_master(server)
                begun.sendall(b"b")
                self.assertEqual(begun.recv(1), b"b")
                if model_of(case) not in ("iterative", "prefork-reuseport"):  # The begun one may be in the way there.
                    self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")
                wait_until(lambda: sorted(children(server)) == workers, "the same workers")
                self.assertEqual(exporter(server), metrics)
                begun.close()
                server.check_conservation()
                self.assertEqual(server.total("bullpen_connections_lost_total"), 0)
                self.assertEqual(server.total("bullpen_worker_exits_total"),
                                 server.total("bullpen_worker_exits_total", reason="retired"))

    def test_a_worker_that_dies_after_its_master_is_replaced_by_the_next(self):
        for case in chosen():
            if model_of(case) in WITHOUT_WORKERS_OF_OURS | {"fork"}:
                continue
            with self.subTest(model=case), Bullpen("echo", *flags_of(case)) as server:
                wait_until(lambda: server.total("bullpen_workers", state="starting") == 0, "the workers to be ready")
                kill_master(server)
                victims = children(server)
                for pid in victims:
                    os.kill(pid, signal.SIGKILL)
                processes_of = 1 if model_of(case) in SHARE_ONE_PROCESS else len(victims)
                wait_until(lambda: server.total("bullpen_worker_exits_total", reason="signal") == processes_of,
                           "burials")
                self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")

    def test_a_worker_that_dies_while_there_is_no_master_is_buried_by_the_next(self):
        with Bullpen("echo", "--workers", "2") as server:
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 2, "idle workers")
            stand_still(server.pid)  # The keeper: it makes no master now.
            victim, master = server.workers()[0], server.master
            os.kill(master, signal.SIGKILL)
            wait_until(lambda: all(state == "Z" for pid, state, *_ in processes() if pid == master), "its end")
            os.kill(victim, signal.SIGKILL)
            os.kill(server.pid, signal.SIGCONT)
            wait_until(lambda: server.total("bullpen_worker_exits_total", reason="signal") == 1, "the burial")
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 2, "its successor")

    def test_an_orderly_stop_that_has_begun_goes_on(self):
        for case in chosen():
            if model_of(case) in WITHOUT_WORKERS_OF_OURS:
                continue
            with self.subTest(model=case), Bullpen("echo", *flags_of(case)) as server:
                with closing(connect(server)) as begun:
                    begun.sendall(b"a")
                    self.assertEqual(begun.recv(1), b"a")
                    server.terminate()
                    wait_until(lambda: "stopping" in server.stderr, "the stop to begin")
                    for _ in range(3):
                        kill_master(server)
                        time.sleep(0.1)  # Each dies in another phase of the stop.
                    begun.sendall(b"b")
                    self.assertEqual(begun.recv(1), b"b")
                self.assertEqual(server.wait(), 0)

    def test_an_order_to_stop_that_comes_while_there_is_no_master_is_obeyed(self):
        with Bullpen("echo") as server:
            os.kill(server.master, signal.SIGKILL)
            self.assertEqual(server.stop(), 0)

    def test_the_file_of_a_unix_socket_is_removed_by_a_later_master(self):
        with tempfile.TemporaryDirectory() as home, Bullpen("echo", "--listen", f"unix:{home}/socket") as server:
            kill_master(server)
            self.assertEqual(server.stop(), 0)
            self.assertEqual(os.listdir(home), [])


class Clients(unittest.TestCase):
    @under(*HANDS_OFF)
    def test_in_the_backlog_waiting_parked_and_begun_all_are_served(self, model):
        flags = ["--workers-max", "2"] if model == "fork" else ["--workers", "2"]
        with Bullpen("work", "--model", model, *flags, "--queue", "40", "--queue-timeout", "60000") as server, \
                ExitStack() as stack:
            def client(path, *more):
                one = stack.enter_context(closing(connect(server)))
                ask(one, path, *more)
                return one
            kept = [client("/bytes/1") for _ in range(0 if model == "fork" else 4)]
            for each in kept:
                self.assertEqual(read_answer(each), b"x")
            if model == "prefork":
                wait_for(server, "parked", 4)
            busy = [client("/sleep/1500", b"Connection: close\r\n") for _ in range(2)]
            waiting = [client("/bytes/2", b"Connection: close\r\n") for _ in range(20)]
            for _ in range(5):
                kill_master(server)
            for each in busy:
                self.assertIsNotNone(read_answer(each))
            for each in waiting:
                self.assertEqual(read_answer(each), b"xx")
            for each in kept:
                ask(each, "/bytes/3")
                self.assertEqual(read_answer(each), b"xxx")
            stack.close()
            server.check_conservation()
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)

    def test_a_parked_slow_download_is_not_cut(self):
        size = 8 << 20
        with tempfile.TemporaryDirectory() as home, Bullpen("http", "--root", home, "--workers", "2",
                                                            program=OPTIMISED) as server:
            Path(home, "large").write_bytes(b"x" * size)
            with closing(connect(server)) as client:
                client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                wait_for(server, "parked", 1)
                got = client.recv(4096)
                while piece := client.recv(1 << 20):
                    if len(got) >> 20 != (len(got) + len(piece)) >> 20:
                        kill_master(server)
                    got += piece
            self.assertEqual(len(got.partition(b"\r\n\r\n")[2]), size)
            server.check_conservation()
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)

    def check_load(self, *flags, model):
        seconds = 25 if LONG else 4
        with Bullpen("work", "--model", model, program=OPTIMISED) as server, ExitStack() as stack, \
                tempfile.NamedTemporaryFile() as report:
            scraper = Scraper(server, stack, lawful=False)  # A scrape may see a dead master's last change half done.
            work = load(server, *flags, "--duration", str(seconds), "--json", report.name, path="/bytes/100")
            with Strikes(server, 0.03) as strikes:
                scraper.scrape_until_ended([work])
            result = json.loads(Path(report.name).read_text())
            self.assertGreater(strikes.kills, 4 * seconds)
            self.assertEqual((result["failed"], result["errors"]), (0, {**dict.fromkeys(result["errors"], 0)}))
            self.assertGreater(result["requests"], 10 * seconds)  # It went on all the time.
            self.assertEqual(scraper.broken, [])
            server.check_conservation()
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0, f"of {strikes.kills} kills")
            self.assertEqual(server.total("bullpen_worker_exits_total", reason="replaced"), 0)

    @under(*HANDS_OFF)
    def test_twenty_kills_a_second_under_clients_that_come_once_fail_none(self, model):
        self.check_load("--concurrency", "16", model=model)

    @under("prefork", "prefork-event")
    def test_twenty_kills_a_second_under_kept_clients_fail_none(self, model):
        self.check_load("--keep-alive", "--concurrency", "100", model=model)


class Download(threading.Thread):
    """A client that takes a large file at a given rate, bytes a second."""

    def __init__(self, server, size, rate):
        super().__init__()
        self.server, self.size, self.rate, self.missing = server, size, rate, size

    def run(self):
        piece = 1 << 16
        try:
            with closing(connect(self.server)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, piece)
                client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                began, got = time.monotonic(), 0
                while data := client.recv(piece):
                    got += len(data)
                    time.sleep(max(0.0, began + got / self.rate - time.monotonic()))
                self.missing = max(0, self.size - got)  # The head comes on top.
        except OSError:
            pass


class Together(unittest.TestCase):
    def test_one_shot_kept_and_slow_clients_at_once_notice_no_kill(self):
        kept, downloads, size, rate = (1000, 10, 30 << 20, 12 << 20) if LONG else (100, 3, 8 << 20, 4 << 20)
        seconds, pause = (25, 0.25) if LONG else (4, 0.1)
        with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
            Path(home, "large").write_bytes(b"x" * size)
            Path(home, "small").write_bytes(b"x" * 100)
            server = stack.enter_context(Bullpen("http", "--root", home, program=OPTIMISED))
            scraper = Scraper(server, stack, lawful=False)
            reports = [Path(home, f"report-{number}") for number in (1, 2)]
            length = ["--duration", str(seconds)]
            loads = [load(server, *length, "--concurrency", "8", "--json", str(reports[0]), path="/small"),
                     load(server, *length, "--keep-alive", "--concurrency", str(kept), "--rate", str(kept), "--json",
                          str(reports[1]), path="/small")]
            slow = [Download(server, size, rate) for _ in range(downloads)]
            for each in slow:
                each.start()
            with Strikes(server, pause) as strikes:
                scraper.scrape_until_ended(loads)
                for each in slow:
                    each.join()
            results = [json.loads(report.read_text()) for report in reports]
            summary = f"{strikes.kills} kills; " + "; ".join(
                f"{each['requests']} requests on {each['connections']} connections, {each['failed']} failed, longest "
                f"{each['latency_us']['max'] / 1000:.0f} ms" for each in results)
            print(f"\n{summary}; downloads cut: {sum(each.missing > 0 for each in slow)} of {downloads}; lost: "
                  f"{server.total('bullpen_connections_lost_total'):g}")
            self.assertEqual([each["failed"] for each in results], [0, 0], summary)
            self.assertEqual([each.missing for each in slow], [0] * downloads)
            self.assertEqual(scraper.broken, [])
            server.check_conservation()
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)


class Meaningless(unittest.TestCase):
    def test_a_signal_that_means_nothing_ends_neither_keeper_nor_master_and_is_logged(self):
        for case in chosen():
            with self.subTest(model=case), Bullpen("work", *flags_of(case)) as server:
                master = server.master
                for number in (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO, signal.SIGPWR, signal.SIGRTMIN, signal.SIGRTMAX):
                    os.kill(server.pid, number)
                    os.kill(master, number)
                    wait_until(lambda: f"keeper: signal {int(number)} (" in server.stderr, f"a line about {number}")
                if model_of(case) not in WITHOUT_WORKERS_OF_OURS:
                    self.assertEqual(get(server), 200)
                self.assertEqual(server.master, master)


    def test_nor_does_it_end_a_worker_or_the_exporter(self):
        for case in chosen():
            with self.subTest(model=case), Bullpen("work", *flags_of(case)) as server:
                before = set(server.children())
                for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF,
                               signal.SIGIO, signal.SIGPWR, signal.SIGRTMIN, signal.SIGRTMAX):
                    for pid in before:
                        os.kill(pid, number)
                if model_of(case) not in WITHOUT_WORKERS_OF_OURS:
                    self.assertEqual(get(server), 200)
                server.metrics()
                self.assertLessEqual(before, set(server.children()))
                self.assertNotIn("was killed", server.stderr)

    def test_an_order_to_the_master_alone_is_left_to_the_keeper_and_logged(self):
        with Bullpen("work") as server:
            master = server.master
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
                os.kill(master, number)
                wait_until(lambda: f"master: signal {int(number)} (" in server.stderr, f"a line about {number}")
            self.assertIn(f"from process {os.getpid()} is ignored: the keeper (pid {server.pid}) takes the orders",
                          server.stderr)
            self.assertEqual(get(server), 200)
            self.assertEqual(server.master, master)


class StandingStill(unittest.TestCase):
    def test_a_master_that_is_stopped_is_replaced_after_master_timeout(self):
        with Bullpen("work", "--master-timeout", "2") as server, closing(connect(server)) as kept:
            ask(kept, "/bytes/1")
            self.assertEqual(read_answer(kept), b"x")
            wait_for(server, "parked", 1)
            stopped = server.master
            stand_still(stopped)
            self.assertEqual(get(server), 200)  # It waits.
            ask(kept, "/bytes/1")
            self.assertEqual(read_answer(kept), b"x")
            self.assertNotEqual(server.master, stopped)
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)

    def test_a_stop_of_the_whole_server_or_of_its_keeper_replaces_no_master(self):
        with Bullpen("echo", "--master-timeout", "2") as server:
            master = server.master
            for stopped in ([server.pid, master], [server.pid]):
                for pid in stopped:
                    stand_still(pid)
                time.sleep(3)  # Longer than master_timeout.
                for pid in reversed(stopped):
                    os.kill(pid, signal.SIGCONT)
                self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")
                time.sleep(0.6)  # The keeper looks twice a second here.
                self.assertEqual(server.master, master)


def private_dirty(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.split("Private_Dirty:")[1].split()[0])


class Cost(unittest.TestCase):
    def test_the_keeper_is_small(self):
        with Bullpen("http", "--workers", "8", program=OPTIMISED) as server:
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 8, "idle workers")
            for _ in range(100):
                self.assertEqual(get(server, "/"), 200)
            print(f"\nkeeper: {private_dirty(server.pid)} kB private dirty, master: {private_dirty(server.master)} kB")
            self.assertLess(private_dirty(server.pid), 700)  # With all that a process has before serve().

    def test_the_keeper_does_nothing_while_nothing_happens(self):
        with Bullpen("work", program=OPTIMISED) as server:
            text = Path(f"/proc/{server.pid}/status").read_text
            self.assertEqual(get(server), 200)
            before = text().partition("voluntary_ctxt_switches:")[2].split()[0]
            for _ in range(200):
                self.assertEqual(get(server), 200)
            after = text().partition("voluntary_ctxt_switches:")[2].split()[0]
            self.assertLessEqual(int(after) - int(before), 4)


class Large:
    """A request for a file that no socket holds."""

    def __init__(self, size):
        self.size = size

    @staticmethod
    def request():
        return b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"


def size_of_answer(server, request):
    with closing(Asker(server)) as asker:
        asker.send(request)
        asker.receive(1)
        head, _, _ = asker.got.partition(b"\r\n\r\n")
        return len(head) + 4 + int(re.search(rb"Content-Length: (\d+)", head)[1])


def slow_download(server, what, stack):
    askers = [stack.enter_context(closing(Asker(server))) for _ in range(2)]
    for asker in askers:
        asker.send(what.request())
    for asker in askers:
        asker.receive(100_000)
    wait_until(lambda: server.total("bullpen_connections_in_flight", where="begun") == 0, "them to be parked")
    return ends_of(askers, what.size)


def crowd(server, what, stack):
    """More than there are workers for: one message has several of them, and the master takes some back."""
    askers = [stack.enter_context(closing(Asker(server))) for _ in range(12)]
    for number in (1, 2):
        for asker in askers:
            asker.send(what.request(last=False))
        for asker in askers:
            asker.receive(number * what.size)
    return ends_of(askers, 2 * what.size)


@unittest.skipUnless(is_possible(), "no ptrace here")
class EachSystemCall(unittest.TestCase):
    """The master is killed before and after each of its system calls in a scenario."""

    @contextmanager
    def site(self):
        with tempfile.TemporaryDirectory() as home:
            Path(home, "small").write_bytes(BODY)
            Path(home, "large").write_bytes(b"x" * (4 << 20))
            yield home

    def sweep(self, server, scenarios, what, step=1):
        for scenario in scenarios:
            failures, kills = [], 0
            for at in range(1, 2000, step):
                kill = Kill(at)
                with ExitStack() as stack, Steps([server.master], kill):
                    outcomes = scenario(server, what, stack)
                failures += [(kill.place, asker.got[-100:]) for asker, good in outcomes if not good]
                if kill.place is None:
                    break
                kills += 1
            with self.subTest(scenario=scenario.__name__, kills=kills):
                self.assertGreater(kills, 15)
                server.check_conservation()
                self.assertEqual(failures, [], f"of {kills} kills")
                self.assertEqual(server.total("bullpen_connections_lost_total"), 0)
                self.assertEqual(server.total("bullpen_worker_exits_total", reason="replaced"), 0)

    @contextmanager
    def serving(self, model, *flags):
        pool = () if model == "fork" else ("--workers", "2")
        with self.site() as home, Bullpen("http", "--root", home, "--model", model, *pool, *flags,
                                          program=OPTIMISED) as server:
            yield server

    @under(*HANDS_OFF)
    def test_whoever_is_killed_there_fails_nobody(self, model):
        with self.serving(model) as server:
            self.sweep(server, SCENARIOS, Http(size_of_answer(server, Http.request(last=False))))

    def test_nor_with_a_queue(self):
        with self.serving("prefork", "--queue", "8") as server:
            self.sweep(server, SCENARIOS, Http(size_of_answer(server, Http.request(last=False))))

    def test_nor_one_of_a_crowd(self):
        with self.serving("prefork") as server:
            self.sweep(server, [crowd], Http(size_of_answer(server, Http.request(last=False))), 1 if LONG else 12)

    def test_nor_a_client_that_takes_its_answer_slowly(self):
        with self.serving("prefork") as server:
            self.sweep(server, [slow_download], Large(size_of_answer(server, Large.request())))

    def test_nor_while_a_worker_is_buried_which_is_counted_once(self):
        with self.serving("prefork") as server:
            what = Http(size_of_answer(server, Http.request(last=False)))
            before = server.total("bullpen_worker_exits_total", reason="signal")
            deaths = 0

            def with_a_death(*arguments):
                nonlocal deaths
                wait_until(lambda: server.total("bullpen_workers", state="idle") == 2, "idle workers")
                os.kill(server.workers()[0], signal.SIGKILL)
                deaths += 1
                return SCENARIOS[0](*arguments)
            self.sweep(server, [with_a_death], what)
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 2, "idle workers")
            self.assertEqual(server.total("bullpen_worker_exits_total", reason="signal") - before, deaths)


if __name__ == "__main__":
    unittest.main()
