"""`bullpen handle`: one client on the standard descriptors, as inetd leaves it."""

import os
import re
import socket
import struct
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from harness import TOP, wait_until

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))
OPTIMISED = os.environ.get("BULLPEN_OPTIMISED", PROGRAM)
TIMEOUT = 60


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), TIMEOUT)
        return client, listener.accept()[0]


def read_to_end(client):
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


class Handle(unittest.TestCase):
    def start(self, *arguments, pair=socket.socketpair, command=(PROGRAM,), stderr=subprocess.PIPE):
        """The client's end and the process that serves it."""
        client, server = pair()
        self.addCleanup(client.close)
        client.settimeout(TIMEOUT)
        with server:
            process = subprocess.Popen([*command, "handle", *arguments], stdin=server, stdout=server,
                                       stderr=server if stderr == "client" else stderr)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        if process.stderr:
            self.addCleanup(process.stderr.close)
        return client, process

    def check_end(self, process, status=0, complaint=b""):
        self.assertEqual(process.wait(TIMEOUT), status)
        if process.stderr:
            self.assertEqual(process.stderr.read(), complaint)

    def test_echo_sends_everything_back_over_unix_and_tcp_and_ends(self):
        for pair in (socket.socketpair, tcp_pair):
            with self.subTest(pair=pair.__name__):
                client, process = self.start("echo", pair=pair)
                client.sendall(b"hello")
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(read_to_end(client), b"hello")
                self.check_end(process)

    def test_a_socket_that_is_non_blocking_is_served_as_well(self):
        client, server = socket.socketpair()
        server.setblocking(False)
        with server.dup() as same:  # It shares the flag with the program's.
            _, process = self.start("echo", pair=lambda: (client, server))
            wait_until(lambda: os.get_blocking(same.fileno()), "the program to make it blocking")
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(read_to_end(client), b"hello")
        self.check_end(process)

    def test_http_serves_several_requests_and_then_the_end(self):
        with tempfile.TemporaryDirectory() as root:
            Path(root, "a.txt").write_text("hello")
            client, process = self.start("http", "--root", root)
            for _ in range(3):
                client.sendall(b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = b""
                while not answer.endswith(b"\r\n\r\nhello"):
                    answer += client.recv(4096)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(read_to_end(client), b"")
            self.check_end(process)

    def test_work_is_served(self):
        client, process = self.start("work")
        client.sendall(b"GET /bytes/100000 HTTP/1.0\r\n\r\n")
        self.assertTrue(read_to_end(client).endswith(b"\r\n\r\n" + b"x" * 100_000))
        self.check_end(process)

    def test_a_client_that_resets_is_no_fault(self):
        client, process = self.start("echo", pair=tcp_pair)
        client.sendall(b"x")
        self.assertEqual(client.recv(1), b"x")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        self.check_end(process)

    def test_a_client_that_leaves_during_a_download_is_no_fault(self):
        with tempfile.TemporaryDirectory() as root:
            os.truncate(os.open(f"{root}/large", os.O_CREAT | os.O_WRONLY), 100_000_000)
            client, process = self.start("http", "--root", root)
            client.sendall(b"GET /large HTTP/1.0\r\n\r\n")
            client.recv(1000)
            client.close()
            self.check_end(process)

    def test_a_handler_that_fails_is_status_1_and_the_client_hears_nothing_of_it(self):
        with tempfile.TemporaryDirectory() as root:
            os.truncate(os.open(f"{root}/large", os.O_CREAT | os.O_WRONLY), 100_000_000)
            for stderr in (subprocess.PIPE, "client"):
                with self.subTest(stderr=stderr):
                    os.truncate(f"{root}/large", 100_000_000)
                    client, process = self.start("http", "--root", root, stderr=stderr)
                    client.sendall(b"GET /large HTTP/1.0\r\n\r\n")
                    client.recv(1000)
                    os.truncate(f"{root}/large", 1000)
                    self.assertNotIn(b"shorter", read_to_end(client)[-4096:])
                    self.check_end(process, 1, b"bullpen: handler threw: the file became shorter while it was sent\n")

    def test_what_is_wrong_is_one_sentence_and_status_2(self):
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        datagrams = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in datagrams:
            self.addCleanup(end.close)
        for stdin in (subprocess.DEVNULL, listening, datagrams[0]):
            done = subprocess.run([PROGRAM, "handle", "echo"], stdin=stdin, capture_output=True, text=True, timeout=TIMEOUT)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertRegex(done.stderr, r"\Abullpen: handle: descriptor 0 is no connected socket[^\n]*\n\Z")
        for arguments, expected in [((), "SERVICE is required"), (("ehco",), "did you mean echo?"),
                                    (("exec",), "exec has no handler"), (("echo", "--rot", "x"), "did you mean --root"),
                                    (("http", "--file-cache", "-1"), "--file-cache: expected a number from 0 to 86400, got -1")]:
            with self.subTest(arguments=arguments):
                client, process = self.start(*arguments)
                self.assertEqual(process.wait(TIMEOUT), 2)
                self.assertIn(expected, process.stderr.read().decode())
                self.assertEqual(read_to_end(client), b"")

    def test_help_fits_on_a_terminal(self):
        done = subprocess.run([PROGRAM, "handle", "--help"], capture_output=True, text=True, timeout=TIMEOUT)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for line in done.stdout.splitlines():
            self.assertLessEqual(len(line), 80, line)

    def calls_between(self, root, path, *arguments):
        """The system calls for one request of a connection on which the same was asked before, without the two that
        look at it and, after the answer, take it."""
        with tempfile.NamedTemporaryFile("r") as report:
            client, process = self.start("http", "--root", root, *arguments,
                                         command=("strace", "-f", "-o", report.name, OPTIMISED))
            client.sendall(b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % path * 2)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(read_to_end(client).count(b"HTTP/1.1 200 OK"), 2)
            self.assertEqual(process.wait(TIMEOUT), 0)
            # Once a second it is looked up where the root's name leads: not for a request.
            trace = re.sub(rf'^\d+ +newfstatat\(AT_FDCWD, "{root}".*\n.*\n', "", report.read(), flags=re.MULTILINE)
            calls = re.findall(r"^\d+ +(\w+)\(", trace, re.MULTILINE)
        calls = calls[calls.index("sendto") + 1:]
        looks = [i for i, call in enumerate(calls) if call == "recvfrom"]
        return [call for call in calls[:looks[3]] if call != "recvfrom"]

    def test_an_answer_costs_two_calls_five_for_a_file_that_has_just_changed_and_one_for_a_trusted_one(self):
        with tempfile.TemporaryDirectory() as root:
            Path(root, "small").write_bytes(bytes(128))
            Path(root, "large").write_bytes(bytes(100_000))
            os.utime(Path(root, "small"), (time.time() + 3600,) * 2)  # However long the start takes, it is too young.
            self.assertEqual(self.calls_between(root, b"small"), ["close", "openat2", "newfstatat", "pread64", "sendto", "close"])
            os.utime(Path(root, "small"), (time.time() - 3600,) * 2)
            changed = os.stat(Path(root, "small")).st_ctime_ns
            wait_until(lambda: time.time_ns() > changed + 1_100_000_000, "the settling of the file")
            self.assertEqual(self.calls_between(root, b"small"), ["newfstatat", "sendto"])
            self.assertEqual(self.calls_between(root, b"small", "--file-cache", "60"), ["sendto"])
            sent = ["ioctl", "sendfile", "ioctl"]  # sendfile(2) has no MSG_DONTWAIT: O_NONBLOCK on and off.
            self.assertEqual(self.calls_between(root, b"large", "--file-cache", "60"), [*sent, "sendto", *sent])


if __name__ == "__main__":
    unittest.main()
