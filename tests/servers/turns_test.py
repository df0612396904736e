"""The models select, poll, epoll and signal: one process and thread serves all clients in turns."""

import os
import re
import resource
import socket
import subprocess
import tempfile
import threading
import unittest
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from every_model import IN_TURNS, chosen, under
from harness import TOP, Bullpen, echo, wait_until

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))
MODELS = [case for case in chosen(with_alike=True) if case in IN_TURNS]
ONE = MODELS[:1]  # For what is the loop's, which they have in common.


@contextmanager
def enough_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def hold(server, stack, count):
    """So many clients of echo, each of which had an answer."""
    clients = [stack.enter_context(connect(server)) for _ in range(count)]
    for client in clients:
        client.sendall(b"a")
    for client in clients:
        assert client.recv(1) == b"a"
    return clients


class OneThatNeverStops(unittest.TestCase):
    """Ninety-nine others are served meanwhile."""

    OTHERS = 99

    def flood(self, server, piece):
        """Sends and takes for ever, as fast as it can. Returns what it has taken so far, and its sender's end."""
        client = connect(server)
        taken = [0]

        def send():
            try:
                while True:
                    client.sendall(piece)
            except OSError:
                pass

        def take():
            try:
                while size := len(client.recv(1 << 20)):
                    taken[0] += size
            except OSError:
                pass

        threads = [threading.Thread(target=act) for act in ([send, take] if piece else [take])]
        for thread in threads:
            thread.start()

        def end():
            client.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
            client.close()

        return taken, end

    def ask_all(self, server, question, answer):
        clients = [connect(server) for _ in range(self.OTHERS)]
        for client in clients:
            client.sendall(question)
        for client in clients:
            with client:
                self.assertIn(answer, client.recv(65536))

    def check(self, service, piece, question, answer, model):
        with Bullpen(*service, "--model", model) as server:
            taken, end = self.flood(server, piece)
            try:
                wait_until(lambda: taken[0], "the first of what it takes")
                self.ask_all(server, question, answer)
                before = taken[0]
                wait_until(lambda: taken[0] > before, "more of what it takes")  # It goes on all the while.
            finally:
                end()
            server.check_conservation()

    @under(*MODELS)
    def test_of_echo(self, model):
        self.check(("echo",), b"x" * 65536, b"hello", b"hello", model)

    @under(*ONE)
    def test_of_http(self, model):
        """It sends request after request, and its answers' bytes are many."""
        request = b"GET /bytes/100000 HTTP/1.1\r\nHost: x\r\n\r\n"
        self.check(("work",), request * 20, b"GET /bytes/10 HTTP/1.0\r\n\r\n", b" 200 ", model)

    @under(*ONE)
    def test_of_chargen(self, model):
        """Whatever is sent, characters without end are taken."""
        self.check(("chargen",), b"", b"", b"!", model)


class HalfAHead(unittest.TestCase):
    @under(*ONE)
    def test_on_a_unix_socket_which_is_always_readable_costs_no_turn_after_turn(self, model):
        with tempfile.TemporaryDirectory() as home:
            path = f"{home}/socket"
            with Bullpen("http", "--root", home, "--model", model, "--listen", f"unix:{path}") as server, \
                    closing(socket.socket(socket.AF_UNIX)) as client:
                client.connect(path)
                client.sendall(b"GET / HTTP/1.1\r\n")
                worker = server.workers()[0]

                def turns():
                    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)$",
                                         Path(f"/proc/{worker}/status").read_text(), re.M)[1])

                rested = turns()
                wait_until(lambda: turns() > rested + 10, "some looks")
                before = sum(map(int, Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[11:13]))
                rested = turns()
                wait_until(lambda: turns() > rested + 4, "more of them")  # About four a second by now.
                after = sum(map(int, Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[11:13]))
                self.assertLess(after - before, 10)  # Hundredths of a second, of one second.
                client.sendall(b"Host: x\r\nConnection: close\r\n\r\n")
                client.settimeout(60)
                self.assertIn(b" 200 ", client.recv(4096))


class FdSetSize(unittest.TestCase):
    def test_select_takes_no_capacity_that_an_fd_set_has_no_room_for(self):
        said = subprocess.run([PROGRAM, "serve", "echo", "--model", "select", "--capacity", "1001", "--listen",
                               "127.0.0.1:0"], capture_output=True, text=True, timeout=60)
        self.assertEqual(said.returncode, 2, said.stderr)
        self.assertEqual(said.stderr.count("\n"), 1, said.stderr)
        self.assertIn("--capacity: model select can't watch descriptors above 1023 (FD_SETSIZE)", said.stderr)

    def test_select_holds_a_thousand_and_the_next_client_waits_for_one_to_leave(self):
        if "select" not in MODELS:
            self.skipTest("not chosen")
        with enough_descriptors(), Bullpen("echo", "--model", "select") as server, ExitStack() as stack:
            held = hold(server, stack, 1000)
            numbers = list(map(int, os.listdir(f"/proc/{server.workers()[0]}/fd")))
            self.assertLess(max(numbers), 1024)
            self.assertGreater(len(numbers), 1000)
            waiting = stack.enter_context(connect(server))
            waiting.sendall(b"b")
            held[0].sendall(b"c")
            self.assertEqual(held[0].recv(1), b"c")  # A turn later nobody has taken it in.
            self.assertEqual(server.total("bullpen_connections_accepted_total"), 1000)
            held[0].close()
            self.assertEqual(waiting.recv(1), b"b")
            self.assertNotIn("cannot accept", server.stderr)

    def test_the_others_hold_more(self):
        for model in MODELS:
            if model == "select":
                continue
            with self.subTest(model=model), enough_descriptors(), \
                    Bullpen("echo", "--model", model, "--capacity", "2000") as server, ExitStack() as stack:
                hold(server, stack, 1100)
                self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")


if __name__ == "__main__":
    unittest.main()
