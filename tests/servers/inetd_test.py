#!/usr/bin/env python3
"""bullpen inetd: programs, internal services and reloads, in a network namespace of the test's own."""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from harness import Bullpen, processes, title, wait_until
from upgradable import Upgradable

PYTHON = "/usr/bin/python3"  # One that any user may run.
PROGRAM = os.environ.get("BULLPEN", "build/bullpen")
ROOT = os.geteuid() == 0
CLONE_NEWNET = 0x40000000


def setUpModule():
    """Ports below 1024, and none of the machine's."""
    if not ROOT:
        raise unittest.SkipTest("needs root, for a network namespace")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise unittest.SkipTest("no network namespace can be made")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def ask(port, text=b"", host="127.0.0.1", patience=30):
    """Sends a text and our end, and returns what comes until the server's."""
    with socket.create_connection((host, port), timeout=patience) as client:
        client.sendall(text)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def ask_datagram(port, question, host="127.0.0.1", patience=30, bind=None):
    """What comes back for a datagram; nothing if nothing does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(patience)
        if bind:
            client.bind(bind)
        client.sendto(question, (host, port))
        try:
            return client.recvfrom(65536)[0]
        except TimeoutError:
            return None


class Inetd(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)
        self.home.chmod(0o755)
        self.file = self.home / "inetd.conf"

    def script(self, name, text, interpreter="/bin/sh"):
        path = self.home / name
        path.write_text(f"#!{interpreter}\n{text}")
        path.chmod(0o755)
        return path

    @contextlib.contextmanager
    def serving(self, text, *flags, **options):
        self.file.write_text(text)
        with Bullpen(str(self.file), *flags, verb="inetd", **options) as server:
            yield server

    def check(self, text, *flags):
        self.file.write_text(text)
        done = subprocess.run([PROGRAM, "inetd", "--check", *flags, str(self.file)], capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL, check=False)
        return done.returncode, done.stdout, done.stderr


class Programs(Inetd):
    def test_a_program_has_its_client_as_standard_input_and_output(self):
        with self.serving("8001 stream tcp nowait root /bin/cat cat -u\n"):
            self.assertEqual(ask(8001, b"hello"), b"hello")
            self.assertEqual(ask(8001, b"six", "::1"), b"six")

    def test_arguments_may_be_quoted_and_no_shell_is_between(self):
        with self.serving("8001 stream tcp nowait root /usr/bin/printf printf '<%s>' \"two words\" $HOME *\n"):
            self.assertEqual(ask(8001), b"<two words><$HOME><*>")

    def test_it_runs_as_the_lines_user_and_group(self):
        with self.serving("8001 stream tcp nowait nobody /usr/bin/id id\n"
                          "8002 stream tcp nowait nobody:daemon /usr/bin/id id\n"):
            self.assertRegex(ask(8001), rb"^uid=\d+\(nobody\) gid=\d+\(nogroup\) groups=\d+\(nogroup\)\n$")
            self.assertRegex(ask(8002), rb"^uid=\d+\(nobody\) gid=\d+\(daemon\) ")

    def test_it_can_not_become_root_again(self):
        script = self.script("become", "import os\ntry:\n    os.setuid(0)\n    print('root')\n"
                             "except PermissionError:\n    print(*os.getresuid())\n", PYTHON)
        with self.serving(f"8001 stream tcp nowait nobody {script} become\n"):
            nobody = int(subprocess.run(["id", "-u", "nobody"], capture_output=True, check=True).stdout)
            self.assertEqual(ask(8001).split(), [str(nobody).encode()] * 3)

    def test_its_environment_says_who_its_client_is_and_nothing_of_the_servers(self):
        with self.serving("8001 stream tcp nowait nobody /usr/bin/env env\n", env={"SECRET": "x"}), \
                socket.create_connection(("127.0.0.1", 8001), timeout=30) as client:
            said = dict(line.split("=", 1) for line in client.makefile().read().splitlines())
            port = str(client.getsockname()[1])
        self.assertEqual(set(said), {"PATH", "PROTO", "REMOTE_HOST", "REMOTE_ADDR", "REMOTE_PORT", "TCPREMOTEIP",
                                     "TCPREMOTEPORT", "TCPLOCALIP", "TCPLOCALPORT"})
        self.assertEqual((said["PROTO"], said["REMOTE_HOST"], said["REMOTE_PORT"], said["TCPLOCALPORT"]),
                         ("TCP", "127.0.0.1", port, "8001"))

    def test_home_is_given_on_request(self):
        with self.serving("8001 stream tcp nowait daemon /usr/bin/env env\n", "--home"):
            self.assertIn(b"HOME=/usr/sbin\n", ask(8001))

    def test_no_other_descriptor_is_open_and_no_signal_is_blocked_or_ignored(self):
        script = self.script("look", "ls /proc/$$/fd\ngrep -E 'Sig(Blk|Ign)' /proc/$$/status\n")
        with self.serving(f"8001 stream tcp nowait root {script} look\n"):
            self.assertEqual(re.sub(rb"\s+", b" ", ask(8001)),
                             b"0 1 10 2 SigBlk: 0000000000000000 SigIgn: 0000000000000000 ")  # 10: the script.

    def test_its_end_is_the_clients_end_though_the_program_goes_on(self):
        script = self.script("closes", "echo done\nexec 0<&- 1>&- 2>&-\nsleep 30\n")
        with self.serving(f"8001 stream tcp nowait root {script} closes\n", "--drain-timeout", "1") as server:
            server.may_lose = True
            self.assertEqual(ask(8001, patience=10), b"done\n")
            server.stop()

    def test_a_program_is_ended_with_its_worker_and_its_client_is_lost(self):
        with self.serving("8001 stream tcp nowait root /bin/cat cat\n") as server, \
                socket.create_connection(("127.0.0.1", 8001), timeout=30) as client:
            client.sendall(b"here")
            self.assertEqual(client.recv(10), b"here")
            [cat] = [pid for pid, _, parent, _, _ in processes() if title(pid) == "cat" and parent in server.workers()]
            [worker] = [parent for pid, _, parent, _, _ in processes() if pid == cat]
            os.kill(worker, signal.SIGKILL)
            self.assertEqual(client.recv(10), b"")
            wait_until(lambda: title(cat) == "", "the program's end")
            wait_until(lambda: server.total("bullpen_connections_lost_total") == 1, "the loss")

    def test_a_program_that_takes_too_long_is_ended_with_its_worker(self):
        with self.serving("8001 stream tcp nowait root /bin/sleep sleep 60\n", "--request-timeout", "1", "--request-grace",
                          "1") as server:
            self.assertEqual(ask(8001), b"")
            wait_until(lambda: server.total("bullpen_worker_exits_total", reason="request_timeout") == 1, "its end")
            wait_until(lambda: not any(title(pid) == "sleep 60" for pid, *_ in processes()), "the program's end")

    def test_a_status_but_0_counts_as_an_error(self):
        with self.serving("8001 stream tcp nowait root /bin/false false\n8002 stream tcp nowait root /bin/true true\n"
                          ) as server:
            for port in (8001, 8001, 8002):
                self.assertEqual(ask(port), b"")
            wait_until(lambda: server.total("bullpen_connections_completed_total", outcome="error") == 2, "the errors")
            wait_until(lambda: server.total("bullpen_connections_completed_total", outcome="ok") == 1, "the success")

    def test_a_program_that_has_gone_ends_its_client_and_is_logged(self):
        script = self.script("goes", "exit 0\n")
        with self.serving(f"8001 stream tcp nowait root {script} goes\n") as server:
            script.unlink()
            self.assertEqual(ask(8001), b"")
            wait_until(lambda: f"cannot execute {script}: No such file" in server.stderr, "the log line")

    def test_a_unix_socket_and_packets_have_programs_too(self):
        path = self.home / "socket"
        with self.serving(f"{path} stream unix nowait root /bin/cat cat\n"), \
                socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"local")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(client.recv(10), b"local")

    def test_so_many_clients_a_minute_are_taken_and_the_others_wait(self):
        with self.serving("8001 stream tcp nowait.3 root /bin/echo echo served\n") as server:
            self.assertEqual([ask(8001) for _ in range(3)], [b"served\n"] * 3)
            with self.assertRaises(TimeoutError):
                ask(8001, patience=1)
            self.assertEqual(server.total("bullpen_connections_accepted_total"), 3)

    def test_a_source_has_only_so_many_programs_at_once(self):
        with self.serving("8001 stream tcp nowait.1000:1 root /bin/cat cat\n") as server, \
                socket.create_connection(("127.0.0.1", 8001), timeout=30) as first:
            first.sendall(b"x")
            self.assertEqual(first.recv(1), b"x")
            try:
                self.assertEqual(ask(8001, b"y"), b"")
            except ConnectionError:
                pass
            self.assertEqual(server.total("bullpen_connections_refused_total", reason="source"), 1)

    def test_under_load_no_client_is_lost_while_masters_and_workers_die(self):
        with self.serving("8001 stream tcp nowait root /bin/echo echo served\n") as server:
            for turn in range(30):
                self.assertEqual(ask(8001), b"served\n")
                if turn % 10 == 5:
                    os.kill(server.master, signal.SIGKILL)
                if turn % 10 == 9:
                    wait_until(lambda: server.total("bullpen_connections_in_flight") == 0, "rest")
                    os.kill(server.workers()[0], signal.SIGKILL)


class Waiting(Inetd):
    """Lines with `wait`: the program has the socket itself."""

    ACCEPTS = """
