"""How every command starts and ends where descriptors are closed or full, limits are small, or something waits."""

import contextlib
import fcntl
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from faults import OPTIMISED, PROGRAM, Hostile
from harness import TOP, Bullpen, echo, end_with, processes, title, wait_until

sys.path.insert(0, str(TOP / "tests/servers"))
import synthetic_result

ROOT = os.geteuid() == 0
KINDS = ("file", "closed", "gone", "full", "stuck")  # Of descriptor 1 or 2.
LOST = ("closed", "gone", "full")  # What is written there never arrives.
PATIENCE = 60


def is_listened_on(path):
    """The file is there from bind(2) on, which is a moment too early."""
    with open("/proc/net/unix", encoding="utf-8") as sockets:
        accepting = "00010000"  # The flag __SO_ACCEPTCON, see proc(5).
        return any(line.split()[3] == accepting and line.endswith(f" {path}\n") for line in sockets)


class Outputs:
    """Descriptors 0, 1 and 2 of a kind each."""

    def __init__(self, stdin="open", stdout="file", stderr="file"):
        self.kinds = {0: stdin, 1: stdout, 2: stderr}
        self.held = []
        self.files = {}
        for number in (1, 2):
            self.files[number] = self._open(self.kinds[number], number)

    def _open(self, kind, number):
        if kind == "full":
            return os.open("/dev/full", os.O_WRONLY)
        if kind in ("gone", "stuck"):
            reading, writing = os.pipe()
            if kind == "gone":
                os.close(reading)
            else:
                self.held.append(reading)
                os.set_blocking(writing, False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        os.write(writing, b"x" * 4096)
                os.set_blocking(writing, True)
            return writing
        file = tempfile.TemporaryFile()
        self.held.append(file)
        return os.dup(file.fileno())

    def start(self, *command, **more):
        parent = os.getpid()

        def set_up():
            end_with(parent)()
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            for number, kind in self.kinds.items():
                if kind == "closed":
                    os.close(number)

        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.files[1], stderr=self.files[2],
                                start_new_session=True, preexec_fn=set_up, **more)

    def text(self, number):
        return os.pread(self.files[number], 1 << 20, 0).decode()

    def close(self):
        for file in self.files.values():
            os.close(file)
        for held in self.held:
            held.close() if hasattr(held, "close") else os.close(held)


def standard_files(pid):
    return [os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)]


def is_listened_at(path):
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            return True
    except OSError:
        return False


class Descriptors(unittest.TestCase):
    def test_a_server_serves_whatever_its_standard_descriptors_are(self):
        with tempfile.TemporaryDirectory() as home:
            running = []
            for number, kinds in enumerate(itertools.product(("open", "closed"), KINDS, KINDS)):
                path = f"{home}/{number}"
                outputs = Outputs(*kinds)
                process = outputs.start(OPTIMISED, "serve", "echo", "--workers", "1", "--metrics", "off", "--control", "off",
                                        "--listen", f"unix:{path}")
                running.append((kinds, path, outputs, process))
                if len(running) == 10:
                    self.check(running)
                    running = []
            self.check(running)
            self.assertEqual(os.listdir(home), [])

    def check(self, running):
        for kinds, path, outputs, process in running:
            with self.subTest(kinds=kinds):
                wait_until(lambda: process.poll() is not None or is_listened_on(path), "the socket")
                self.assertEqual(echo(path), b"hello")
                for pid, _, parent, group, _ in list(processes()):
                    if group == process.pid:
                        self.assertNotIn("socket", " ".join(standard_files(pid)), title(pid))
        for kinds, path, outputs, process in running:
            process.terminate()
        for kinds, path, outputs, process in running:
            with self.subTest(kinds=kinds):
                self.assertEqual(process.wait(PATIENCE), 0)
                outputs.close()

    def test_a_library_program_serves_whatever_its_standard_descriptors_are(self):
        with tempfile.TemporaryDirectory() as home:
            for closed in itertools.product(("open", "closed"), ("file", "closed"), ("file", "closed")):
                with self.subTest(closed=closed):
                    outputs = Outputs(*closed)
                    path = f"{home}/socket"
                    hostile = str(Path(PROGRAM).with_name("hostile"))
                    process = outputs.start(hostile, "echo", "metrics=off", f"listen=unix:{path}", "workers=1")
                    wait_until(lambda: process.poll() is not None or is_listened_at(path), "the socket")
                    self.assertEqual(echo(path), b"hello")
                    self.assertNotIn("socket", " ".join(standard_files(process.pid)))
                    process.terminate()
                    self.assertEqual(process.wait(PATIENCE), 0)
                    outputs.close()

    def test_a_handler_that_closes_descriptor_2_sends_no_log_line_to_its_next_client(self):
        for word in (b"x", b"a"):
            with self.subTest(word=word), Hostile("closes_stderr", "workers=1") as server:
                host, port = server.addresses[0].split(":")
                for _ in range(3):
                    self.assertEqual(echo((host, int(port)), word), b"here\n")
                if word == b"x":
                    wait_until(lambda: server.stderr.count("a line for the log") == 2, "the lines")


