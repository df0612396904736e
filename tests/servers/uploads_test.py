"""Uploads that are answered before they are whole: the client gets its answer, however much it still sends."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from contextlib import closing, contextmanager
from pathlib import Path

from every_model import chosen, flags_of, model_of, under
from harness import Bullpen, end_with, wait_until
from slow_client import TIMEOUT, ask, connect, read_answer

LARGE = 8_000_000
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
# Through nginx, 3 MB each; the figure of merit wants hundreds.
PROXIED = int(os.environ.get("BULLPEN_PROXIED_UPLOADS", "40"))
TAKE_TURNS = ("prefork", "prefork-event")


def read_to_end(client):
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


def head_of(*lines, method="POST"):
    return "\r\n".join([f"{method} /file.txt HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def answer_after(address, head, body=b"", piece=1 << 16):
    """All that comes back, once the head and the whole body are sent: a client that doesn't look before."""
    with closing(socket.create_connection(address, TIMEOUT)) as client:
        client.sendall(head)
        for begin in range(0, len(body), piece):
            client.sendall(body[begin:begin + piece])
        return read_to_end(client)


def in_flight(server):
    return server.total("bullpen_connections_in_flight")


class Endless:
    """Clients that post and never stop, until the server has had enough."""

    def __init__(self, server, count):
        self.stop = False
        self.threads = [threading.Thread(target=self.send, args=(("127.0.0.1", server.port),)) for _ in range(count)]

    def send(self, address):
        piece = bytes(1 << 16)
        with closing(socket.create_connection(address, TIMEOUT)) as client:
            try:
                client.sendall(head_of("Transfer-Encoding: chunked"))
                while not self.stop:
                    client.sendall(piece)
            except ConnectionError:
                pass

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def join(self):
        for thread in self.threads:
            thread.join(TIMEOUT)
        return not any(thread.is_alive() for thread in self.threads)

    def __exit__(self, *_):
        self.stop = True
        self.join()


class Uploads(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)
        Path(self.home.name, "file.txt").write_text("hello\n")
        self.upload = Path(self.home.name, "upload")
        self.upload.write_bytes(bytes(LARGE))

    def serve(self, *flags):
        return Bullpen("http", "--root", self.home.name, *flags)

    def curl(self, url, *flags):
        """The status of a POST of the large file."""
        done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--data-binary", f"@{self.upload}",
                               *flags, url], capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return done.returncode, done.stdout

    def test_a_client_that_sends_all_before_it_looks_gets_its_answer_under_every_model(self):
        length = f"Content-Length: {LARGE}"
        too_long = "X: " + "x" * 20_000
        cases = [(b"405", head_of(length)), (b"405", head_of("Expect: 100-continue", length)),
                 (b"405", head_of("Transfer-Encoding: chunked")), (b"405", head_of(length, method="PUT")),
                 (b"400", head_of("no field", length)), (b"431", head_of(too_long, length)),
                 (b"501", head_of(length, method="BREW"))]
        for case in chosen():
            with self.subTest(case=case), self.serve(*flags_of(case)) as server:
                for status, head in cases:
                    answer = answer_after(("127.0.0.1", server.port), head, bytes(LARGE))
                    self.assertEqual(answer[9:12], status)
                    self.assertEqual(answer.count(b"HTTP/1.1"), 1)
                    self.assertIn(b"\r\nConnection: close\r\n", answer)

    def test_curl_sees_the_answer_whether_it_expects_to_continue_or_not(self):
        for case in chosen():
            with self.subTest(case=case), self.serve(*flags_of(case)) as server:
                for expect in ("Expect:", "Expect: 100-continue"):
                    self.assertEqual(self.curl(server.url + "file.txt", "-H", expect), (0, "405"))

    def test_who_expects_to_continue_is_told_no_and_sends_nothing(self):
        for model in ("prefork", "prefork-event", "prefork-accept"):
            with self.subTest(model=model), self.serve("--model", model) as server:
                answer = answer_after(("127.0.0.1", server.port), head_of("Expect: 100-continue", "Content-Length: 9"))
                self.assertEqual(answer[9:12], b"405")
                self.assertEqual(answer.count(b"HTTP/1.1"), 1)

    def test_who_sends_slowly_is_not_cut_off_while_something_comes_and_is_no_slow_request(self):
        limited = ["--request-timeout", "1", "--request-grace", "0"]
        for model, flags in (("prefork", limited), ("prefork-event", []), ("prefork-accept", limited)):
            with self.subTest(model=model), self.serve("--model", model, "--linger-timeout", "1", *flags) as server, \
                    closing(connect(server)) as client:
                client.sendall(head_of("Content-Length: 1000"))
                for _ in range(6):
                    time.sleep(0.4)  # It is slow: less than the silence each time, more in all.
                    client.sendall(b"x")
                self.assertEqual(read_to_end(client)[9:12], b"405")
                self.assertEqual(server.total("bullpen_worker_exits_total", reason="request_timeout"), 0)

    def test_who_falls_silent_is_closed_after_a_while(self):
        for model in ("prefork", "prefork-event", "prefork-accept"):
            with self.subTest(model=model), self.serve("--model", model, "--linger-timeout", "1") as server, \
                    closing(connect(server)) as client:
                client.sendall(head_of("Content-Length: 1000"))
                self.assertEqual(read_to_end(client)[9:12], b"405")
                wait_until(lambda: in_flight(server) == 0, "the connection's end")
                self.assertEqual(server.total("bullpen_connections_completed_total"), 1)

    def test_who_never_stops_is_closed_after_a_while(self):
        for case in chosen():
            if model_of(case) == "inetd":
                continue  # Its programs have their own limits.
            with self.subTest(case=case), self.serve(*flags_of(case), "--linger-total", "1") as server, \
                    Endless(server, 1) as endless:
                self.assertTrue(endless.join(), "it is still sending")

    @under(*TAKE_TURNS)
    def test_those_who_never_stop_leave_others_their_turns(self, model):
        with self.serve("--model", model, "--workers", "1") as server, Endless(server, 4):
            wait_until(lambda: in_flight(server) == 4, "four uploads")
            for _ in range(20):
                with closing(connect(server)) as client:
                    ask(client, "/file.txt")
                    self.assertEqual(read_answer(client), b"hello\n")

    def test_a_stop_does_not_wait_for_those_who_never_stop(self):
        for model in ("prefork", "prefork-event", "prefork-accept"):
            with self.subTest(model=model), \
                    self.serve("--model", model, "--workers", "2", "--linger-timeout", "1") as server, \
                    Endless(server, 2) as endless:
                wait_until(lambda: in_flight(server) == 2, "two uploads")
                self.assertEqual(server.stop(), 0)
                self.assertTrue(endless.join())
                self.assertNotIn("lost", server.stderr)