import os, socket, sys, time
listener = socket.socket(fileno=0)
open({log!r}, "a").write(f"{{os.getpid()}}\\n")
listener.settimeout(30)
for _ in range({clients}):
    client, _ = listener.accept()
    client.sendall(b"%d" % os.getpid())
    client.close()
"""

    def accepting(self, clients):
        self.log = self.home / "runs"
        self.log.touch()
        return self.script("accepts", self.ACCEPTS.format(log=str(self.log), clients=clients), PYTHON)

    def runs(self):
        return len(self.log.read_text().splitlines())

    def test_a_program_accepts_by_itself_and_runs_again_when_it_has_ended(self):
        with self.serving(f"127.0.0.1:8001 stream tcp wait root {self.accepting(2)} accepts\n") as server:
            pids = [ask(8001) for _ in range(4)]
            self.assertEqual((pids[0], pids[2]), (pids[1], pids[3]))
            self.assertNotEqual(pids[0], pids[2])
            self.assertEqual(self.runs(), 2)
            wait_until(lambda: server.total("bullpen_connections_completed_total", outcome="ok") == 2, "the runs' end")

    def test_a_stop_ends_a_program_that_waits(self):
        with self.serving(f"127.0.0.1:8001 stream tcp wait root {self.accepting(100)} accepts\n") as server:
            pid = int(ask(8001))
            began = time.monotonic()
            server.stop()
            self.assertLess(time.monotonic() - began, 20)
            self.assertEqual(title(pid), "")

    def test_a_program_that_fails_is_started_again_after_a_pause(self):
        log = self.home / "runs"
        script = self.script("fails", f"echo run >> {log}\nexit 1\n")
        with self.serving(f"127.0.0.1:8001 dgram udp wait root {script} fails\n"):
            self.assertIsNone(ask_datagram(8001, b"x", patience=3))
            self.assertIn(len(log.read_text().splitlines()), range(2, 7))  # 0, 0.1, 0.3, 0.7, 1.5, 3.1 s

    def test_a_program_that_leaves_its_input_is_started_so_often_a_minute(self):
        log = self.home / "runs"
        script = self.script("leaves", f"echo run >> {log}\n")
        with self.serving(f"127.0.0.1:8001 dgram udp wait.5 root {script} leaves\n"):
            self.assertIsNone(ask_datagram(8001, b"x", patience=3))
            self.assertEqual(len(log.read_text().splitlines()), 5)

    def test_a_datagram_program_answers(self):
        script = self.script("answers", "import socket\ns = socket.socket(fileno=0)\ns.settimeout(1)\ntry:\n"
                             "    while True:\n        data, who = s.recvfrom(100)\n        s.sendto(data[::-1], who)\n"
                             "except TimeoutError:\n    pass\n", PYTHON)
        with self.serving(f"127.0.0.1:8001 dgram udp wait nobody {script} answers\n"):
            self.assertEqual(ask_datagram(8001, b"abc"), b"cba")
            self.assertEqual(ask_datagram(8001, b"def"), b"fed")


class ListenFds(Inetd):
    SAYS = """