class Output(unittest.TestCase):
    """Every command that answers on stdout."""

    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.home.cleanup)
        config = Path(cls.home.name, "bullpen.toml")
        config.write_text("[pool.web]\nlisten = '127.0.0.1:0'\n")
        cls.server = Bullpen("echo", "--workers", "1")
        cls.enterClassContext(cls.server) if hasattr(cls, "enterClassContext") else cls._enter()
        load = ["load", f"tcp://127.0.0.1:{cls.server.port}", "--requests", "3"]
        cls.commands = [["--help"], ["--version"], ["models"], ["check-config", "--sample"],
                        ["check-config", str(config)], load, [*load, "--json", "-"],
                        *([command, "--help"] for command in ("serve", "ctl", "compare", "load", "check-config", "handle"))]

    @classmethod
    def _enter(cls):
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__, None, None, None)

    def run_with(self, command, *kinds):
        outputs = Outputs("open", *kinds)
        process = outputs.start(OPTIMISED, *command)
        status = process.wait(PATIENCE)
        texts = [outputs.text(number) if outputs.kinds[number] == "file" else "" for number in (1, 2)]
        outputs.close()
        return status, *texts

    def test_output_that_is_lost_is_a_sentence_and_status_1(self):
        for command in self.commands:
            for kind, why in zip(LOST, ("Bad file descriptor", "Broken pipe", "No space left on device")):
                with self.subTest(command=command, stdout=kind):
                    status, _, err = self.run_with(command, kind, "file")
                    self.assertEqual((status, err.splitlines()[-1]),
                                     (1, f"bullpen: cannot write to standard output: {why}"))

    def test_without_a_stderr_the_status_tells_it(self):
        for command in self.commands:
            for kind in LOST:
                with self.subTest(command=command, both=kind):
                    self.assertEqual(self.run_with(command, kind, kind)[0], 1)

    def test_output_that_arrives_is_status_0_whatever_stderr_is(self):
        for command in self.commands:
            for kind in KINDS[:-1]:
                lost = kind != "file" and "-" in command  # The report is on stderr then.
                with self.subTest(command=command, stderr=kind):
                    self.assertEqual(self.run_with(command, "file", kind)[0], 1 if lost else 0)

    def test_a_wrong_flag_is_status_2_whatever_the_descriptors_are(self):
        for kind in KINDS:
            with self.subTest(kind=kind):
                self.assertEqual(self.run_with(["serve", "--wrokers", "3"], kind, kind)[0], 2)

    def test_a_comparison_that_cannot_be_shown_is_status_1(self):
        source = Path(self.home.name, "result.json")
        source.write_text(json.dumps(synthetic_result.comparison()))
        for kind in LOST:
            with self.subTest(stdout=kind):
                self.assertEqual(self.run_with(["compare", "--from", str(source)], kind, "file")[0], 1)


