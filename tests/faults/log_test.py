"""Where log lines go, how they look, and whose they are."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest
from contextlib import contextmanager
from pathlib import Path

from faults import PROGRAM as FOUND
from faults import Hostile, behind, connect
from harness import Bullpen, descriptors, wait_until

PROGRAM = str(Path(FOUND).resolve())
MODELS = {"prefork": [], "prefork, threads": ["threads=2"], "fork": [], "prefork-accept": [], "prethread": [], "thread": []}


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []


class Home(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.home = Path(holder.name)
        self.log = self.home / "server.log"

    def wait_for_line(self, *parts):
        return wait_until(lambda: next((line for line in lines_of(self.log) if all(part in line for part in parts)), None),
                          f"a line with {parts}")


class Target(Home):
    def test_a_file_is_opened_anew_by_keeper_and_master_and_after_a_masters_death(self):
        with Bullpen("echo", "--log", str(self.log)) as server:
            self.assertEqual(self.log.stat().st_mode & 0o777, 0o640 & ~os.umask(os.umask(0)))
            for kills in (0, 1):
                old = self.home / f"old.{kills}"
                self.log.rename(old)
                server.terminate(signal.SIGUSR1)
                self.wait_for_line("open anew")
                said = old.read_text()
                if kills:
                    os.kill(server.master, signal.SIGKILL)
                    self.wait_for_line("another one takes over")
                server.terminate(signal.SIGALRM)
                self.wait_for_line("keeper: signal")
                server.terminate(signal.SIGTTIN)
                self.wait_for_line("SIGTTIN")
                self.assertEqual(old.read_text(), said)
                self.assertNotIn(str(old), descriptors(server.pid).values())
            self.assertEqual(server.stderr, "")

    def test_the_program_that_takes_over_writes_to_the_same_name(self):
        with behind(f"cd {self.home}; exec", program=PROGRAM) as program, \
                Bullpen("echo", "--log", "server.log", "--log-format", "json", program=program) as server:
            self.assertEqual(server.ctl("upgrade")[0], 0)
            successor = int(json.loads(self.wait_for_line("upgrade: the new program"))["message"].split("(pid ")[1].split(")")[0])
            self.log.rename(self.home / "old")
            os.kill(successor, signal.SIGUSR1)
            self.wait_for_line("open anew")
            os.kill(successor, signal.SIGTERM)
            self.wait_for_line("master: stopping")
            server.exit_status = server.wait()

    def test_a_descriptor_that_the_program_was_started_with(self):
        with behind(f"exec 9>>{self.log}", program=PROGRAM) as program, Bullpen("echo", "--log", "fd:9", program=program) as server:
            self.log.rename(self.home / "old")
            server.terminate(signal.SIGUSR1)
            self.wait_for_line("open anew")
            self.assertEqual(server.ctl("upgrade")[0], 0)
            successor = int(self.wait_for_line("upgrade: the new program").split("(pid ")[1].split(")")[0])
            os.kill(successor, signal.SIGTERM)
            wait_until(lambda: sum("master: stopping" in line for line in lines_of(self.log)), "the stop")
            server.exit_status = server.wait()

    def check(self, status, sentence, *flags):
        port = socket.create_server(("127.0.0.1", 0))  # What is wrong with the log comes first.
        address = f"127.0.0.1:{port.getsockname()[1]}"
        done = subprocess.run([PROGRAM, "serve", "echo", "--control", "off", "--metrics", "off", "--listen", address, *flags],
                              capture_output=True, text=True, timeout=60, check=False, cwd=self.home)
        port.close()
        self.assertEqual((done.returncode, done.stdout), (status, ""))
        self.assertRegex(done.stderr, rf"\Abullpen: .*{re.escape(sentence)}.*\n\Z")

    def test_what_is_wrong_is_one_sentence(self):
        self.check(2, "--log: expected stderr, fd:N", "--log", "off")
        self.check(2, "--log-level: there is no log_level 'warn' (did you mean warning?)", "--log-level", "warn")
        self.check(2, "--log-format: there is no log_format 'xml'", "--log", "made.log", "--log-format", "xml")
        self.assertEqual(list(self.home.iterdir()), [])
        self.check(1, "cannot write the log to none/made.log: No such file or directory", "--log", "none/made.log")
        self.check(1, "cannot write the log to fd:99: the descriptor isn't open", "--log", "fd:99")

    def test_a_reload_changes_the_level_and_nothing_else_of_the_log(self):
        config = self.home / "bullpen.toml"

        def write(master):
            config.write_text(f'[master]\n{master}\n[pool.web]\nservice = "echo"\nlisten = "127.0.0.1:0"\n')

        write(f'log = "{self.log}"')
        with Bullpen("--config", str(config)) as server:
            write(f'log = "{self.log}"\nlog_level = "error"')
            self.assertEqual(server.ctl("reload")[0], 0)
            server.terminate(signal.SIGALRM)
            self.assertEqual(server.ctl("status")[0], 0)
            write(f'log = "{self.log}"\nlog_level = "info"')
            self.assertEqual(server.ctl("reload")[0], 0)
            self.wait_for_line("the new configuration is in effect")
            self.assertFalse([line for line in lines_of(self.log) if "keeper: signal" in line])
            for wrong, sentence in (('log = "stderr"', f"log: a reload can't change '{self.log}' to 'stderr'"),
                                    (f'log = "{self.log}"\nlog_format = "json"',
                                     "log_format: a reload can't change 'text' to 'json'")):
                write(wrong)
                status, _, said = server.ctl("reload")
                self.assertEqual(status, 2)
                self.assertIn(sentence, said)


class Lines(Home):
    @contextmanager
    def said(self, server, word):
        """A client's name, which is connected until the line has been looked for."""
        with connect(server) as client:
            client.sendall(word.encode())
            yield "{}:{}".format(*client.getsockname())

    def test_a_handlers_line_has_pool_slot_and_client_in_every_model(self):
        for model, settings in MODELS.items():
            log = self.log = self.home / f"{model}.log"
            with self.subTest(model=model), Hostile("logs", f"model={model.partition(',')[0]}", f"log={log}", *settings) as server:
                for word, text in (("a\nword", r"a\x0aword"), ("!", "handler threw: as told")):
                    with self.said(server, word) as client:
                        line = self.wait_for_line(text, client)
                    self.assertRegex(line, rf" warning \[\d+\] pool default: worker \d+, client {client}: {re.escape(text)}\Z")
                with self.said(server, "thread"):
                    self.assertRegex(self.wait_for_line("thread"), r" \[\d+\] thread\Z")
                self.assertNotIn("less important", log.read_text())

    def test_a_coroutines_line_has_pool_and_slot_and_its_failure_the_client_too(self):
        for model in ("event", "prefork-event"):
            log = self.log = self.home / f"{model}.log"
            with self.subTest(model=model), Hostile("logs", f"model={model}", f"log={log}", "log_format=json",
                                                    "log_level=debug") as server:
                with self.said(server, "word"):
                    line = json.loads(self.wait_for_line("word"))
                    self.assertIn("less important", self.wait_for_line("debug"))
                self.assertRegex(line.pop("time"), r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d\Z")
                self.assertIn(line.pop("pid"), server.workers())
                self.assertIn(line.pop("slot"), range(64))
                self.assertEqual(line, {"level": "warning", "pool": "default", "message": "word"})
                with self.said(server, "!") as client:
                    line = json.loads(self.wait_for_line("as told"))
                self.assertEqual((line["client"], line["pool"]), (client, "default"))


if __name__ == "__main__":
    unittest.main()
