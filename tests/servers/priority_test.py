"""The service priority: a second connection, back to the client, overtakes what is sent on the first."""

import contextlib
import os
import re
import secrets
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from every_model import chosen, flags_of, model_of
from harness import TOP, Bullpen, end_with

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))
EVENTS = {"event", "prefork-event"}
MIB = 1 << 20


def serving(*flags):
    return Bullpen("priority", *flags)


def line_of(sock):
    return b"".join(iter(lambda: sock.recv(1), b"\n"))


def exactly(sock, size):
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece, len(data)
        data += piece
    return bytes(data)


def rest_of(sock):
    return b"".join(iter(lambda: sock.recv(65536), b""))


class Client:
    """One that keeps to the protocol, as far as it isn't told otherwise."""

    def __init__(self, server, host="127.0.0.1", client_host=None):
        client_host = client_host or host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.stack = contextlib.ExitStack()
        self.listener = self.stack.enter_context(socket.create_server((client_host, 0), family=family))
        self.listener.settimeout(60)
        self.port = self.listener.getsockname()[1]
        self.normal = self.stack.enter_context(socket.create_connection((host, server.port), timeout=60, source_address=(client_host, 0)))
        self.first, self.second = secrets.token_hex(16).encode(), secrets.token_hex(16).encode()

    def greet(self, port=None):
        self.normal.sendall(b"%d %s%s\n" % (port or self.port, self.first, self.second))

    def accept(self, answer=None):
        self.priority, self.peer = self.listener.accept()
        self.stack.enter_context(self.priority).settimeout(60)
        self.said = line_of(self.priority)
        self.priority.sendall((answer or self.second) + b"\n")

    def begin(self):
        self.greet()
        self.accept()
        assert self.said == self.first, self.said
        assert line_of(self.normal) == b"ok"
        return self

    def ask(self, text):
        self.priority.sendall(text + b"\n")
        return line_of(self.priority)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()