class Numbers(unittest.TestCase):
    """Each number of the command line is read by one parser: no sign, blank, hex or octal."""

    def complaint(self, *command):
        done = subprocess.run([OPTIMISED, *command], capture_output=True, text=True, timeout=PATIENCE,
                              stdin=subprocess.DEVNULL, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertRegex(done.stderr, r"\Abullpen: [^\n]+\n\Z")
        return done.stderr

    def test_no_number_has_a_sign_a_blank_or_another_base(self):
        for text in ("+5", " 5", "5 ", "0x10", "1e400", "99999999999999999999", "", "5x", "5\n"):
            for command, flag in ((["serve"], "--workers"), (["serve"], "--drain-timeout"),
                                  (["load", "tcp://127.0.0.1:1"], "--concurrency"),
                                  (["load", "tcp://127.0.0.1:1"], "--rate"),
                                  (["load", "tcp://127.0.0.1:1"], "--slow-send"),
                                  (["compare"], "--repeat"), (["compare"], "--duration"),
                                  (["handle", "echo"], "--file-cache")):
                with self.subTest(flag=flag, text=text):
                    self.assertIn(flag, self.complaint(*command, flag, text))

    def test_no_port_has_a_sign_a_blank_or_more_than_16_bits(self):
        for port in ("+70000", "+80", " 80", "80 ", "65536", "-1"):
            for command in (["serve", "--listen", f"127.0.0.1:{port}"],
                            ["serve", "--listen", "127.0.0.1:0", "--metrics", f"127.0.0.1:{port}"],
                            ["load", f"tcp://127.0.0.1:{port}"], ["load", f"http://127.0.0.1:{port}/"]):
                with self.subTest(command=command):
                    self.assertRegex(self.complaint(*command), "is not an address|is no HOST or HOST:PORT")

    def test_a_name_that_is_no_label_is_refused(self):
        for name in (b"\xff", b"a\nb"):
            self.assertIn("--name: expected UTF-8", self.complaint("serve", "--name", os.fsdecode(name)))

    def test_a_listener_whose_path_is_not_utf8_leaves_the_scrape_readable(self):
        with tempfile.TemporaryDirectory() as home, \
                Bullpen("echo", "--listen", "127.0.0.1:0", "--listen", f"unix:{home}/" + os.fsdecode(b"\xff")) as server:
            self.assertTrue(any(value.endswith("/\ufffd") for _, labels in server.metrics() for _, value in labels))


def silent_name_server(*command):
    """Runs a command in a network of its own whose only name server never answers."""
    inside = ("import os, socket, subprocess, sys, time\n"
              "subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)\n"
              "subprocess.run(['mount', '--bind', sys.argv[1], '/etc/resolv.conf'], check=True)\n"
              "server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
              "server.bind(('127.0.0.1', 53))\n"
              "us = os.getpid()\n"
              "if os.fork() == 0:\n"
              "    while os.getppid() == us:\n"
              "        time.sleep(0.1)\n"
              "    os._exit(0)\n"
              "os.execv(sys.argv[2], ['bullpen', *sys.argv[3:]])\n")
    return ["unshare", "--mount", "--net", sys.executable, "-c", inside, *command]


class Waits(unittest.TestCase):
    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        self.home = home.name
        self.outputs = Outputs()
        self.addCleanup(self.outputs.close)

    def start(self, *command):
        process = self.outputs.start(*command)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
            process.wait()

    def children_of(self, pid):
        return [child for child, state, parent, _, _ in processes() if parent == pid and state != "Z"]

    @unittest.skipUnless(ROOT, "needs root to be somebody else")
    def test_another_users_lock_on_the_directory_keeps_nobody_waiting(self):
        os.chmod(self.home, 0o1777)
        holder = subprocess.Popen(["flock", self.home, "sh", "-c", "echo; cat"], user=65534, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        holder.stdout.readline()
        with Bullpen("echo", "--listen", f"unix:{self.home}/socket"):
            self.assertEqual(echo(f"{self.home}/socket"), b"hello")
        self.assertEqual(os.listdir(self.home), [])
        holder.communicate()

    def test_a_server_that_waits_for_another_of_its_user_stops_at_once_or_gives_up(self):
        with open(f"{self.home}/socket.lock", "w") as lock:
            os.chmod(lock.name, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            command = [OPTIMISED, "serve", "echo", "--metrics", "off", "--listen", f"unix:{self.home}/socket"]
            waiting = self.start(*command)
            wait_until(lambda: "anon_inode:[signalfd]" in self.files_of(waiting.pid), "the wait")
            waiting.terminate()
            self.assertEqual(waiting.wait(PATIENCE), 0)
            self.assertIn("told to stop before it was ready", self.outputs.text(2))
            self.assertEqual(self.start(*command).wait(PATIENCE), 1)
            self.assertIn("socket.lock, which another process of this user holds", self.outputs.text(2))

    @staticmethod
    def files_of(pid):
        with contextlib.suppress(OSError):
            return [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        return []

    @unittest.skipUnless(ROOT and shutil.which("unshare") and shutil.which("ip"), "needs root, unshare and ip")
    def test_a_slow_name_service_is_given_up_and_a_stop_does_not_wait_for_it(self):
        resolver = Path(self.home, "resolv.conf")
        resolver.write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:5\n")
        program = shutil.copy(OPTIMISED, self.home)
        commands = [("serve", "echo", "--listen", "slow.example:0", "--metrics", "off"),
                    ("serve", "echo", "--listen", "127.0.0.1:0", "--metrics", "slow.example:0"),
                    ("load", "http://slow.example/")]
        waiting = [self.start(*silent_name_server(str(resolver), program, *command)) for command in commands]
        for command, process in zip(commands, waiting):
            with self.subTest(command=command):
                wait_until(lambda: any("name lookup" in title(child) for child in self.children_of(process.pid)), "the look-up")
                process.terminate()
                self.assertEqual(process.wait(PATIENCE), 0 if command[0] == "serve" else -signal.SIGTERM)
        late = [self.start(*silent_name_server(str(resolver), program, *command)) for command in commands]
        for process in late:
            self.assertEqual(process.wait(PATIENCE), 1)
        self.assertEqual(self.outputs.text(2).count("the name service hasn't answered within 10 s"), 3)

    def test_a_fifo_that_nobody_writes_to_is_given_up_and_a_stop_does_not_wait_for_it(self):
        fifo = f"{self.home}/fifo"
        os.mkfifo(fifo)
        commands = [("serve", "--config", fifo), ("check-config", fifo), ("compare", "--from", fifo),
                    ("load", "http://127.0.0.1:1/", "--request-file", fifo)]
        stopped = [self.start(OPTIMISED, *command) for command in commands]
        late = [self.start(OPTIMISED, *command) for command in commands]
        for command, process in zip(commands, stopped):
            with self.subTest(command=command):
                wait_until(lambda: fifo in self.files_of(process.pid), "the wait")
                process.terminate()
                self.assertEqual(process.wait(PATIENCE), -signal.SIGTERM)
        for command, process in zip(commands, late):
            with self.subTest(command=command):
                self.assertIn(process.wait(PATIENCE), (1, 2))
        self.assertEqual(self.outputs.text(2).count("nobody wrote its end in time"), len(commands))

    def test_a_fifo_with_a_writer_is_a_configuration_as_any_other(self):
        fifo = f"{self.home}/fifo"
        os.mkfifo(fifo)
        checker = self.start(OPTIMISED, "check-config", fifo)
        Path(fifo).write_text("[pool.web]\nlisten = '127.0.0.1:0'\n")
        self.assertEqual(checker.wait(PATIENCE), 0)


@unittest.skipUnless(shutil.which("prlimit"), "needs prlimit")
class Limits(unittest.TestCase):
    """Small limits: the server serves, or ends in one sentence about the limit."""

    def started(self, *limit, flags=()):
        """(exit status, stderr) of a start under that limit; the status is None if it serves."""
        with tempfile.TemporaryDirectory() as home:
            outputs = Outputs()
            path = f"{home}/socket"
            process = outputs.start("prlimit", *limit, OPTIMISED, "serve", "echo", "--metrics", "off", "--control", "off",
                                    "--listen", f"unix:{path}", *flags, env={"PATH": os.environ["PATH"]})
            wait_until(lambda: process.poll() is not None or "ready" in outputs.text(1), "the end of the start")
            status = process.poll()
            if status is None:
                self.assertEqual(echo(path), b"hello")
                process.terminate()
                self.assertEqual(process.wait(PATIENCE), 0)
            else:
                process.wait()
            text = outputs.text(2)
            outputs.close()
            return status, text

    def test_too_few_descriptors_are_named_as_such(self):
        for value in (4, 6, 8, 10, 20, 40, 50):
            with self.subTest(descriptors=value):
                status, text = self.started(f"--nofile={value}:{value}")
                self.assertEqual(status, 1)
                self.assertRegex(text, r"\Abullpen: [^\n]*([Dd]escriptors|Too many open files)[^\n]*\n\Z")
                self.assertNotIn("capacity", text)

    def test_a_limit_of_a_files_size_is_named_or_does_no_harm(self):
        status, text = self.started("--fsize=0:0")
        self.assertEqual(status, 1)
        self.assertRegex(text, r"\A(bullpen: [^\n]*ulimit -f[^\n]*\n)?\Z")

    def test_a_small_stack_is_raised_or_refused_and_no_process_crashes(self):
        for kib in (64, 128, 256, 512):
            for hard, model in itertools.product((kib * 1024, ""), ("prefork", "prefork-event", "prethread", "fork")):
                with self.subTest(kib=kib, hard=hard, model=model):
                    status, text = self.started(f"--stack={kib * 1024}:{hard}", flags=("--model", model))
                    self.assertEqual(status, 1 if hard and kib < 256 else None, text)
                    if status == 1:
                        self.assertIn("the limit of the stack (ulimit -Hs)", text)

    @unittest.skipUnless(ROOT and shutil.which("unshare"), "needs root and unshare")
    def test_without_proc_every_model_serves(self):
        with tempfile.TemporaryDirectory() as home:
            outputs = Outputs()
            script = f'mount -t tmpfs none /proc && exec "$0" "$@"'
            for model in ("prefork", "prefork-accept", "inetd"):
                with self.subTest(model=model):
                    service = ["exec", "--", "/bin/cat"] if model == "inetd" else ["echo"]
                    path = f"{home}/{model}"
                    process = outputs.start("unshare", "--mount", "sh", "-c", script, OPTIMISED, "serve", "--model", model,
                                            "--metrics", "off", "--control", "off", "--listen", f"unix:{path}",
                                            *service)
                    wait_until(lambda: process.poll() is not None or is_listened_on(path), "the socket")
                    self.assertEqual(echo(path), b"hello")
                    process.terminate()
                    self.assertEqual(process.wait(PATIENCE), 0)
            outputs.close()


class Stops(unittest.TestCase):
    def test_a_stop_that_loses_a_connection_is_status_3_and_says_whose(self):
        for model, names_client in (("prefork", True), ("fork", True), ("prefork-event", True), ("prefork-accept", False)):
            with self.subTest(model=model), \
                    Bullpen("echo", "--model", model, "--drain-timeout", "1", "--workers", "1") as server, \
                    socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as client:
                client.sendall(b"x")
                self.assertEqual(client.recv(1), b"x")
                self.assertEqual(server.stop(), 3)
                line = re.search(r".* was killed by signal 9 .*", server.stderr)[0]
                self.assertIn("by the master, because it was still busy at the end of the stop", line)
                self.assertIn("connections lost: 1", line)
                if names_client:
                    self.assertIn("it had client 127.0.0.1:%d, " % client.getsockname()[1], line)
                self.assertIn("connections lost in the stop: 1 (exit status 3)", server.stderr)

    def test_a_second_ctrl_c_that_loses_a_connection_is_status_3(self):
        with Bullpen("work", "--workers", "1") as server, \
                socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as client:
            client.sendall(b"GET /sleep/60000 HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_until(lambda: server.total("bullpen_workers", state="busy") == 1, "a busy worker")
            server.terminate(signal.SIGINT)
            wait_until(lambda: "master: stopping" in server.stderr, "the stop")
            self.assertEqual(server.stop(signal.SIGINT), 3)
            self.assertRegex(server.stderr, r'it had the request "GET /sleep/60000 HTTP/1.1" of client 127.0.0.1:\d+, \d+\.\d s old')

    def test_what_somebody_else_kills_in_a_stop_is_told_apart(self):
        with Bullpen("echo", "--workers", "1") as server, \
                socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as client:
            client.sendall(b"x")
            self.assertEqual(client.recv(1), b"x")
            [worker] = server.workers()
            server.terminate()
            wait_until(lambda: "master: stopping" in server.stderr, "the stop")
            os.kill(worker, signal.SIGKILL)
            self.assertEqual(server.wait(), 3)
            self.assertIn("was killed by signal 9 (Killed), which the master didn't send; it had client", server.stderr)

    def test_losses_before_the_stop_do_not_change_its_status(self):
        with Bullpen("echo", "--workers", "1") as server:
            with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as client:
                client.sendall(b"x")
                self.assertEqual(client.recv(1), b"x")
                [worker] = server.workers()
                os.kill(worker, signal.SIGKILL)
                self.assertEqual(client.recv(1), b"")
            wait_until(lambda: server.total("bullpen_connections_lost_total") == 1, "the loss")
            self.assertEqual(server.stop(), 0)

    def test_the_statuses_are_documented(self):
        text = subprocess.run([OPTIMISED, "serve", "--help"], capture_output=True, text=True, check=True).stdout
        self.assertIn("3 if the stop lost connections", text)
        self.assertIn("| 3 | a stop that lost connections", (TOP / "servers/README.md").read_text())


if __name__ == "__main__":
    unittest.main()
