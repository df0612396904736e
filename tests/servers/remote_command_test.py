"""The service remote-command: a client's command runs to its end, within limits, and nothing of it stays."""

import os
import socket
import subprocess
import time
import unittest

from every_model import chosen, flags_of, model_of
from harness import TOP, Bullpen, processes, title, wait_until

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))
EVENTS = {"event", "prefork-event"}


def serving(*flags):
    return Bullpen("remote-command", "--command-user", "nobody", *flags)


def send(server, command):
    client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    client.sendall(command)
    client.shutdown(socket.SHUT_WR)
    return client


def answer_of(server, command):
    """(what it wrote, how it ended)"""
    with send(server, command) as client:
        said = b"".join(iter(lambda: client.recv(65536), b""))
    text, _, end = said.rpartition(b"\0")
    assert end.endswith(b"\n"), said
    return text, end[:-1].decode()


def running(argument):
    """The pids of the processes that have this word in their command line."""
    return [pid for pid, state, *_ in processes() if state != "Z" and argument in title(pid).split()]


@unittest.skipUnless(os.geteuid() == 0, "only root runs commands as nobody")
class RemoteCommand(unittest.TestCase):
    def test_every_model_of_blocking_handlers_runs_a_command_and_says_how_it_ended(self):
        for case in chosen():
            if model_of(case) in EVENTS:
                continue
            with self.subTest(case=case), serving(*flags_of(case)) as server:
                self.assertEqual(answer_of(server, b"echo 'hello  world'\n"), (b"hello  world\n", "exit 0"))
                self.assertEqual(answer_of(server, b"false"), (b"", "exit 1"))
                text, end = answer_of(server, b"ls /no/such")
                self.assertIn(b"/no/such", text)  # Its errors come, too.
                self.assertEqual(end, "exit 2")
                self.assertEqual(answer_of(server, b"id -un"), (b"nobody\n", "exit 0"))
                self.assertEqual(answer_of(server, b"id -G")[0].split(), [str(os.popen("id -g nobody").read().strip()).encode()])
                self.assertEqual(answer_of(server, b"env")[0].split(b"=")[0], b"PATH")
                self.assertEqual(answer_of(server, b"cat"), (b"", "exit 0"))  # Its input is empty.
                listing = answer_of(server, b"ls /proc/self/fd")[0].split()
                self.assertEqual(listing, [b"0", b"1", b"2", b"3"])  # 3 is the listing's own.

    def test_what_can_not_be_started_is_told_and_nothing_runs(self):
        with serving() as server:
            self.assertEqual(answer_of(server, b"no-such-program"), (b"there is no program 'no-such-program' in PATH\n", "exit 127"))
            self.assertEqual(answer_of(server, b"/etc/passwd"), (b"'/etc/passwd' can't be executed: Permission denied\n", "exit 127"))
            self.assertEqual(answer_of(server, b"\n"), (b"there is no command\n", "exit 127"))
            self.assertEqual(answer_of(server, b"echo 'a"), (b"the quote ' has no end\n", "exit 127"))
            self.assertEqual(answer_of(server, b"echo a\0b"), (b"a command has no NUL byte\n", "exit 127"))
            self.assertEqual(answer_of(server, b"echo " + b"x" * 8192), (b"a command has at most 8192 bytes\n", "exit 127"))
            self.assertEqual(answer_of(server, b"echo " + b"x" * 8187)[0], b"x" * 8187 + b"\n")

    def test_no_shell_reads_a_command_unless_it_is_said(self):
        with serving() as server:
            self.assertEqual(answer_of(server, b"echo $HOME ; id")[0], b"$HOME ; id\n")
        with serving("--command-shell", "sh") as server:
            self.assertEqual(answer_of(server, b"echo a; echo b >&2; exit 7"), (b"a\nb\n", "exit 7"))
            self.assertEqual(answer_of(server, b"kill -9 $$"), (b"", "signal 9"))

    def test_time_output_and_memory_have_limits(self):
        with serving("--command-timeout", "1", "--command-output", "64", "--command-memory", "64", "--command-shell", "sh") as server:
            begin = time.monotonic()
            self.assertEqual(answer_of(server, b"echo begun; sleep 1000.125"), (b"begun\n", "limit time"))
            self.assertLess(time.monotonic() - begin, 30)
            self.assertEqual(answer_of(server, b"exec >&- 2>&-; sleep 1000.125"), (b"", "limit time"))
            text, end = answer_of(server, b"yes")
            self.assertEqual((text, end), (b"y\n" * 32768, "limit output"))
            self.assertEqual(answer_of(server, b"head -c 65536 /dev/zero"), (bytes(65536), "exit 0"))
            self.assertNotEqual(answer_of(server, b"head -c 200000000 /dev/zero | tail -c 200000000 | wc -c; :")[0], b"200000000\n")
            self.assertEqual(running("1000.125"), [])

    def test_nothing_of_a_command_outlives_it_or_its_client_or_its_server(self):
        with serving("--command-shell", "sh") as server:
            self.assertEqual(answer_of(server, b"sleep 1000.25 & sleep 1000.25 >&- 2>&- & echo started"), (b"started\n", "exit 0"))
            wait_until(lambda: not running("1000.25"), "the end of what it had left running")
            client = send(server, b"sleep 1000.25")
            wait_until(lambda: running("1000.25"), "the command")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()  # A reset.
            wait_until(lambda: not running("1000.25"), "the end of a command whose client has gone")
            wait_until(lambda: server.total("bullpen_connections_client_aborted_total") == 1, "the client's count")
            with send(server, b"exec sleep 1000.25"):
                wait_until(lambda: running("1000.25"), "the command")
                for pid in server.workers():
                    os.kill(pid, 9)
                wait_until(lambda: not running("1000.25"), "the end of a command whose worker was killed")
            server.may_lose = True

    def test_a_command_that_is_not_whole_holds_no_worker(self):
        with serving("--workers", "1") as server:
            half = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            half.sendall(b"echo ha")
            self.assertEqual(answer_of(server, b"echo whole"), (b"whole\n", "exit 0"))
            half.sendall(b"lf")
            half.shutdown(socket.SHUT_WR)
            self.assertEqual(b"".join(iter(lambda: half.recv(100), b"")), b"half\n\0exit 0\n")
            half.close()

    def test_a_stop_waits_for_a_command(self):
        with serving("--command-shell", "sh") as server:
            client = send(server, b"echo begun; sleep 1; echo ended")
            self.assertEqual(client.recv(6), b"begun\n")
            server.terminate()
            self.assertEqual(b"".join(iter(lambda: client.recv(100), b"")), b"ended\n\0exit 0\n")
            client.close()
            self.assertEqual(server.wait(), 0)

    def test_mistakes_get_a_sentence(self):
        for flags, sentence in (
                ((), "--command-user: remote-command runs what any client sends, and not as root unless it is told so"),
                (("--command-user", "no-such"), "--command-user: there is no user 'no-such'"),
                (("--command-user", "nobody", "--command-shell", "no-such"), "--command-shell: there is no program 'no-such' in PATH"),
                (("--command-user", "nobody", "--command-timeout", "0"), "--command-timeout: expected a number from 1"),
                (("--command-user", "nobody", "--model", "event"), "service remote-command is none")):
            done = subprocess.run([PROGRAM, "serve", "remote-command", *flags], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, flags)
            self.assertIn(sentence, done.stderr)

    def test_the_user_root_is_told(self):
        with Bullpen("remote-command", "--command-user", "root") as server:
            self.assertEqual(answer_of(server, b"id -u"), (b"0\n", "exit 0"))


if __name__ == "__main__":
    unittest.main()