class Priority(unittest.TestCase):
    def test_every_model_of_blocking_handlers_serves_both_connections(self):
        for case in chosen():
            if model_of(case) in EVENTS:
                continue
            with self.subTest(case=case), serving(*flags_of(case)) as server:
                for _ in range(3):
                    with Client(server).begin() as client:
                        self.assertEqual(client.ask(b"first"), b"0 first")
                        client.normal.sendall(b"hello")
                        self.assertEqual(exactly(client.normal, 5), b"hello")
                        client.priority.sendall(b"a\n\nb")
                        self.assertEqual([line_of(client.priority), line_of(client.priority)], [b"5 a", b"5 "])
                        self.assertEqual(client.ask(b"c"), b"5 bc")
                        client.priority.shutdown(socket.SHUT_WR)
                        self.assertEqual(rest_of(client.priority), b"")
                        client.normal.sendall(b"more")
                        client.normal.shutdown(socket.SHUT_WR)
                        self.assertEqual(rest_of(client.normal), b"more")

    def test_a_priority_line_overtakes_megabytes_that_nobody_takes(self):
        data = os.urandom(MIB) * 16
        for model in ("prefork", "prethread", "inetd"):
            with self.subTest(model=model), serving("--model", model) as server, Client(server).begin() as client:
                sender = threading.Thread(target=client.normal.sendall, args=(data,))
                sender.start()
                before = int(client.ask(b"x").split()[0])
                while True:  # Until all buffers are full.
                    sender.join(0.2)
                    now = int(client.ask(b"x").split()[0])
                    if now == before > 0:
                        break
                    before = now
                self.assertTrue(sender.is_alive())
                self.assertLess(now, len(data) - 8 * MIB)
                received = exactly(client.normal, len(data))
                sender.join()
                self.assertTrue(received == data)
                self.assertEqual(client.ask(b"y"), b"%d y" % len(data))

    def test_a_client_that_ends_one_side_has_the_other(self):
        with serving() as server, Client(server).begin() as client:
            client.normal.shutdown(socket.SHUT_WR)
            self.assertEqual(rest_of(client.normal), b"")
            self.assertEqual(client.ask(b"x"), b"0 x")
            client.priority.shutdown(socket.SHUT_WR)
            self.assertEqual(rest_of(client.priority), b"")

    def test_who_listens_there_and_does_not_know_the_cookie_is_refused(self):
        with serving() as server:
            for answer in (b"0" * 32, None):
                with self.subTest(answer=answer), Client(server) as client:
                    client.greet()
                    client.accept(answer or client.first)  # The server's own half tells nobody the other.
                    self.assertEqual(rest_of(client.normal), b"refused: port %d doesn't know the cookie\n" % client.port)
                    self.assertEqual(client.said, client.first)
                    self.assertEqual(rest_of(client.priority), b"")

    def test_a_client_that_never_listens_or_never_answers_is_refused(self):
        with serving("--workers", "1", "--header-timeout", "1") as server:
            with Client(server) as client:
                client.greet()
                client.listener.accept()[0].close()
                self.assertRegex(rest_of(client.normal), rb"^refused: port \d+( doesn't know the cookie|: Connection reset by peer)\n$")
            with Client(server) as client:
                client.listener.close()
                client.greet()
                self.assertEqual(rest_of(client.normal), b"refused: port %d: Connection refused\n" % client.port)
            with Client(server) as client:
                client.greet()  # The kernel answers the connect, and nobody after it.
                self.assertEqual(rest_of(client.normal), b"refused: port %d doesn't answer in time\n" % client.port)
            with Client(server).begin() as client:
                self.assertEqual(client.ask(b"x"), b"0 x")

    def test_the_server_connects_to_the_clients_own_address_alone(self):
        with serving("--listen", "0.0.0.0:0") as server, Client(server, client_host="127.0.0.2") as client, \
                socket.create_server(("127.0.0.1", client.port)) as other:
            client.begin()
            self.assertEqual(client.peer[0], "127.0.0.1")  # From where the client has connected to.
            self.assertEqual(client.ask(b"x"), b"0 x")
            other.setblocking(False)
            self.assertRaises(BlockingIOError, other.accept)

    def test_what_is_no_greeting_is_refused(self):
        cookie = b"0" * 64
        expected = b"refused: expected: PORT COOKIE, a cookie of 64 digits of 0-9a-f\n"
        with serving() as server:
            for greeting, answer in ((b"1023 %s\n" % cookie, b"refused: port 1023 is below 1024\n"),
                                     (b"0 %s\n" % cookie, b"refused: port 0 is below 1024\n"),
                                     (b"65536 %s\n" % cookie, expected), (b"-1 %s\n" % cookie, expected),
                                     (b"2000 %s\n" % cookie[1:], expected), (b"2000 %sG\n" % cookie[1:], expected),
                                     (b"2000%s\n" % cookie, expected), (b"\n", expected), (b"x" * 1000, expected)):
                with self.subTest(greeting=greeting), Client(server) as client:
                    client.normal.sendall(greeting)
                    self.assertEqual(rest_of(client.normal), answer)
        with tempfile.TemporaryDirectory() as home, serving("--listen", f"unix:{home}/s"), \
                socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{home}/s")
            client.sendall(b"2000 %s\n" % cookie)
            self.assertEqual(rest_of(client), b"refused: a priority connection needs TCP, and this client has no address\n")

    def test_an_incomplete_greeting_holds_no_worker(self):
        with serving("--workers", "1") as server, Client(server) as slow, Client(server) as other:
            slow.normal.sendall(b"2000 ")
            self.assertEqual(other.begin().ask(b"x"), b"0 x")

    def test_ipv6(self):
        with serving("--listen", "[::1]:0") as server, Client(server, "::1").begin() as client:
            self.assertEqual(client.peer[0], "::1")
            self.assertEqual(client.ask(b"x"), b"0 x")

    def test_a_line_that_is_too_long_ends_the_priority_side(self):
        with serving() as server, Client(server).begin() as client:
            client.priority.sendall(b"x" * 4095 + b"\n")
            self.assertEqual(line_of(client.priority), b"0 " + b"x" * 4095)
            client.priority.sendall(b"x" * 4096)
            self.assertEqual(rest_of(client.priority), b"? a priority message has at most 4096 bytes\n")
            client.normal.sendall(b"x")
            self.assertEqual(client.normal.recv(1), b"x")

    def test_silence_and_a_stop_end_a_session(self):
        with serving("--idle-timeout", "1") as server, Client(server).begin() as client:
            self.assertEqual(rest_of(client.normal), b"")
            self.assertEqual(rest_of(client.priority), b"")
            self.assertEqual(server.total("bullpen_connections_timed_out_total", limit="idle"), 1)
        with serving() as server, Client(server).begin() as client:
            server.terminate()
            self.assertEqual(rest_of(client.normal), b"")
            client.normal.close()
            self.assertEqual(server.wait(), 0)


