"""Services over SCTP. Few kernels have it loaded: tests/debian_kernel/run servers/sctp runs the sentences under one."""

import os
import signal
import socket
import subprocess
import unittest
from contextlib import closing

import every_model
from harness import TOP, Bullpen, wait_until

PROGRAM = os.environ.get("BULLPEN_OPTIMISED") or str(TOP / "build/bullpen")
PATIENCE = 30
CASES = [case for case in every_model.chosen(with_alike=True) if case != "inetd"]


def kernel_has_it():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
        return True
    except OSError:
        return False


def connect(address):
    host, _, port = address.removeprefix("sctp:").rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    client = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    client.settimeout(PATIENCE)
    client.connect((host.strip("[]"), int(port)))
    return client


def ask(client, question, size=None):
    client.sendall(question)
    answer = b""
    while len(answer) < (size or len(question)):
        piece = client.recv(65536)
        if not piece:
            break
        answer += piece
    return answer


def get(address, path):
    """The status and how long the content is."""
    with closing(connect(address)) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    head, _, content = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), len(content)


@unittest.skipUnless(kernel_has_it(), "it needs a kernel with SCTP")
class Sctp(unittest.TestCase):
    def test_each_model_serves_it_over_both_families(self):
        for case in CASES:
            with self.subTest(case=case), Bullpen("echo", *every_model.flags_of(case), "--listen", "sctp:127.0.0.1:0",
                                                  "--listen", "sctp:[::1]:0") as server:
                for address in server.addresses:
                    self.assertTrue(address.startswith("sctp:"), address)
                    with closing(connect(address)) as client:
                        for _ in range(3):
                            self.assertEqual(ask(client, b"hello"), b"hello")

    def test_the_end_of_a_client_that_has_been_silent_is_noticed(self):
        for case in CASES:
            with self.subTest(case=case), Bullpen("echo", *every_model.flags_of(case), "--listen", "sctp:127.0.0.1:0") as server:
                with closing(connect(server.addresses[0])) as client:
                    self.assertEqual(ask(client, b"hello"), b"hello")
                    if case not in every_model.ONE_AT_A_TIME:
                        with closing(connect(server.addresses[0])) as other:  # The server looks for others, too.
                            self.assertEqual(ask(other, b"hello"), b"hello")
                    wait_until(lambda: server.total("bullpen_connections_in_flight") == 1, "the first alone", timeout=10)
                wait_until(lambda: server.total("bullpen_connections_in_flight") == 0, "its end", timeout=10)

    def test_an_answer_may_be_larger_than_the_send_buffer(self):
        for case in ("prefork", "event", "epoll"):
            with self.subTest(case=case), \
                    Bullpen("work", *every_model.flags_of(case), "--listen", "sctp:127.0.0.1:0") as server:
                for path in ("/bytes/2000000", "/file/1000000", "/copy/1000000"):
                    self.assertEqual(get(server.addresses[0], path), (200, int(path.rpartition("/")[2])))

    def test_a_port_may_be_sctp_s_and_tcp_s_at_once(self):
        with Bullpen("echo", "--listen", "127.0.0.1:7000", "--listen", "sctp:127.0.0.1:7000") as server:
            with closing(connect(server.addresses[1])) as one, \
                    closing(socket.create_connection(("127.0.0.1", 7000), timeout=PATIENCE)) as other:
                for client in (one, other):
                    self.assertEqual(ask(client, b"hello"), b"hello")

    def test_who_is_parked_is_served_again_and_outlives_a_master(self):
        with Bullpen("work", "--workers", "1", "--listen", "sctp:127.0.0.1:0") as server:
            clients = [connect(server.addresses[0]) for _ in range(3)]
            for turn in range(3):
                for client in clients:
                    client.sendall(b"GET /bytes/10 HTTP/1.1\r\nHost: x\r\n\r\n")
                    answer = b""
                    while not answer.endswith(b"\r\n\r\n" + 10 * answer[-1:]):
                        answer += client.recv(1000)
                    self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)
                if turn == 1:
                    master = server.master
                    os.kill(master, signal.SIGKILL)
                    wait_until(lambda: server.master != master, "another master")
            for client in clients:
                client.close()

    def test_a_stop_serves_who_is_there_and_lets_a_successor_in(self):
        with Bullpen("work", "--listen", "sctp:127.0.0.1:7001") as server:
            with closing(connect("sctp:127.0.0.1:7001")) as client:
                client.sendall(b"GET /sleep/3000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                server.terminate()
                with Bullpen("echo", "--name", "next", "--listen", "sctp:127.0.0.1:7001"):
                    with closing(connect("sctp:127.0.0.1:7001")) as other:
                        self.assertEqual(ask(other, b"hello"), b"hello")
                    self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 200"))
            self.assertEqual(server.wait(), 0)

    def test_call_says_why_it_doesn_t_speak_it(self):
        with Bullpen("work", "--listen", "sctp:127.0.0.1:7002"):
            done = subprocess.run([PROGRAM, "call", "raw", "sctp:127.0.0.1:7002"], stdin=subprocess.DEVNULL, text=True,
                                  capture_output=True, timeout=PATIENCE, check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("SCTP has no half-closed state", done.stderr)


@unittest.skipIf(kernel_has_it(), "this kernel has SCTP")
class WithoutSctp(unittest.TestCase):
    def test_one_sentence_says_so(self):
        done = subprocess.run([PROGRAM, "serve", "echo", "--listen", "sctp:127.0.0.1:0"], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("cannot listen on sctp:127.0.0.1:0, this kernel has no SCTP", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