import os, socket
assert os.environ["LISTEN_PID"] == str(os.getpid()) and os.environ["LISTEN_FDS"] == "1"
assert os.path.realpath("/proc/self/fd/0") == os.path.realpath("/proc/self/fd/1") == "/dev/null"
"""

    def test_nowait_is_accept_yes(self):
        script = self.script("says", self.SAYS + "s = socket.socket(fileno=3)\ns.sendall(s.recv(10).upper())\n",
                             PYTHON)
        with self.serving(f"8001 stream tcp nowait nobody {script} says\n", "--listen-fds"):
            self.assertEqual(ask(8001, b"abc"), b"ABC")
            self.assertEqual(ask(8001, b"def"), b"DEF")

    def test_wait_is_accept_no(self):
        script = self.script("says", self.SAYS + "s = socket.socket(fileno=3)\nc, _ = s.accept()\nc.sendall(b'hi')\n",
                             PYTHON)
        with self.serving(f"127.0.0.1:8001 stream tcp wait nobody {script} says\n", "--listen-fds"):
            self.assertEqual(ask(8001), b"hi")
            self.assertEqual(ask(8001), b"hi")


class Internal(Inetd):
    LINES = "".join(f"{service} {kind} root internal\n" for service in ("echo", "discard", "chargen", "daytime", "time")
                    for kind in ("stream tcp nowait", "dgram udp wait"))

    def test_all_five_answer_over_streams_and_datagrams(self):
        with self.serving(self.LINES) as server:
            self.assertEqual(ask(7, b"hello"), b"hello")
            self.assertEqual(ask(9, b"hello"), b"")
            self.assertRegex(ask(13), rb"^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\r\n$")
            self.assertEqual(len(ask(37)), 4)
            with socket.create_connection(("127.0.0.1", 19), timeout=30) as client:
                self.assertEqual(client.recv(72, socket.MSG_WAITALL)[:10], b" !\"#$%&'()")
            for host in ("127.0.0.1", "::1"):
                self.assertEqual(ask_datagram(7, b"hello", host), b"hello")
                self.assertEqual(ask_datagram(19, b"12345", host), b" !\"#$")
                self.assertRegex(ask_datagram(13, b"", host), rb"^\w{3} \w{3} ")
                self.assertEqual(len(ask_datagram(37, b"", host)), 4)
            self.assertIsNone(ask_datagram(9, b"hello", patience=1))
            for pid in wait_until(server.workers, "the workers"):
                uid = Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[0]
                self.assertNotEqual(uid, "0")

    def test_an_answer_comes_from_the_address_that_was_asked(self):
        with self.serving("echo dgram udp wait root internal\n"), \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(30)
            client.sendto(b"x", ("127.0.0.5", 7))
            self.assertEqual(client.recvfrom(10), (b"x", ("127.0.0.5", 7)))

    def test_no_answer_goes_to_a_services_port(self):
        with self.serving("echo dgram udp wait root internal\n") as server:
            self.assertIsNone(ask_datagram(7, b"loop", bind=("127.0.0.1", 19), patience=1))
            self.assertIsNone(ask_datagram(7, b"loop", bind=("127.0.0.1", 2049), patience=1))
            self.assertEqual(ask_datagram(7, b"fine"), b"fine")
            self.assertEqual(server.total("bullpen_connections_accepted_total"), 3)

    def test_longer_answers_than_questions_are_few_for_each_source(self):
        with self.serving("daytime dgram udp wait root internal\n") as server, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(2)
            for _ in range(50):
                client.sendto(b"", ("127.0.0.1", 13))
            wait_until(lambda: server.total("bullpen_connections_accepted_total") == 50, "all questions")
            answers = 0
            with contextlib.suppress(TimeoutError):
                while True:
                    client.recvfrom(100)
                    answers += 1
            self.assertIn(answers, range(1, 13))
            self.assertIsNotNone(ask_datagram(13, b"", "127.0.0.1") or ask_datagram(13, b""))

    def test_a_long_datagram_is_answered_whole(self):
        with self.serving("echo dgram udp wait root internal\n"):
            self.assertEqual(ask_datagram(7, b"x" * 60000), b"x" * 60000)

    def test_at_a_stop_what_lies_in_the_socket_is_answered(self):
        with self.serving("echo dgram udp wait root internal\n") as server, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(30)
            [worker] = wait_until(server.workers, "the worker")
            os.kill(worker, signal.SIGSTOP)
            for i in range(20):
                client.sendto(b"%d" % i, ("127.0.0.1", 7))
            server.terminate()
            wait_until(lambda: "master: stopping" in server.stderr, "the stop")
            os.kill(worker, signal.SIGCONT)
            self.assertEqual([client.recv(10) for _ in range(20)], [b"%d" % i for i in range(20)])
            self.assertEqual(server.wait(), 0)


class Reloads(Inetd):
    def reload(self, server, text):
        self.file.write_text(text)
        status, out, err = server.ctl("--name", "inetd", "reload")
        return status, out + err

    def test_untouched_lines_keep_their_workers_and_clients(self):
        cat = "8001 stream tcp nowait root /bin/cat cat\n"
        with self.serving(cat + "8002 stream tcp nowait root /bin/echo echo two\n") as server, \
                socket.create_connection(("127.0.0.1", 8001), timeout=30) as client:
            client.sendall(b"a")
            self.assertEqual(client.recv(1), b"a")
            before = {pid for pid in wait_until(server.workers, "the workers") if "8001" in title(pid)}
            self.assertEqual(self.reload(server, "8003 stream tcp nowait root /bin/echo echo three\n" + cat)[0], 0)
            self.assertEqual(ask(8003), b"three\n")
            client.sendall(b"b")
            self.assertEqual(client.recv(1), b"b")
            self.assertLessEqual(before, {pid for pid in server.workers() if "8001" in title(pid)})
            with self.assertRaises(ConnectionRefusedError):
                wait_until(lambda: ask(8002, patience=2) is None, "the removed line's end")

    def test_a_changed_line_gets_new_workers_and_hup_reads_the_file(self):
        with self.serving("8001 stream tcp nowait root /bin/echo echo one\n") as server:
            self.assertEqual(ask(8001), b"one\n")
            self.file.write_text("8001 stream tcp nowait nobody /bin/echo echo two\n")
            os.kill(server.pid, signal.SIGHUP)
            wait_until(lambda: ask(8001) == b"two\n", "the new program")

    def test_a_line_may_change_from_nowait_to_wait_and_keep_its_socket(self):
        script = self.script("accepts", "import socket\nc, _ = socket.socket(fileno=0).accept()\nc.sendall(b'wait')\n",
                             PYTHON)
        with self.serving("127.0.0.1:8001 stream tcp nowait root /bin/echo echo nowait\n") as server:
            self.assertEqual(ask(8001), b"nowait\n")
            self.assertEqual(self.reload(server, f"127.0.0.1:8001 stream tcp wait root {script} accepts\n")[0], 0)
            wait_until(lambda: ask(8001) == b"wait", "the program that accepts")
            self.assertEqual(self.reload(server, f"127.0.0.1:8001 stream tcp wait nobody {script} accepts\n")[0], 0)
            wait_until(lambda: ask(8001) == b"wait", "the same as another user")

    def test_a_bad_file_changes_nothing(self):
        with self.serving("8001 stream tcp nowait root /bin/cat cat\n") as server:
            workers = wait_until(server.workers, "the workers")
            for text, sentence in (("8001 strem tcp nowait root /bin/cat cat\n", ":1: socket type: 'strem'"),
                                   ("8001 stream tcp nowait nobdy /bin/cat cat\n", ":1: user: there is no user 'nobdy'"),
                                   ("8001 stream tcp nowait root /bin/nope nope\n", ":1: program: '/bin/nope'"),
                                   ("# nothing\n", "there is no service in it")):
                status, said = self.reload(server, text)
                self.assertNotEqual(status, 0)
                self.assertIn(sentence, said)
                self.assertEqual(ask(8001, b"still"), b"still")
            self.assertLessEqual(set(workers), set(server.workers()))


class Upgrades(Inetd):
    def test_a_new_program_takes_the_sockets_over_and_nobody_is_refused(self):
        self.file.write_text("8001 stream tcp nowait root /bin/cat cat\necho dgram udp wait root internal\n")
        with Upgradable(self.home, str(self.file), "--name", "default", verb="inetd") as server:
            with socket.create_connection(("127.0.0.1", 8001), timeout=30) as client:
                client.sendall(b"a")
                self.assertEqual(client.recv(1), b"a")
                server.upgrade()
                self.assertEqual(ask(8001, b"new"), b"new")
                self.assertEqual(ask_datagram(7, b"new"), b"new")
                client.sendall(b"b")
                self.assertEqual(client.recv(1), b"b")


class Checks(Inetd):
    def test_each_line_is_said(self):
        status, out, err = self.check("ftp stream tcp4 nowait root:daemon /bin/cat cat -u 'a b'\n"
                                      "10.0.0.1:tftp dgram udp wait nobody /bin/cat cat\ndaytime dgram udp6 wait root internal\n")
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(out, "line 1: ftp/tcp4 on 0.0.0.0:21\n    nowait, user root:daemon: /bin/cat -u a b\n"
                              "line 2: 10.0.0.1:tftp/udp/wait on udp:10.0.0.1:69\n    wait, user nobody: /bin/cat\n"
                              "line 3: daytime/udp6/internal on udp:[::]:13\n    answered by bullpen itself\n")

    def test_a_protocol_says_over_which_addresses(self):
        for protocol, hosts in (("tcp", "0.0.0.0:8001, [::]:8001"), ("tcp4", "0.0.0.0:8001"), ("tcp6", "[::]:8001"),
                                ("tcp46", "0.0.0.0:8001, [::]:8001")):
            out = self.check(f"8001 stream {protocol} nowait root /bin/cat cat\n")[1]
            self.assertEqual(out.splitlines()[0], f"line 1: 8001/{protocol} on {hosts}")

    def test_each_wrong_line_has_a_sentence_and_the_right_ones_are_said(self):
        status, out, err = self.check("ftp stream tcp nowait root /bin/nope nope\nssh stream tcp nowait root /bin/cat cat\n"
                                      "smtp stream tcp nowait nobdy /bin/cat cat\n")
        self.assertEqual(status, 2)
        self.assertIn("line 2: ssh/tcp", out)
        self.assertRegex(err, r"\Abullpen: \S+:1: program: '/bin/nope' can't be executed: No such file or directory\n"
                              r"bullpen: \S+:3: user: there is no user 'nobdy'; expected a user's name or number\n\Z")

    def test_a_program_that_waits_has_addresses_and_no_names(self):
        status, _, err = self.check("localhost:8001 stream tcp wait root /bin/cat cat\n")
        self.assertEqual(status, 2)
        self.assertIn(":1: service: 'localhost' is a host's name; a program that waits needs addresses as numbers", err)

    def test_a_start_with_a_wrong_line_opens_nothing(self):
        self.file.write_text("8001 stream tcp nowait root /bin/cat cat\n8002 stream tcp nowait nobdy /bin/cat cat\n")
        done = subprocess.run([PROGRAM, "inetd", str(self.file), "--metrics", "off", "--control", "off"],
                              capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, r"\Abullpen: [^\n]+:2: user: there is no user 'nobdy'[^\n]+\n\Z")

    def test_who_is_not_root_may_not_run_programs_as_others(self):
        self.file.write_text("8001 stream tcp nowait root /bin/cat cat\n")
        copy = self.home / "bullpen"
        shutil.copy(PROGRAM, copy)
        copy.chmod(0o755)
        done = subprocess.run([copy, "inetd", "--check", str(self.file)], user="nobody", capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"user: only root may run programs as another user: 'root' is 0, and this is")

    def test_a_file_that_is_not_there_is_said(self):
        done = subprocess.run([PROGRAM, "inetd", str(self.home / "none")], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("none: cannot be read: No such file", done.stderr)


class RealPrograms(Inetd):
    def run_client(self, *command, **options):
        done = subprocess.run(command, capture_output=True, timeout=60, stdin=subprocess.DEVNULL, check=False, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_tftpd_with_tftp(self):
        content = os.urandom(100_000)
        (self.home / "file").write_bytes(content)
        (self.home / "file").chmod(0o644)
        with self.serving(f"tftp dgram udp4 wait root /usr/sbin/in.tftpd in.tftpd -t 1 -s {self.home}\n"):
            for copy in ("one", "two"):
                self.run_client("tftp", "-m", "binary", "127.0.0.1", "-c", "get", "file", str(self.home / copy))
                self.assertEqual((self.home / copy).read_bytes(), content)

    def test_git_daemon_with_git_clone(self):
        source = self.home / "source"
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "safe.directory=*"]
        subprocess.run([*git, "init", "-q", str(source)], check=True)
        (source / "file").write_text("content")
        subprocess.run([*git, "-C", str(source), "add", "file"], check=True)
        subprocess.run([*git, "-C", str(source), "commit", "-q", "-m", "one"], check=True)
        with self.serving(f"git stream tcp nowait root /usr/bin/git git daemon --inetd --export-all "
                          f"--base-path={self.home} {self.home}\n"):
            self.run_client("git", "clone", "-q", "git://127.0.0.1/source", str(self.home / "clone"))
            self.assertEqual((self.home / "clone/file").read_text(), "content")

    def test_rsync_with_rsync(self):
        data = self.home / "data"
        data.mkdir(mode=0o755)
        (data / "file").write_bytes(os.urandom(300_000))
        config = self.home / "rsyncd.conf"
        config.write_text(f"use chroot = no\n[data]\npath = {data}\nread only = yes\nuid = root\ngid = root\n")
        with self.serving(f"rsync stream tcp nowait root /usr/bin/rsync rsync --daemon --config={config}\n"):
            self.run_client("rsync", "-a", "rsync://127.0.0.1/data/", str(self.home / "copy"))
            self.assertEqual((self.home / "copy/file").read_bytes(), (data / "file").read_bytes())

    def test_micro_httpd_with_curl(self):
        (self.home / "page.html").write_text("<p>micro")
        (self.home / "page.html").chmod(0o644)
        with self.serving(f"http stream tcp nowait nobody /usr/sbin/micro-httpd micro-httpd {self.home}\n"):
            self.assertEqual(self.run_client("curl", "-s", "-f", "http://127.0.0.1/page.html"), b"<p>micro")

    def test_a_shell_script_with_nc(self):
        script = self.script("greet", "read name\necho \"hello, $name\"\n")
        with self.serving(f"8001 stream tcp nowait nobody {script} greet\n"):
            done = subprocess.run(["nc", "-N", "127.0.0.1", "8001"], input=b"world\n", capture_output=True, timeout=60,
                                  check=True)
            self.assertEqual(done.stdout, b"hello, world\n")


if __name__ == "__main__":
    unittest.main()