class Refusals(unittest.TestCase):
    """Who is refused before a worker has it."""

    upload = head_of(f"Content-Length: {LARGE}"), bytes(LARGE)

    @under("prefork", "fork")
    def test_who_is_refused_for_overload_hears_why_while_it_uploads(self, model):
        with Bullpen("work", "--model", model, "--workers-max", "1", "--queue", "5", "--queue-timeout", "300") as server:
            with closing(connect(server)) as busy:
                ask(busy, "/sleep/2500")
                wait_until(lambda: server.total("bullpen_connections_in_flight", where="begun") == 1, "it to begin")
                self.assertEqual(answer_after(("127.0.0.1", server.port), *self.upload)[9:12], b"503")
                self.assertIsNotNone(read_answer(busy))
            self.assertEqual(server.total("bullpen_connections_refused_total", reason="overload"), 1)

    @under("prefork", "fork")
    def test_who_is_refused_at_the_door_hears_why_while_it_uploads(self, model):
        with Bullpen("http", "--model", model, "--source-connections", "1") as server, closing(connect(server)):
            wait_until(lambda: in_flight(server) == 1, "the first client")
            self.assertEqual(answer_after(("127.0.0.1", server.port), *self.upload)[9:12], b"503")
            self.assertEqual(server.total("bullpen_connections_refused_total", reason="source"), 1)

    def test_the_exporter_answers_who_uploads(self):
        with Bullpen("echo") as server:
            for method in ("POST", "GET"):
                head = head_of(f"Content-Length: {LARGE}", method=method).replace(b"/file.txt", b"/metrics")
                answer = answer_after(("127.0.0.1", server.metrics_port), head, bytes(LARGE))
                self.assertIn(answer[9:12], (b"405", b"413"))


@unittest.skipUnless(NGINX, "nginx is not installed")
class Proxied(unittest.TestCase):
    """Debian's nginx in front: an answer that it can't read is a 502."""

    @contextmanager
    def nginx(self, home, port):
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            own = free.getsockname()[1]
        Path(home, "nginx.conf").write_text(f"""
            daemon off; pid {home}/pid; error_log {home}/error.log; worker_processes 1;
            events {{ worker_connections 256; }}
            http {{
                access_log off; client_max_body_size 0;
                client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/f;
                uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
                server {{ listen 127.0.0.1:{own}; location / {{ proxy_pass http://127.0.0.1:{port}; }} }}
            }}
        """)
        process = subprocess.Popen([NGINX, "-p", home, "-c", f"{home}/nginx.conf", "-e", f"{home}/error.log"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   preexec_fn=end_with(os.getpid()))
        try:
            def answers():
                with socket.socket() as client:
                    return client.connect_ex(("127.0.0.1", own)) == 0
            wait_until(answers, "nginx")
            yield own
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(TIMEOUT)

    def test_no_upload_through_nginx_is_a_502(self):
        for model in ("prefork", "prefork-event", "prefork-accept"):
            with self.subTest(model=model), tempfile.TemporaryDirectory() as home:
                Path(home, "file.txt").write_text("hello\n")
                os.chmod(home, 0o777)  # nginx's worker may be another user.
                with Bullpen("http", "--root", home, "--model", model) as server, self.nginx(home, server.port) as port:
                    head = head_of("Content-Length: 3000000", "Connection: close")
                    statuses = [answer_after(("127.0.0.1", port), head, bytes(3_000_000))[9:12] for _ in range(PROXIED)]
                    self.assertEqual({*statuses}, {b"405"}, statuses)


if __name__ == "__main__":
    unittest.main()
