"""A user's HTTP function (bullpen/http.hpp) with real clients: http_function.cpp says what its paths answer."""

import os
import re
import select
import socket
import subprocess
import time
import unittest
from contextlib import closing
from pathlib import Path

from every_model import CASES, chosen, flags_of
from harness import TOP, Bullpen, wait_until

PROGRAM = Path(os.environ.get("BULLPEN", TOP / "build/sanitized/bullpen"))
HTTP_FUNCTION = str(PROGRAM.with_name("http_function"))
TIMEOUT = 60
WITHOUT_HANDLERS = {"event", "prefork-event", "inetd"}
BODY_MAX = 100_000


def http_function(*flags):
    return Bullpen("--body-max", str(BODY_MAX), *flags, program=HTTP_FUNCTION)


def under_each_model(test):
    def run(self):
        for case in chosen():
            if case.partition(",")[0] not in WITHOUT_HANDLERS:
                with self.subTest(model=case), http_function(*flags_of(case)) as server:
                    test(self, server)
    return run


class Answer:
    def __init__(self, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        self.fields = dict(line.split(": ", 1) for line in lines[1:])
        self.body = body
        self.size = len(head) + 4 + len(body)


class Client:
    """Speaks just when and what the test says, and reads one answer after the other."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *parts):
        self.socket.sendall(b"".join(part if isinstance(part, bytes) else part.encode() for part in parts))

    def read_head(self):
        while b"\r\n\r\n" not in self.data:
            if not (piece := self.socket.recv(65536)):
                raise EOFError(self.data)
            self.data += piece
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        return head

    def read(self, method="GET"):
        answer = Answer(self.read_head(), b"")
        size = 0 if method == "HEAD" or answer.status in (204, 304) else int(answer.fields["Content-Length"])
        while len(self.data) < size:
            if not (piece := self.socket.recv(65536)):
                raise EOFError(self.data)
            self.data += piece
        answer.body, self.data = self.data[:size], self.data[size:]
        answer.size += size
        return answer

    def rest(self):
        """All until the server's end."""
        while piece := self.socket.recv(65536):
            self.data += piece
        data, self.data = self.data, b""
        return data


def head(method, target, *lines):
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *lines, "", ""])


def post(target, body, *lines):
    return head("POST", target, f"Content-Length: {len(body)}", *lines).encode() + body


def chunked(body, *sizes):
    """In chunks of these sizes, over and over."""
    text, turn = b"", 0
    while body:
        size = sizes[turn % len(sizes)]
        turn += 1
        text += f"{min(size, len(body)):x}\r\n".encode() + body[:size] + b"\r\n"
        body = body[size:]
    return text + b"0\r\n\r\n"


