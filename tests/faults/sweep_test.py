"""A worker is killed before and after each of its system calls: whose handler had not begun loses nothing."""

import mmap
import os
import socket
import tempfile
import time
import unittest
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from every_model import CASES, FORK_FOR_EACH, model_of
from faults import LONG, OPTIMISED, Hostile, settings_of
from harness import Bullpen, descriptors, fewest_descriptors, title, total, wait_until
from stepping import SENDING, Kill, Steps, is_possible

HANDING_OFF = ("prefork", "prefork, 2 threads each", "prefork-event", "fork")
PAUSE = 0.012  # Seconds; the client's own pace, longer than a worker waits for what follows.
BODY = b"x" * 300


class Asker:
    """A client that says its piece step by step and remembers what became of it."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        self.got = b""
        self.ended = self.stuck = False

    def send(self, words):
        try:
            self.socket.sendall(words)
        except ConnectionError:
            self.ended = True

    def receive(self, count):
        """Until there are so many bytes in all, or the end."""
        try:
            while len(self.got) < count and not self.ended:
                piece = self.socket.recv(65536)
                self.got += piece
                self.ended = not piece
        except ConnectionError:
            self.ended = True
        except TimeoutError:
            self.ended = self.stuck = True
        return len(self.got) >= count

    def leave(self):
        """Ends its side and waits for the other."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.ended = True
        self.receive(1 << 30)

    def close(self):
        self.socket.close()


class Http:
    """Requests for one small file."""

    def __init__(self, size):
        self.size = size  # Of an answer.

    @staticmethod
    def request(last):
        return b"GET /small HTTP/1.1\r\nHost: x\r\n" + (b"Connection: close\r\n" if last else b"") + b"\r\n"


class Words:
    """Three bytes that come back."""
    size = 3

    @staticmethod
    def request(last):
        return b"bye" if last else b"abc"


def ends_of(askers, size):
    """Of each asker whether it has got so much; all have seen their end by then."""
    outcomes = [(asker, asker.receive(size)) for asker in askers]
    for asker in askers:
        asker.leave()
    return outcomes


def one_shot(server, what, stack):
    askers = [stack.enter_context(closing(Asker(server))) for _ in range(2)]
    for asker in askers:
        asker.send(what.request(last=True))
    return ends_of(askers, what.size)


def kept_alive(server, what, stack):
    """A request at once, one right after the answer, one after a pause."""
    askers = [stack.enter_context(closing(Asker(server))) for _ in range(2)]
    for number in (1, 2, 3):
        if number == 3:
            time.sleep(PAUSE)
        for asker in askers:
            asker.send(what.request(last=False))
        for asker in askers:
            asker.receive(number * what.size)
    return ends_of(askers, 3 * what.size)


def half_a_head(server, what, stack):
    askers = [stack.enter_context(closing(Asker(server))) for _ in range(2)]
    request = what.request(last=False)
    half = len(request) // 2
    for asker in askers:
        asker.send(request[:half])
    time.sleep(PAUSE)
    for asker in askers:
        asker.send(request[half:])
    return ends_of(askers, what.size)


SCENARIOS = (one_shot, kept_alive, half_a_head)


class Sweep:
    """One server, whose first worker is killed again and again."""

    def __init__(self, server, case, workers, counters=None):
        self.server, self.case, self.workers, self.counters = server, case, workers, counters
        self.kills = self.failures = self.lost = 0
        self.complaints = []

    def handlers(self):
        """How many were called, and how many have returned."""
        return [int.from_bytes(self.counters[at:at + 8], "little") for at in (0, 8)]

    def at_rest(self):
        def samples():
            now = self.server.metrics()
            idle = total(now, "bullpen_workers", state="idle")
            is_whole = model_of(self.case) in FORK_FOR_EACH or idle == self.workers
            return now if is_whole and total(now, "bullpen_connections_in_flight") == 0 else None
        return wait_until(samples, "all workers to be there and idle")

    def leads(self):
        """The process that gets the next client, or whose children do."""
        if model_of(self.case) in FORK_FOR_EACH:
            return self.server.master
        return next(pid for pid in self.server.workers() if "/0]" in title(pid))

    def warm_up(self, what):
        """So that no worker dies before it was of use: those are forked at a bounded rate."""
        with ExitStack() as stack:
            for asker, well in one_shot(self.server, what, stack):
                if not well:
                    self.complaints.append(f"a client fails whom nobody disturbs: {asker.got[:40]}")

    def run(self, scenario, what, strict, step):
        at = missed = 0
        before = self.at_rest()
        while missed < 2:  # Once in a while another worker has the clients.
            at += step
            self.warm_up(what)
            self.at_rest()
            called = self.handlers() if self.counters else None
            kill = Kill(at)
            with ExitStack() as stack:
                with Steps([self.leads()], kill, children=model_of(self.case) in FORK_FOR_EACH):
                    outcomes = scenario(self.server, what, stack)
                stuck = [asker for asker, _ in outcomes if asker.stuck]
            now = self.at_rest()
            lost = total(now, "bullpen_connections_lost_total") - total(before, "bullpen_connections_lost_total")
            before = now
            failed = [asker for asker, well in outcomes if not well]
            self.judge(f"{scenario.__name__}, killed {kill.place}, stop {at}", kill, failed, lost, called, strict)
            if stuck:
                self.complaints.append(f"{scenario.__name__}, killed {kill.place}: {len(stuck)} clients wait in vain")
            missed = 0 if kill.place else missed + 1
            self.kills += kill.place is not None
            self.failures += len(failed)
            self.lost += int(lost)

    def judge(self, where, kill, failed, lost, called, strict):
        if len(failed) > lost:
            self.complaints.append(f"{where}: {len(failed)} clients fail, {lost:g} are counted as lost")
        if called:
            begun, ended = (now - old for now, old in zip(self.handlers(), called))
            if len(failed) > begun - ended:
                self.complaints.append(f"{where}: {len(failed)} clients fail, {begun - ended} handlers had begun")
        # The state says "touched" right before the call, so a kill between the two counts as one after it.
        at_first_byte = kill.place is not None and kill.begins and kill.call in SENDING
        silent = [asker for asker in failed if not asker.got]
        if strict and len(silent) > (1 if at_first_byte else 0):
            self.complaints.append(f"{where}: {len(silent)} clients fail that had got nothing")


