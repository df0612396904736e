"""An upgrade, by SIGUSR2 or `bullpen ctl upgrade`: a new program takes the place of the old one, or nothing has
changed."""

import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from contextlib import closing, contextmanager
from pathlib import Path

from harness import Bullpen, descriptors, echo, end_with, fewest_descriptors, processes, title, wait_until
from upgradable import PROGRAM, Upgradable

LONG = bool(os.environ.get("BULLPEN_LONG"))

def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Upgrades(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.home = Path(holder.name)
        (self.home / "www").mkdir()
        (self.home / "www/file.txt").write_text("hello")

    def start(self, *arguments):
        return Upgradable(self.home, *(arguments or ("--root", str(self.home / "www"), "--workers", "2")))

    def get(self, client, path="/file.txt"):
        client.request("GET", path)
        answer = client.getresponse()
        return answer.status, answer.read()

    def connect(self, server):
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.addCleanup(client.close)
        return client

    @contextmanager
    def clients(self, port):
        """Some that ask one question a connection and some that keep theirs, and never connect again."""
        ended = threading.Event()
        wrong = []
        asked = [0]

        def ask(keeps):
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            client.connect()
            while not ended.is_set():
                try:
                    told = self.get(client)
                    if told != (200, b"hello"):
                        wrong.append(told)
                    if keeps and client.sock is None:
                        wrong.append("a kept connection was closed")
                        break
                    asked[0] += 1
                except (OSError, http.client.HTTPException) as error:
                    wrong.append(f"{'kept' if keeps else 'one-shot'}: {error!r}")
                    client.close()
                    if keeps:
                        break
                if not keeps:
                    client.close()
                time.sleep(0.005)  # So that a kept one is parked, too, and the server has time for its upgrades.
            client.close()

        threads = [threading.Thread(target=ask, args=(i % 2 == 0,)) for i in range(8)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        self.assertEqual(wrong, [])
        self.assertGreater(asked[0], 100)


class Successes(Upgrades):
    def test_under_load_no_request_fails_and_no_kept_connection_is_closed(self):
        with self.start() as server, self.clients(server.port):
            keepers = [server.pid]
            for _ in range(20 if LONG else 4):
                server.install(PROGRAM)
                keepers.append(server.upgrade())
            self.assertEqual(len(set(keepers)), len(keepers))
            wait_until(lambda: {pid for pid in server.left_behind() if "keeper" in title(pid)} == {keepers[-1]},
                       "the end of the old servers")

    def test_connections_that_wait_for_their_client_go_on_with_what_they_had(self):
        size = 24 << 20
        with open(self.home / "www/large", "wb") as large:
            large.truncate(size)
        with self.start("--root", str(self.home / "www"), "--workers", "2", "--header-timeout", "60") as server:
            kept, slow = self.connect(server), self.connect(server)
            self.assertEqual(self.get(kept), (200, b"hello"))
            half = socket.create_connection(("127.0.0.1", server.port), 60)
            self.addCleanup(half.close)
            half.sendall(b"GET /file.txt HTTP/1.1\r\nHo")
            slow.request("GET", "/large")
            answer = slow.getresponse()
            got = len(answer.read(1 << 20))
            wait_until(lambda: server.total("bullpen_connections_in_flight", where="parked") == 3, "the parked connections")
            for _ in range(2):
                server.upgrade()
                self.assertEqual(server.total("bullpen_connections_in_flight", where="parked"), 3)
                got += len(answer.read(1 << 20))
                wait_until(lambda: server.total("bullpen_connections_in_flight", where="parked") == 3, "the parked connections")
            half.sendall(b"st: x\r\nConnection: close\r\n\r\n")
            told = b""
            while piece := half.recv(65536):
                told += piece
            self.assertTrue(told.endswith(b"hello"), told)
            self.assertEqual(got + len(answer.read()), size)
            self.assertEqual(self.get(kept), (200, b"hello"))
            slow.close()
            kept.close()

    def test_what_has_begun_is_finished_by_the_old_server(self):
        with self.start("work", "--workers", "1") as server:
            slow = self.connect(server)
            slow.request("GET", "/sleep/15000")
            wait_until(lambda: server.total("bullpen_workers", state="busy") == 1, "the busy worker")
            old = server.keeper
            server.upgrade()
            other = self.connect(server)
            self.assertEqual(self.get(other, "/bytes/5")[0], 200)
            other.close()
            [master] = [pid for pid, _, parent, _, _ in processes() if parent == old and "bullpen: master" in title(pid)]
            before = cpu_seconds(master)
            self.assertEqual(select.select([slow.sock], [], [], 1.2)[0], [])
            self.assertLess(cpu_seconds(master) - before, 0.5)  # It has waited, too.
            self.assertEqual(slow.getresponse().status, 200)
            slow.close()
            wait_until(lambda: old not in server.left_behind(), "the end of the old server")

    def test_an_old_master_that_dies_leaves_one_that_makes_way_too(self):
        with self.start("work", "--workers", "2") as server:
            slow, kept = self.connect(server), self.connect(server)
            self.assertEqual(self.get(kept, "/bytes/5")[0], 200)
            slow.request("GET", "/sleep/15000")
            wait_until(lambda: server.total("bullpen_workers", state="busy") == 1, "the busy worker")
            old = server.keeper
            new = server.upgrade()
            killed = []
            for _ in range(2):
                [master] = wait_until(lambda: [pid for pid, _, parent, _, _ in processes() if parent == old and
                                               pid not in killed and "bullpen: master" in title(pid)], "the old master")
                os.kill(master, signal.SIGKILL)
                killed.append(master)
            self.assertEqual(slow.getresponse().status, 200)
            slow.close()
            self.assertEqual(self.get(kept, "/bytes/5")[0], 200)
            kept.close()
            wait_until(lambda: old not in server.left_behind(), "the end of the old server")
            self.assertEqual(server.keeper, new)
            self.assertIn("another one takes over", server.stderr)

    def test_every_model_can_be_upgraded_under_load(self):
        models = ("prefork", "prefork-event", "prefork-accept", "prefork-lock", "prefork-reuseport", "prethread",
                  "prethread-accept", "thread", "fork", "event", "iterative")
        for model in models:
            with self.subTest(model=model), self.start("echo", "--model", model) as server:
                ended, wrong = threading.Event(), []

                def ask():
                    while not ended.is_set():
                        try:
                            if echo(("127.0.0.1", server.port)) != b"hello":
                                wrong.append("another answer")
                        except OSError as error:
                            wrong.append(repr(error))
                        time.sleep(0.002)

                threads = [threading.Thread(target=ask) for _ in range(2)]
                for thread in threads:
                    thread.start()
                try:
                    for _ in range(2):
                        server.upgrade()
                        time.sleep(0.1)
                finally:
                    ended.set()
                    for thread in threads:
                        thread.join()
                self.assertEqual(wrong, [])

    def test_sockets_files_stay_and_go_with_the_last_server(self):
        path = self.home / "socket"
        with self.start("echo", "--workers", "1", "--listen", f"unix:{path}", "--listen", "127.0.0.1:0",
                        "--metrics", "127.0.0.1:0") as server:
            for _ in range(3):
                server.upgrade()
                self.assertEqual(echo(str(path)), b"hello")
                self.assertEqual(os.listdir(server.control), ["default.sock"])
            fewest = len(fewest_descriptors(server.keeper))
            server.upgrade()
            wait_until(lambda: sum("keeper" in title(pid) for pid in server.left_behind()) == 1, "one keeper")
            self.assertEqual(len(fewest_descriptors(server.keeper)), fewest)
        self.assertFalse(path.exists())

    def test_the_new_program_reads_the_file_and_gets_the_arguments_directory_umask_and_environment(self):
        config = self.home / "c.toml"
        write = lambda workers: config.write_text(f'[pool.web]\nlisten = "127.0.0.1:0"\nservice = "echo"\n'
                                                  f'workers = {workers}\n')
        write(1)
        with self.start("--config", str(config)) as server:
            before = [Path(f"/proc/{server.keeper}/{name}") for name in ("cwd", "environ")]
            directory, environment = os.readlink(before[0]), before[1].read_bytes()
            write(3)
            keeper = server.upgrade()
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 3, "three workers")
            self.assertEqual(os.readlink(f"/proc/{keeper}/cwd"), directory)
            now = set(Path(f"/proc/{keeper}/environ").read_bytes().split(b"\0"))
            self.assertEqual({one for one in now if not one.startswith(b"BULLPEN_UPGRADE=")},
                             set(environment.split(b"\0")))
            worker = next(pid for pid in server.left_behind() if "worker" in title(pid))
            self.assertNotIn("upgrade", " ".join(descriptors(worker).values()))

    def test_a_new_server_can_be_reloaded_and_its_master_be_killed(self):
        config = self.home / "c.toml"

        def write(pools):
            config.write_text("\n".join(f'[pool.p{i}]\nlisten = "unix:{self.home}/s{i}"\nservice = "echo"\nworkers = 1\n'
                                        for i in range(pools)))

        write(1)
        with self.start("--config", str(config)) as server:
            server.upgrade()
            wait_until(lambda: sum("keeper" in title(pid) for pid in server.left_behind()) == 1, "the old one's end")
            for pools in (3, 2, 4, 1, 3):
                write(pools)
                self.assertEqual(server.ctl("reload"), (0, "the new configuration is in effect\n", ""))
                keeper = server.keeper
                master = wait_until(lambda: next((pid for pid, state, parent, _, _ in processes() if parent == keeper and
                                                  state != "Z" and "bullpen: master" in title(pid)), None), "a master")
                os.kill(master, signal.SIGKILL)
                for i in range(pools):
                    self.assertEqual(echo(f"{self.home}/s{i}"), b"hello")
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)

    def test_the_pid_file_has_the_main_pid_from_ready_to_the_end(self):
        path = self.home / "pid"
        with self.start("echo", "--workers", "1", "--pid-file", str(path)) as server:
            self.assertEqual(int(path.read_text()), server.keeper)
            for _ in range(2):
                keeper = server.upgrade()
                wait_until(lambda: int(path.read_text()) == keeper, "the new keeper's pid")
            wait_until(lambda: sum("keeper" in title(pid) for pid in server.left_behind()) == 1, "the old one's end")
            self.assertEqual(int(path.read_text()), keeper)
        self.assertEqual([one.name for one in self.home.iterdir() if one.name.startswith("pid")], [])

    def test_a_signal_gives_the_order_too(self):
        with self.start("echo", "--workers", "1") as server:
            old = server.keeper
            os.kill(old, signal.SIGUSR2)
            wait_until(lambda: server.ctl("status")[0] == 0 and server.keeper != old, "the new server")
            self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")

    def test_a_master_that_is_killed_right_after_an_upgrade_loses_nobody(self):
        with self.start() as server, self.clients(server.port):
            for number in range(10 if LONG else 3):
                old = server.keeper
                server.upgrade()
                for pid, state, parent, _, _ in processes():
                    if parent in (old, server.keeper) and "bullpen: master" in title(pid) and number % 2 == 0:
                        os.kill(pid, signal.SIGKILL)
                wait_until(lambda: server.ctl("status")[0] == 0, "the server")

    def test_a_process_whose_end_would_be_the_services_stays_and_passes_signals_on(self):
        control = self.home / "control"
        control.mkdir(0o700)
        serve = [PROGRAM, "serve", "echo", "--listen", f"unix:{self.home}/socket", "--metrics", "off", "--control",
                 str(control)]
        ctl = lambda *words: subprocess.run([PROGRAM, "ctl", "--control", str(control), *words], text=True,
                                            capture_output=True, timeout=60, check=False)

        def upgrade():
            done = ctl("upgrade")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(echo(f"{self.home}/socket"), b"hello")

        for name, command in (("of a container", ["unshare", "--pid", "--fork", "--kill-child=KILL", *serve]),
                              ("of a unit", ["sh", "-c", 'SYSTEMD_EXEC_PID=$$ exec "$@"', "sh", *serve])):
            with self.subTest(name), subprocess.Popen(command, stdout=subprocess.PIPE,
                                                      preexec_fn=end_with(os.getpid())) as process:
                try:
                    wait_until(lambda: ctl("status").returncode == 0, "the server")
                    with closing(socket.socket(socket.AF_UNIX)) as begun:  # The first server has it until its end.
                        begun.settimeout(60)
                        begun.connect(f"{self.home}/socket")
                        begun.sendall(b"x")
                        self.assertEqual(begun.recv(1), b"x")
                        for _ in range(3):
                            upgrade()
                        begun.sendall(b"y")
                        self.assertEqual(begun.recv(1), b"y")
                    upgrade()
                    first = next((pid for pid, _, parent, _, _ in processes()
                                  if parent == process.pid and name == "of a container"), process.pid)
                    self.assertIsNone(process.poll())
                    os.kill(first, signal.SIGTERM)
                    self.assertEqual(process.wait(60), 0)
                    self.assertFalse((self.home / "socket").exists())
                finally:
                    process.kill()


