"""The small services: daytime, time, qotd, discard, chargen, sequence-number, uptime and process-count."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from every_model import WITHOUT_WORKERS_OF_OURS, chosen, flags_of, model_of
from harness import TOP, Bullpen, wait_until

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))
CHARACTERS = [chr(code) for code in range(ord(" "), ord("~") + 1)]
PATTERN = "".join("".join(CHARACTERS[(first + i) % 95] for i in range(72)) + "\r\n" for first in range(95)).encode()
SHORT = ("daytime", "time", "qotd", "uptime", "process-count")


def every_case(test):
    def run(self):
        for case in chosen(with_alike=True):
            with self.subTest(case=case):
                test(self, case)
    return run


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def rest_of(client):
    return b"".join(iter(lambda: client.recv(65536), b""))


def ask(server, question=b""):
    with connect(server) as client:
        client.sendall(question)
        client.shutdown(socket.SHUT_WR)
        return rest_of(client)


def complaint_of(*arguments):
    """What the program says of a mistake."""
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done
    return done.stderr


class SmallServices(unittest.TestCase):
    @every_case
    def test_each_says_what_its_rfc_or_book_says(self, case):
        now = time.time()
        with Bullpen("daytime", *flags_of(case)) as server:
            said = ask(server).decode()
            self.assertTrue(said.endswith("\r\n"), said)
            self.assertLess(abs(time.mktime(time.strptime(said.strip())) - now), 60)
        with Bullpen("time", *flags_of(case)) as server:
            said = ask(server)
            self.assertEqual(len(said), 4)
            self.assertLess(abs(int.from_bytes(said, "big") - (int(now) + 2_208_988_800) % 2**32), 60)
        with Bullpen("uptime", *flags_of(case)) as server:
            self.assertRegex(ask(server).decode(), r"^ \d\d:\d\d:\d\d up .*, +\d+ users?,  load average: [\d.]+, [\d.]+, [\d.]+\r\n$")
        with Bullpen("process-count", *flags_of(case)) as server:
            count = int(ask(server))
            self.assertLess(abs(count - len([name for name in os.listdir("/proc") if name.isdigit()])), 200)
        with tempfile.TemporaryDirectory() as home:
            quotes = Path(home) / "quotes"
            quotes.write_text("one\nby two\n%\n%\n" + "x" * 513 + "\n%\n")
            with Bullpen("qotd", "--quotes", str(quotes), *flags_of(case)) as server:
                self.assertEqual(ask(server), b"one\r\nby two\r\n")
        with Bullpen("qotd", *flags_of(case)) as server:
            self.assertRegex(ask(server).decode(), r"^[^\r\n]+\r\n$")

    def test_a_client_that_has_spoken_gets_the_whole_answer_too(self):
        for service in SHORT:
            for model in ("prefork", "prefork-event", "fork"):
                with self.subTest(service=service, model=model), Bullpen(service, "--model", model) as server:
                    for _ in range(20):
                        with connect(server) as client:
                            client.sendall(b"x" * 1000)
                            self.assertTrue(rest_of(client))
                    server.check_conservation()
                    wait_until(lambda: server.total("bullpen_connections_completed_total") == 20, "all are completed")

    @every_case
    def test_discard_takes_everything_and_says_nothing(self, case):
        with Bullpen("discard", *flags_of(case)) as server:
            self.assertEqual(ask(server, b"x" * 3_000_000), b"")
            self.assertEqual(ask(server), b"")

    @every_case
    def test_chargen_goes_on_until_the_client_has_enough_or_the_server_stops(self, case):
        with Bullpen("chargen", *flags_of(case)) as server, connect(server) as enough:
            said = b""
            while len(said) < 3 * len(PATTERN):
                said += enough.recv(65536)
            self.assertEqual(said[:3 * len(PATTERN)], 3 * PATTERN)
            enough.close()
            with connect(server) as client:
                client.recv(1)
                server.terminate()
                if model_of(case) not in WITHOUT_WORKERS_OF_OURS:
                    rest_of(client)
            self.assertEqual(server.wait(), 0)

    def test_clients_that_take_nothing_of_chargen_hold_no_worker(self):
        with Bullpen("chargen", "--workers", "1") as server, contextlib.ExitStack() as stack:
            for _ in range(10):
                stack.enter_context(connect(server)).recv(1)
            with connect(server) as client:
                self.assertTrue(client.recv(1))
            wait_until(lambda: server.total("bullpen_connections_in_flight", where="parked") == 10, "they are parked")

    @every_case
    def test_sequence_numbers_are_nobody_elses(self, case):
        if model_of(case) in WITHOUT_WORKERS_OF_OURS:
            self.assertIn("sequence-number is none", complaint_of("serve", "sequence-number", *flags_of(case)))
            return
        with Bullpen("sequence-number", *flags_of(case)) as server:
            with ThreadPoolExecutor(8) as clients:
                firsts = list(clients.map(lambda _: int(ask(server, b"3\n")), range(40)))
            self.assertEqual(sorted(firsts), list(range(0, 120, 3)))
            self.assertEqual(ask(server, b"1\r\n2\n1\n"), b"120\n121\n123\n")
            wrong = b"? expected: how many numbers, from 1 to 1000000000\n"
            for line in (b"0\n", b"-1\n", b"x\n", b"\n", b"1000000001\n", b"1" * 100 + b"\n"):
                self.assertEqual(ask(server, line), wrong, line)
            self.assertEqual(ask(server, b"1"), b"")  # No line.
            self.assertEqual(ask(server, b"1\n"), b"124\n")

    def test_a_workers_death_the_masters_and_a_reload_leave_the_sequence(self):
        with tempfile.TemporaryDirectory() as home:
            file = Path(home) / "bullpen.toml"
            file.write_text('[pool.numbers]\nservice = "sequence-number"\nlisten = "127.0.0.1:0"\nworkers = 2\n')
            with Bullpen("--config", str(file)) as server:
                self.assertEqual(ask(server, b"5\n"), b"0\n")
                for pid in server.workers():
                    os.kill(pid, signal.SIGKILL)
                self.assertEqual(ask(server, b"5\n"), b"5\n")
                os.kill(server.master, signal.SIGKILL)
                self.assertEqual(ask(server, b"5\n"), b"10\n")
                file.write_text(file.read_text() + "idle_timeout = 30\n")
                self.assertEqual(server.ctl("reload")[:2], (0, "the new configuration is in effect\n"))
                self.assertEqual(ask(server, b"1\n"), b"15\n")

    def test_mistakes_get_a_sentence(self):
        self.assertIn("--quotes: cannot read /nowhere", complaint_of("serve", "qotd", "--quotes", "/nowhere"))
        with tempfile.NamedTemporaryFile() as empty:
            self.assertIn("has no quote of at most 512 bytes", complaint_of("serve", "qotd", "--quotes", empty.name))
        self.assertIn("not for a process of each client", complaint_of("handle", "sequence-number"))
        self.assertRegex(complaint_of("serve", "daytme"), "did you mean daytime")

    def test_the_help_names_each(self):
        said = subprocess.run([PROGRAM, "serve", "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
        self.assertEqual([line for line in said.splitlines() if len(line) > 80], [])
        for service in (*SHORT, "discard", "chargen", "sequence-number"):
            self.assertTrue(re.search(rf"(?m)^  {service} ", said), service)


if __name__ == "__main__":
    unittest.main()
