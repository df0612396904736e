"""The requests in nasty_requests.txt have the answers that stand there, the same bytes under every model, and what the
exporter says of a request is what the service http says."""

import concurrent.futures
import os
import re
import socket
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path

from every_model import CASES, flags_of
from harness import Bullpen

TIMEOUT = 60
REQUESTS = Path(__file__).with_name("nasty_requests.txt")
# One of each kind of conversation: one after the other, given back while it waits, as a coroutine, both.
THOROUGH = {"iterative", "prefork", "event", "prefork-event", "epoll"}
ELSEWHERE = 12  # The other models have one of so many requests, each another share.


def bytes_of(text):
    repeated = re.sub(r"\{(.*?)\*(\d+)\}", lambda match: match[1] * int(match[2]), text)
    return repeated.encode("latin-1").decode("unicode_escape").encode("latin-1")


@dataclass(frozen=True)
class Request:
    line: int
    expected: list  # Statuses.
    marks: str
    text: bytes


def read_requests():
    for number, line in enumerate(REQUESTS.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        marks, statuses = re.fullmatch("([fw]*)(\\S+) *", line[:9]).groups()
        expected = [] if statuses == "-" else [int(status) for status in statuses.split("+")]
        yield Request(number, expected, marks, bytes_of(line[9:]))


def exchange(port, *pieces):
    """All that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
        except OSError:  # The server has closed already; the answer may be there nevertheless.
            pass
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    return re.sub(rb"\r\nDate: [^\r]*", b"", answer)


def answers_in(data):
    """(status, fields, body) of each. The answer to HEAD has no body, although it has a Content-Length."""
    answers = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        line, *rest = head.decode().split("\r\n")
        fields = dict(field.split(": ", 1) for field in rest)
        size = 0 if data.startswith(b"HTTP/1.1 ") else int(fields.get("Content-Length", 0))
        answers.append((int(line.split()[1]), fields, data[:size]))
        data = data[size:]
    return answers


def judgement(data):
    """What doesn't depend on what is served."""
    return [(status, [fields.get(name) for name in ("Connection", "Allow", "Location")], status == 200 or body)
            for status, fields, body in answers_in(data)]


class SameAnswers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="bullpen-same-"))
        file = Path(cls.root, "healthz")
        file.write_text("ok\n")
        os.utime(file, (1_000_000_000, 1_000_000_000))  # A young file has no date: the answers would differ by the time.
        cls.requests = list(read_requests())
        with Bullpen("http", "--root", cls.root, "--model", "prefork") as server:
            cls.answers = cls.ask(server.port, cls.requests)
            cls.exported = cls.ask(server.metrics_port, [request for request in cls.requests if "f" not in request.marks])

    @staticmethod
    def ask(port, requests, cut=lambda request: [request]):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            asked = {request.line: pool.submit(exchange, port, *cut(request.text)) for request in requests}
            return {line: answer.result() for line, answer in asked.items()}

    def check_same(self, answers, where):
        for number, answer in answers.items():
            with self.subTest(line=number, where=where):
                self.assertEqual(answer, self.answers[number])

    def test_each_request_has_its_answers(self):
        for request in self.requests:
            with self.subTest(line=request.line, request=request.text[:80]):
                self.assertEqual([status for status, _, _ in answers_in(self.answers[request.line])], request.expected)

    def test_every_model_gives_the_same_bytes(self):
        for place, case in enumerate(CASES):
            requests = self.requests if case in THOROUGH else self.requests[place % ELSEWHERE::ELSEWHERE]
            with Bullpen("http", "--root", self.root, *flags_of(case)) as server:
                self.check_same(self.ask(server.port, requests), case)

    def test_it_doesnt_matter_how_the_bytes_are_cut(self):
        def halves(text):
            return [text[:len(text) // 2], text[len(text) // 2:]]

        def small_pieces(text):
            return [text[at:at + 7] for at in range(0, len(text), 7)] if len(text) < 1000 else [text]

        requests = [request for request in self.requests if "w" not in request.marks]
        for model in sorted(THOROUGH):
            with Bullpen("http", "--root", self.root, "--model", model) as server:
                for cut in (halves, small_pieces):
                    self.check_same(self.ask(server.port, requests, cut), f"{model}, {cut.__name__}")

    def test_the_exporter_judges_as_the_service_does(self):
        for number, answer in self.exported.items():
            with self.subTest(line=number):
                self.assertEqual(judgement(answer), judgement(self.answers[number]))


if __name__ == "__main__":
    unittest.main()