class Failures(Upgrades):
    def check(self, server, expected, status=1):
        """The old server serves as if nothing had been."""
        before, children = server.keeper, sorted(server.workers())
        got, out, err = server.ctl("upgrade")
        self.assertEqual((got, out), (status, ""), err)
        self.assertRegex(err, r"\Abullpen: upgrade: [^\n]+\n\Z")
        self.assertIn(expected, err)
        self.assertEqual(server.keeper, before)
        self.assertEqual(sorted(server.workers()), children)
        client = self.connect(server)
        self.assertEqual(self.get(client), (200, b"hello"))
        client.close()
        wait_until(lambda: all("bullpen" in title(pid) for pid in server.left_behind()), "the new program's end")

    def script(self, server, text):
        new = server.program.with_suffix(".script")
        new.write_text(f"#!/bin/sh\n{text}\n")
        new.chmod(0o755)
        new.rename(server.program)

    def test_a_new_program_that_is_no_good_leaves_the_old_server_as_it_was(self):
        config = self.home / "c.toml"
        good = f'[master]\nupgrade_timeout = 5\n[pool.web]\nlisten = "127.0.0.1:0"\nroot = "{self.home}/www"\nworkers = 2\n'
        config.write_text(good)
        with self.start("--config", str(config)) as server, self.clients(server.port):
            fewest = len(descriptors(server.pid))
            for _ in range(20 if LONG else 1):
                server.program.unlink()
                self.check(server, "cannot be started: No such file")
                self.script(server, "exit 0")
                server.program.chmod(0o644)
                self.check(server, "cannot be started: Permission denied")
                server.program.write_bytes(b"\x7fELF, but no more")
                server.program.chmod(0o755)
                self.check(server, "cannot be started: Exec format error")
                self.script(server, "exit 3")
                self.check(server, "has ended before it was ready")
                self.script(server, "kill -SEGV $$")
                self.check(server, "has ended before it was ready")
                self.script(server, "exec sleep 1000")
                self.check(server, "isn't ready in time")
                self.script(server, f'exec {sys.executable} -c "import os, socket; socket.socket(fileno=int('
                                    'os.environ[\'BULLPEN_UPGRADE\'])).send(bytes([99, 0, 0, 0] + [0] * 2000))"')
                self.check(server, "speaks another version")
                server.install(PROGRAM)
                config.write_text(good + "wrokers = 3\n")
                self.check(server, "wrokers")
                config.write_text(good.replace("/www", "/no/such"))
                self.check(server, "no/such")
                config.write_text(good.replace("127.0.0.1:0", "192.0.2.1:80"))
                self.check(server, "192.0.2.1:80")
                config.write_text(good)
            wait_until(lambda: len(descriptors(server.pid)) <= fewest + 8, "no descriptor left of the new programs")
            server.upgrade()

    def test_an_upgrade_during_an_upgrade_is_refused_and_a_stop_gives_it_up(self):
        with self.start() as server:
            self.script(server, "exec sleep 1000")
            asking = subprocess.Popen([PROGRAM, "ctl", "--control", str(server.control), "upgrade"], text=True,
                                      stderr=subprocess.PIPE)
            wait_until(lambda: "upgrading" in server.ctl("status")[1], "the upgrade")
            self.assertEqual(server.ctl("upgrade"), (2, "", "bullpen: upgrade: an upgrade is under way already\n"))
            client = self.connect(server)
            self.assertEqual(self.get(client), (200, b"hello"))
            client.close()
            stopping = server.ctl("stop")
            self.assertEqual(stopping[0], 0)
            self.assertIn("because the server stops", asking.communicate(timeout=60)[1])
            self.assertEqual(asking.returncode, 1)
            server.exit_status = server._process.wait(60)
            self.assertEqual(server.exit_status, 0)
            Bullpen._check_orderly_end(server)
            server._check_orderly_end = lambda: None


if __name__ == "__main__":
    unittest.main()