def pattern(size):
    return bytes((i * 31 + i // 251) % 256 for i in range(size))


class HttpFunction(unittest.TestCase):
    @under_each_model
    def test_curl_sends_and_gets_bodies_of_all_forms(self, server):
        body = pattern(BODY_MAX)
        for flags in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"], ["--http1.0"],
                      ["-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue"]):
            done = subprocess.run(["curl", "-sS", "--fail", "--max-time", "60", *flags, "-X", "PUT", "--data-binary", "@-", f"{server.url}echo"],
                                  input=body, capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, b""), flags)
            self.assertEqual(done.stdout, body, flags)

    @under_each_model
    def test_the_function_is_told_what_was_asked(self, server):
        with Client(server) as client:
            client.send(head("DELETE", "/%64escribe?a=%20", "X-Test: 1", "x-TEST:  2 "))
            self.assertEqual(client.read().body.decode(), "method=DELETE\ntarget=/%64escribe?a=%20\npath=/describe\nquery=a=%20\n"
                             "peer=127.0.0.1:\nx-test=1\nx-test=2\nbody=\n")
            client.send(head("BREW", "/status?418"))
            self.assertEqual(client.read().status, 418)
            client.send(head("CONNECT", "x:1"))
            self.assertEqual(client.read().status, 501)

    @under_each_model
    def test_chunks_may_come_in_odd_pieces(self, server):
        body = pattern(300)
        text = chunked(body, 1, 100, 16, 9).replace(b"0\r\n\r\n", b"000;a=\"b c\"\r\nTrailer: x\r\n\r\n")
        with Client(server) as client:
            for piece in (1, 2, 7, 50, len(text)):
                message = head("POST", "/echo", "Transfer-Encoding: chunked").encode() + text
                for begin in range(0, len(message), piece):
                    client.send(message[begin:begin + piece])
                self.assertEqual(client.read().body, body)

    @under_each_model
    def test_a_client_is_told_to_go_on_if_its_body_is_wanted_and_not_yet_there(self, server):
        expect = "Expect: 100-continue"
        for lines, body in ((["Content-Length: 5"], b"hello"), (["Transfer-Encoding: chunked"], chunked(b"hello", 3))):
            with Client(server) as client:
                client.send(head("POST", "/echo", expect, *lines))
                self.assertEqual(client.read_head(), b"HTTP/1.1 100 Continue")
                client.send(body)
                self.assertEqual(client.read().body, b"hello")
                client.send(head("POST", "/echo", expect, *lines).encode() + body)
                self.assertEqual((client.read().status, client.data), (200, b""))
        with Client(server) as client:
            client.send(head("POST", "/echo", expect, f"Content-Length: {BODY_MAX + 1}"))
            self.assertRegex(client.rest(), b"^HTTP/1.1 413 ")
        with Client(server) as client:
            client.send(head("POST", "/echo", expect, "Content-Length: 2").replace("HTTP/1.1", "HTTP/1.0"))
            self.assertFalse(select.select([client.socket], [], [], 0.1)[0])
            client.send("hi")
            self.assertRegex(client.rest(), b"(?s)^HTTP/1.1 200 .*\r\n\r\nhi$")

    @under_each_model
    def test_a_body_that_is_too_long_gets_413_even_if_its_client_sends_it_all(self, server):
        body = bytes(3_000_000)
        for message in (post("/size", body), head("POST", "/size", "Transfer-Encoding: chunked").encode() + chunked(body, 10_000)):
            with Client(server) as client:
                client.send(message)
                answer = client.read()
                self.assertEqual((answer.status, answer.fields["Connection"], client.rest()), (413, "close", b""))
        with Client(server) as client:
            client.send(post("/size", bytes(BODY_MAX)), head("POST", "/size", "Transfer-Encoding: chunked"),
                        chunked(bytes(BODY_MAX), 999))
            self.assertEqual([client.read().body for _ in range(2)], 2 * [str(BODY_MAX).encode()])

    @under_each_model
    def test_requests_that_come_together_are_answered_in_turn(self, server):
        bodies = [pattern(size) for size in (0, 1, 5, 17_000, 40, 0, 16_300, 3)]
        with Client(server) as client:
            client.send(b"".join(post("/echo", body) if i % 2 else
                                 head("PUT", "/echo", "Transfer-Encoding: chunked").encode() + chunked(body, 1 + i * 1000)
                                 for i, body in enumerate(bodies)), head("GET", "/status?204"), head("HEAD", "/large?70000"),
                        head("GET", "/describe?last", "Connection: close"), head("GET", "/calls"))
            self.assertEqual([client.read().body for _ in bodies], bodies)
            self.assertEqual(client.read().status, 204)
            self.assertEqual(client.read("HEAD").fields["Content-Length"], "70000")
            self.assertIn(b"query=last", client.read().body)
            self.assertEqual(client.rest(), b"")

    @under_each_model
    def test_a_body_that_is_none_is_refused_and_nothing_behind_it_is_a_request(self, server):
        chunks = "Transfer-Encoding: chunked"
        hidden = head("GET", "/describe")
        cases = [(400, head("POST", "/echo", chunks) + size + "\r\n" + hidden)
                 for size in ("", "g", "0x5", "+5", "-1", " 5", "5 ", "5\t", "5 x", "5\n", "5;a\n", "5;\x01", 17 * "0")]
        cases += [(400, head("POST", "/echo", chunks) + text + hidden)
                  for text in ("1\r\nab\r\n", "1\r\na\n0\r\n\r\n", "0\r\n\n", "0\r\nA: b\n\r\n", "0\r\nA\x00: b\r\n\r\n",
                               "1;" + 5000 * "e" + "\r\na\r\n0\r\n\r\n", "0\r\n" + 9000 * "t" + "\r\n\r\n")]
        cases += [(400, head("POST", "/echo", *lines) + "0\r\n\r\n" + hidden)
                  for lines in ((chunks, "Content-Length: 5"), ("Content-Length: 5", "Content-Length: 6"), ("Content-Length: 5, 6",),
                                ("Content-Length: -1",), ("Content-Length: +5",), ("Content-Length: 0x5",), ("Content-Length: ",),
                                ("Transfer-Encoding: chunked, gzip",), ("Transfer-Encoding: gzip",), (chunks, chunks))]
        cases += [(501, head("POST", "/echo", "Transfer-Encoding: gzip, chunked") + "0\r\n\r\n" + hidden),
                  (400, head("POST", "/echo", chunks).replace("HTTP/1.1", "HTTP/1.0") + "0\r\n\r\n" + hidden),
                  *((413, head("POST", "/echo", chunks) + size + "\r\n" + hidden) for size in ("FFFFFFFFFFFFFFFF", "1" + 20 * "0")),
                  (413, head("POST", "/echo", "Content-Length: 18446744073709551615") + hidden)]
        for status, message in cases:
            with self.subTest(message=message[:100]), Client(server) as client:
                client.send(message)
                client.socket.shutdown(socket.SHUT_WR)
                self.assertEqual([int(each) for each in re.findall(rb"HTTP/1\.1 (\d+)", client.rest())], [status])
        for whole in (post("/echo", b"12345"), head("POST", "/echo", chunks).encode() + chunked(b"12345", 2)):
            with self.subTest("the client's end within a body"), Client(server) as client:
                client.send(whole[:-2])
                client.socket.shutdown(socket.SHUT_WR)
                self.assertRegex(client.rest(), b"^HTTP/1.1 400 ")

    @under_each_model
    def test_what_the_function_throws_is_a_500_and_the_connection_goes_on(self, server):
        with Client(server) as client:
            for target in ("/throw", "/throw-7"):
                client.send(head("GET", target), post(target, b"body"), head("GET", "/status?201"))
                self.assertEqual([client.read().status for _ in range(3)], [500, 500, 201])
        self.assertEqual(server.stderr.count("answered 500 Internal Server Error for /throw: as it was asked to"), 2)

    @under_each_model
    def test_no_answer_is_split(self, server):
        for target, body in (("/field", b"X: a\r\nSet-Cookie: b"), ("/field", b"X\r\nSet-Cookie: b"), ("/field", b"X: a\n\r\n"),
                             ("/field", b"Content-Length: 1"), ("/field", b": a"), ("/field", b"X:\0"), ("/type", b"a\r\nSet-Cookie: b"),
                             ("/status?100", b""), ("/status?600", b"")):
            with Client(server) as client:
                client.send(post(target, body), head("GET", "/describe?next"))
                answer = client.read()
                self.assertEqual((answer.status, "Set-Cookie" in answer.fields), (500, False), body)
                self.assertIn(b"query=next", client.read().body)
        with Client(server) as client:
            client.send(post("/field", b"X-Own:a \xe4"))
            self.assertEqual(client.read().fields["X-Own"], "a \xe4")

    @under_each_model
    def test_what_is_answered_is_counted(self, server):
        with Client(server) as client:
            first, second = post("/echo", pattern(30_000)), head("POST", "/size", "Transfer-Encoding: chunked").encode() + chunked(b"hi", 1)
            client.send(first, second)
            sent = client.read().size + client.read().size
            client.send(post("/size", b"", "Connection: close"))
            sent += client.read().size
            client.rest()
        def counted():
            return server.total("bullpen_http_requests_total", method="POST", code="2xx") == 3
        wait_until(counted, "three requests in the metrics")
        self.assertEqual(server.total("bullpen_http_sent_bytes_total"), sent)
        received = len(first) + len(second) + len(post("/size", b"", "Connection: close"))
        self.assertEqual(server.total("bullpen_http_received_bytes_total"), received)

    def test_a_body_that_comes_too_slowly_runs_into_its_limit(self):
        for case in ("prefork", "prethread", "fork", "prefork-accept"):
            with self.subTest(model=case), http_function(*flags_of(case), "--body-timeout", "1", "--body-rate", "1000") as server:
                with Client(server) as silent, Client(server) as dripping:
                    silent.send(post("/echo", b"12345")[:-1])
                    dripping.send(head("POST", "/echo", "Transfer-Encoding: chunked"))
                    def drip():  # A byte in each chunk is progress, but slower than the rate.
                        try:
                            dripping.send("1\r\na\r\n")
                        except ConnectionError:
                            return True
                        return bool(select.select([dripping.socket], [], [], 0.05)[0])
                    wait_until(drip, "the end of a client that sends byte by byte")
                    self.assertEqual(silent.rest(), b"")
                wait_until(lambda: server.total("bullpen_connections_timed_out_total", limit="body") == 2, "two clients that were too slow")

    def test_half_a_head_holds_no_worker(self):
        with http_function("--model", "prefork", "--workers", "1") as server, Client(server) as half:
            message = post("/echo", b"hello")
            half.send(message[:20])
            for _ in range(3):
                with Client(server) as other:
                    other.send(head("GET", "/status?200"))
                    self.assertEqual(other.read().status, 200)
            half.send(message[20:])
            self.assertEqual(half.read().body, b"hello")

    def test_an_answer_that_is_taken_slowly_holds_no_worker(self):
        size = 20_000_000
        with http_function("--model", "prefork", "--workers", "1") as server, Client(server) as slow:
            slow.send(post(f"/large?{size}", b"hi"), head("GET", "/describe?behind"))
            for _ in range(3):
                with Client(server) as other:
                    other.send(head("GET", "/status?200"))
                    self.assertEqual(other.read().status, 200)
            self.assertEqual(slow.read().body, size * b"x")
            self.assertIn(b"query=behind", slow.read().body)

    def test_a_request_is_tried_again_after_a_crash_only_if_it_is_safe(self):
        for message, deaths in ((head("GET", "/kill"), 2), (post("/kill", b""), 1), (head("DELETE", "/kill"), 1), (post("/kill", b"x"), 1)):
            with self.subTest(message=message), http_function("--model", "prefork", "--workers", "2") as server:
                server.may_lose = True
                with Client(server) as client:
                    client.send(message)
                    try:
                        self.assertEqual(client.rest(), b"")
                    except ConnectionResetError:
                        pass
                wait_until(lambda: server.total("bullpen_worker_exits_total", reason="signal") == deaths, f"{deaths} deaths")


if __name__ == "__main__":
    unittest.main()