@unittest.skipUnless(is_possible(), "ptrace(2) is not allowed")
class EveryCall(unittest.TestCase):
    def check(self, sweep, what, scenarios, strict):
        step = 1
        if not LONG and model_of(sweep.case) in FORK_FOR_EACH:
            step = 7  # Such a process makes some hundred calls before it serves.
        elif not LONG and "threads" in sweep.case:
            step = 2  # As many calls as there are threads come to the same.
        sweep.warm_up(what)
        sweep.at_rest()
        before = fewest_descriptors(sweep.server.pid)
        for scenario in scenarios:
            sweep.run(scenario, what, strict, step)
        sweep.at_rest()
        try:
            wait_until(lambda: len(descriptors(sweep.server.pid)) <= len(before), "descriptors", 3)
        except AssertionError:
            self.fail(f"the master's descriptors: {before} before, {descriptors(sweep.server.pid)} after")
        print(f"\n{sweep.case}: {sweep.kills} kills, {sweep.failures} clients failed, {sweep.lost} counted as lost",
              end="", flush=True)
        if sweep.complaints:
            count = f"{len(sweep.complaints)} complaints in {sweep.kills} kills:"
            self.fail("\n".join([count, *sweep.complaints[:12]]))

    @contextmanager
    def site(self):
        with tempfile.TemporaryDirectory() as home:
            Path(home, "small").write_bytes(BODY)
            yield home

    def sweep_http(self, case, *flags):
        workers = 4 if "threads" in case else 2
        pool = [] if model_of(case) in FORK_FOR_EACH else ["--workers", str(workers)]
        with self.subTest(case=case, flags=flags), self.site() as home, \
                Bullpen("http", "--root", home, "--model", model_of(case), *CASES[case], *pool, *flags,
                        program=OPTIMISED) as server:
            with closing(Asker(server)) as asker:
                asker.send(Http.request(last=False))
                asker.receive(1)
                head = asker.got.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            what = Http(len(head) + len(BODY))
            # Of several threads all die with one: the others may be anywhere.
            strict = model_of(case) in ("prefork", "fork") and "threads" not in case
            self.check(Sweep(server, case, workers), what, SCENARIOS, strict)

    def sweep_words(self, case, handler, scenarios, *settings):
        workers = 4 if "threads" in case else 2
        with self.subTest(case=case, handler=handler, settings=settings), tempfile.NamedTemporaryFile() as file:
            file.truncate(4096)
            counters = mmap.mmap(file.fileno(), 4096)
            settings += () if model_of(case) in FORK_FOR_EACH else (f"workers={workers}",)
            with Hostile(handler, f"counters={file.name}", *settings_of(case), *settings) as server:
                self.check(Sweep(server, case, workers, counters), Words, scenarios, strict=False)
            counters.close()

    def test_of_http_under_prefork_nobody_fails_who_had_got_nothing(self):
        self.sweep_http("prefork")
        self.sweep_http("prefork", "--queue", "8")

    def test_of_http_under_every_model_that_hands_off_each_failure_is_a_lost_connection(self):
        for case in HANDING_OFF[1:]:
            self.sweep_http(case)
            if LONG:
                self.sweep_http(case, "--queue", "8")

    def test_without_retries_nobody_fails_whose_handler_had_not_begun(self):
        for case in HANDING_OFF:
            if case != "prefork-event":
                self.sweep_words(case, "counted_one_by_one", SCENARIOS)
            self.sweep_words(case, "counted_echo", SCENARIOS if LONG else (one_shot,))
            if LONG:
                self.sweep_words(case, "counted_echo", SCENARIOS, "queue=8")


if __name__ == "__main__":
    unittest.main()