class Call(unittest.TestCase):
    def call(self, *arguments, given=b""):
        done = subprocess.run([PROGRAM, "call", "priority", *arguments], input=given, capture_output=True, timeout=120, check=False)
        return done.returncode, done.stdout, done.stderr.decode()

    def test_its_texts_overtake_its_input(self):
        data = os.urandom(MIB) * 64
        for listen, host in (("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "[::1]")):
            with self.subTest(listen=listen), serving("--listen", listen) as server:
                status, said, urgent = self.call("--priority", "one two", "--priority", "three", f"{host}:{server.port}", given=data)
                self.assertEqual(status, 0)
                self.assertTrue(said == data)
                found = re.fullmatch(r"(\d+) one two\n(\d+) three\n", urgent)
                self.assertTrue(found, urgent)
                self.assertLess(int(found[2]), len(data) - 8 * MIB)
        with serving() as server:
            self.assertEqual(self.call(f"127.0.0.1:{server.port}", given=b"x"), (0, b"x", ""))
            self.assertEqual(self.call("--no-input", "--priority", "t", f"127.0.0.1:{server.port}"), (0, b"", "0 t\n"))

    def test_it_refuses_who_connects_without_the_cookie(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(60)
            with subprocess.Popen([PROGRAM, "call", "priority", "--priority", "t", f"127.0.0.1:{listener.getsockname()[1]}"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  preexec_fn=end_with(os.getpid())) as caller, listener.accept()[0] as normal:
                port, cookie = line_of(normal).split()
                address = ("127.0.0.1", int(port))
                with socket.create_connection(address, timeout=60), socket.create_connection(address, timeout=60) as rogue:
                    rogue.sendall(b"0" * 32 + b"\n")  # The other one says nothing.
                    self.assertEqual(rest_of(rogue), b"")
                    with socket.create_connection(address, timeout=60) as priority:
                        priority.sendall(cookie[:32] + b"\n")
                        self.assertEqual(line_of(priority), cookie[32:])
                        normal.sendall(b"ok\n")
                        self.assertEqual(rest_of(priority), b"t\n")
                        priority.sendall(b"0 t\n")
                    normal.close()
                self.assertEqual(caller.stderr.read(), b"0 t\n")
                self.assertEqual(caller.wait(60), 0)

    def test_mistakes_get_a_sentence(self):
        with serving() as server, Bullpen("daytime") as other, tempfile.TemporaryDirectory() as home, \
                serving("--listen", f"unix:{Path(home)}/s"):
            address = f"127.0.0.1:{server.port}"
            for arguments, status, sentence in (
                    (("--priority", "a\nb", address), 2, "--priority takes one line of text"),
                    ((f"unix:{home}/s",), 2, "priority needs a TCP server"),
                    ((f"127.0.0.1:{other.port}",), 1, "the server says '")):
                with self.subTest(arguments=arguments):
                    done = self.call(*arguments)
                    self.assertEqual(done[0], status, done)
                    self.assertIn(sentence, done[2])
                    self.assertEqual(done[2].count("\n"), 1)
            done = subprocess.run([PROGRAM, "call", "echo", "--priority", "t", address], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn("--priority goes with the service priority alone", done.stderr)


if __name__ == "__main__":
    unittest.main()
