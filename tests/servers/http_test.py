"""The service http, seen by its clients."""

import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import Bullpen, wait_until  # noqa: E402

TIMEOUT = 60
HOST = b"Host: x\r\n"


class Site(unittest.TestCase):
    """A server with a root of its own for each class, and the ways to talk to it."""

    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.top = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="bullpen-http-")))
        cls.root = cls.top / "root"
        cls.root.mkdir()
        cls.fill()
        cls.server = cls.enterClassContext(Bullpen("http", "--root", str(cls.root), *cls.arguments))

    @classmethod
    def fill(cls):
        pass

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.server.port), TIMEOUT)
        self.addCleanup(client.close)
        return client

    def exchange(self, request):
        """All that the server sends to these bytes until it closes."""
        client = self.connect()
        client.sendall(request)
        return read_to_end(client)

    def fetch(self, path, method="GET", **headers):
        """One request on a connection of its own: status, headers, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT)
        self.addCleanup(connection.close)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, response.headers, body

    def status_of(self, request):
        """The status in the answer to a request after which the server closes."""
        answer = self.exchange(request)
        self.assertRegex(answer, rb"^HTTP/1\.1 \d\d\d ")
        return int(answer[9:12])

    def check_alive(self):
        self.assertEqual(self.fetch("/")[0], 200)


def age(root):
    """Gives each file a Last-Modified: it has none while it is younger than the end of its second."""
    for path in root.rglob("*"):
        os.utime(path, (time.time() - 100,) * 2)


def read_to_end(client):
    data = b""
    while chunk := client.recv(65536):
        data += chunk
    return data


def read_answers(client, count):
    """Reads that many answers, whose bodies are as long as they say, and nothing behind them."""
    stream = client.makefile("rb")
    answers = []
    for _ in range(count):
        status = int(stream.readline().split()[1])
        headers = http.client.parse_headers(stream)
        answers.append((status, headers, stream.read(int(headers["Content-Length"]))))
    return answers


def random_name(choose):
    letters = "abcXYZ019 %+#?&=;:@!$'()*,~-_äß€漢😀<>\"\\[]{}|^`"
    return choose.choice("abcäZ%+#? ") + "".join(choose.choice(letters) for _ in range(choose.randint(0, 20)))


class RandomFiles(Site):
    COUNT = 500

    @classmethod
    def fill(cls):
        choose = random.Random(20)
        cls.files = {}
        while len(cls.files) < cls.COUNT:
            folder = cls.root / choose.choice(["", "sub", "sub/a b", "ü+%20"])
            folder.mkdir(parents=True, exist_ok=True)
            size = choose.choice([0, 1, 128, 32768, 32769, choose.randint(0, 2000), choose.randint(0, 300 * 1024)])
            file = folder / f"{random_name(choose)}{len(cls.files)}"
            file.write_bytes(choose.randbytes(size))
            cls.files["/" + urllib.parse.quote(str(file.relative_to(cls.root)))] = file

    def test_random_files_arrive_byte_for_byte_at_curl(self):
        with tempfile.TemporaryDirectory() as home:
            config = Path(home, "config")
            config.write_text("".join(f'url = "{self.server.url[:-1]}{path}"\noutput = "{home}/{number}"\n'
                                      for number, path in enumerate(self.files)))
            subprocess.run(["curl", "-sSf", "--globoff", "--path-as-is", "-K", config], check=True, timeout=300)
            for number, file in enumerate(self.files.values()):
                self.assertEqual(Path(home, str(number)).read_bytes(), file.read_bytes(), file)

    def test_random_files_arrive_byte_for_byte_on_one_connection(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT)
        self.addCleanup(connection.close)
        for path, file in self.files.items():
            connection.request("GET", path)
            self.assertEqual(connection.getresponse().read(), file.read_bytes(), file)

    def test_the_listing_links_to_every_file(self):
        page = self.fetch("/sub/")[2].decode()
        for path in self.files:
            if path.startswith("/sub/") and "/" not in path[5:]:
                links = urllib.parse.unquote(path[5:]).encode()
                encoded = "".join(chr(b) if chr(b).isalnum() and b < 128 or chr(b) in "-._~" else f"%{b:02X}" for b in links)
                self.assertIn(f'href="{encoded}"', page)


class Answers(Site):
    @classmethod
    def fill(cls):
        (cls.root / "a.txt").write_text("hello, world\n")
        (cls.root / "page.html").write_text("<p>hi")
        (cls.root / "large.bin").write_bytes(random.Random(1).randbytes(300_000))
        (cls.root / "empty").touch()
        (cls.root / "with").mkdir()
        (cls.root / "with/index.html").write_text("the index")
        (cls.root / "without").mkdir()
        (cls.root / "without/<script>alert('x').txt").write_text("x")
        age(cls.root)

    def test_a_file_comes_with_its_type_length_and_validators(self):
        status, headers, body = self.fetch("/a.txt")
        self.assertEqual((status, body), (200, b"hello, world\n"))
        self.assertEqual(headers["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(headers["Content-Length"], "13")
        self.assertEqual(headers["Server"], "bullpen")
        self.assertEqual(headers["Accept-Ranges"], "bytes")
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertRegex(headers["ETag"], r'^"[0-9a-f]+-[0-9a-f]+"$')
        modified = os.stat(self.root / "a.txt").st_mtime
        self.assertEqual(headers["Last-Modified"], formatdate(int(modified), usegmt=True))
        self.assertLess(abs(parsedate_to_datetime(headers["Date"]).timestamp() - time.time()), 60)

    def test_HEAD_gives_the_same_headers_and_no_body(self):
        for path in ("/a.txt", "/large.bin", "/", "/with/", "/with", "/nothing", "/empty"):
            with self.subTest(path=path):
                get, head = (self.fetch(path, method) for method in ("GET", "HEAD"))
                for _, headers, _ in (get, head):
                    del headers["Date"]
                self.assertEqual((head[0], head[1].items()), (get[0], get[1].items()))
                self.assertEqual(head[2], b"")

    def test_HEAD_is_answered_at_once_and_the_connection_goes_on(self):
        client = self.connect()
        stream = client.makefile("rb")
        begun = time.monotonic()
        for _ in range(30):  # A head that waits for its body (MSG_MORE) leaves after 200 ms.
            client.sendall(b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n")
            self.assertEqual(stream.readline(), b"HTTP/1.1 200 OK\r\n")
            while stream.readline() != b"\r\n":
                pass
        self.assertLess(time.monotonic() - begun, 4)

    def test_a_directory_shows_its_index(self):
        self.assertEqual(self.fetch("/with/")[2], b"the index")

    def test_a_directory_without_its_slash_is_redirected_with_its_query(self):
        status, headers, _ = self.fetch("/with?a=%20b")
        self.assertEqual((status, headers["Location"]), (301, "/with/?a=%20b"))

    def test_no_redirect_leads_to_another_server(self):
        for path in (b"//with", b"///with"):
            self.assertIn(b"\r\nLocation: /with/\r\n", self.exchange(b"GET " + path + b" HTTP/1.0\r\n\r\n"))
        for path in (b"/a/..//x.example/", b"/.//x.example/", b"/./////x.example/"):
            self.assertIn(b"\r\nLocation: /x.example/\r\n", self.exchange(b"GET " + path + b" HTTP/1.0\r\n\r\n"))

    def test_a_directory_without_an_index_is_listed_and_names_are_escaped(self):
        status, headers, body = self.fetch("/without/")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertNotIn(b"<script", body)
        self.assertIn(b"&lt;script&gt;", body)
        with urllib.request.urlopen(self.server.url + "without/%3Cscript%3Ealert%28%27x%27%29.txt",
                                    timeout=TIMEOUT) as response:
            self.assertEqual(response.read(), b"x")

    def test_one_range_is_sent_as_a_part(self):
        whole = (self.root / "large.bin").read_bytes()
        for header, first, last in (("bytes=0-0", 0, 0), ("bytes=100-199", 100, 199), ("bytes=299990-", 299990, 299999),
                                    ("bytes=-10", 299990, 299999), ("bytes=5-100000", 5, 100000),
                                    ("bytes=1000-9999999", 1000, 299999)):
            with self.subTest(header):
                status, headers, body = self.fetch("/large.bin", Range=header)
                self.assertEqual(status, 206)
                self.assertEqual(headers["Content-Range"], f"bytes {first}-{last}/300000")
                self.assertEqual(body, whole[first:last + 1])

    def test_a_range_beyond_the_end_is_416_and_an_odd_one_is_ignored(self):
        status, headers, _ = self.fetch("/a.txt", Range="bytes=13-")
        self.assertEqual((status, headers["Content-Range"]), (416, "bytes */13"))
        for header in ("bytes=0-1,3-4", "lines=0-1", "bytes=x"):
            self.assertEqual(self.fetch("/a.txt", Range=header)[0], 200)

    def test_curl_resumes_a_download(self):
        whole = (self.root / "large.bin").read_bytes()
        with tempfile.TemporaryDirectory() as home:
            Path(home, "part").write_bytes(whole[:123_456])
            subprocess.run(["curl", "-sSf", "-C", "-", "-o", f"{home}/part", self.server.url + "large.bin"],
                           check=True, timeout=TIMEOUT)
            self.assertEqual(Path(home, "part").read_bytes(), whole)

    def test_a_client_that_has_the_file_gets_304_without_a_body(self):
        headers = self.fetch("/a.txt")[1]
        for condition in ({"If_None_Match": headers["ETag"]}, {"If_Modified_Since": headers["Last-Modified"]},
                          {"If_None_Match": f'"other", W/{headers["ETag"]}'}, {"If_None_Match": "*"}):
            with self.subTest(condition):
                status, answer, body = self.fetch("/a.txt", **condition)
                self.assertEqual((status, body, answer["ETag"]), (304, b"", headers["ETag"]))

    def test_a_client_that_has_another_state_gets_the_file(self):
        for condition in ({"If_None_Match": '"other"'}, {"If_Modified_Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
                          {"If_Modified_Since": "rubbish"}):
            self.assertEqual(self.fetch("/a.txt", **condition)[0], 200)

    def test_If_Range_decides_between_the_part_and_the_whole(self):
        headers = self.fetch("/a.txt")[1]
        for same in (headers["ETag"], headers["Last-Modified"]):
            self.assertEqual(self.fetch("/a.txt", Range="bytes=0-4", If_Range=same)[2], b"hello")
        for other in ('"other"', "W/" + headers["ETag"], "Thu, 01 Jan 1970 00:00:00 GMT"):
            self.assertEqual(self.fetch("/a.txt", Range="bytes=0-4", If_Range=other)[0], 200)

    def test_a_changed_file_changes_its_tag(self):
        file = self.root / "changing"
        file.write_text("one")
        before = self.fetch("/changing")[1]["ETag"]
        file.write_text("two")
        os.utime(file, ns=(0, os.stat(file).st_mtime_ns + 1))
        self.assertNotEqual(self.fetch("/changing", If_None_Match=before)[1]["ETag"], before)

    def test_many_requests_share_one_connection(self):
        before = self.server.total("bullpen_connections_accepted_total")
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT)
        self.addCleanup(connection.close)
        for path, status in (("/a.txt", 200), ("/nothing", 404), ("/with", 301), ("/large.bin", 200), ("/", 200)) * 3:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            self.assertEqual(response.status, status)
        connection.close()
        self.assertEqual(self.server.total("bullpen_connections_accepted_total"), before + 1)

    def test_pipelined_requests_are_answered_in_their_order(self):
        client = self.connect()
        paths = ["/a.txt", "/large.bin", "/nothing", "/empty", "/page.html"] * 40
        client.sendall(b"".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in paths))
        answers = read_answers(client, len(paths))
        for path, (status, _, body) in zip(paths, answers):
            if path == "/nothing":
                self.assertEqual(status, 404)
            else:
                self.assertEqual(body, (self.root / path[1:]).read_bytes())

    def test_a_request_may_come_byte_by_byte(self):
        client = self.connect()
        for byte in b"GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
            client.sendall(bytes([byte]))
        self.assertTrue(read_to_end(client).endswith(b"\r\n\r\nhello, world\n"))

    def test_HTTP_1_0_closes_unless_it_is_asked_not_to(self):
        answer = self.exchange(b"GET /a.txt HTTP/1.0\r\n\r\n")
        self.assertIn(b"\r\nConnection: close\r\n", answer)
        client = self.connect()
        for _ in range(2):
            client.sendall(b"GET /a.txt HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            [(status, headers, _)] = read_answers(client, 1)
            self.assertEqual((status, headers["Connection"]), (200, "keep-alive"))

    def test_Connection_close_is_obeyed_and_confirmed(self):
        answer = self.exchange(b"GET /a.txt HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        self.assertIn(b"\r\nConnection: close\r\n", answer)
        self.assertTrue(answer.endswith(b"hello, world\n"))

    def test_close_wins_over_keep_alive(self):
        for fields in (b"Connection: keep-alive, close\r\n", b"Connection: close\r\nConnection: keep-alive\r\n"):
            for version in (b"1.0", b"1.1"):
                answer = self.exchange(b"GET /a.txt HTTP/" + version + b"\r\n" + HOST + fields + b"\r\n")
                self.assertIn(b"\r\nConnection: close\r\n", answer)

    def test_a_later_minor_version_is_served_as_1_1(self):
        client = self.connect()
        for minor in range(2, 10):
            client.sendall(b"GET /a.txt HTTP/1.%d\r\n" % minor + HOST + b"\r\n")
            [(status, headers, body)] = read_answers(client, 1)
            self.assertEqual((status, headers["Connection"], body), (200, None, b"hello, world\n"))

    def test_OPTIONS_is_answered_with_Allow(self):
        client = self.connect()
        for target in (b"*", b"/", b"/a.txt", b"/nothing", b"http://x", b"http://x/a.txt"):
            client.sendall(b"OPTIONS " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
            [(status, headers, _)] = read_answers(client, 1)
            self.assertEqual((status, headers["Allow"]), (200, "GET, HEAD, OPTIONS"))
        self.assertEqual(self.status_of(b"OPTIONS / HTTP/1.0\r\n\r\n"), 200)  # HAProxy's option httpchk.

    def test_a_path_with_dot_segments_is_redirected_to_what_it_means(self):
        for path, meant in (("/with/../a.txt?b=/../c", "/a.txt?b=/../c"), ("/./a.txt", "/a.txt"), ("/x/%2e%2E/with", "/with"),
                            ("/with/..", "/"), ("/with/.", "/with/"), ("/x//../y", "/x/y"), ("/x%2fy/../a%20b", "/a%20b")):
            for method in ("GET", "HEAD"):
                status, headers, _ = self.fetch(path, method)
                self.assertEqual((status, headers["Location"]), (301, meant))
        done = subprocess.run(["curl", "-sSfL", "--path-as-is", self.server.url + "with/../a.txt"], capture_output=True,
                              check=True, timeout=TIMEOUT)
        self.assertEqual(done.stdout, b"hello, world\n")

    def test_a_small_body_that_nobody_wants_costs_no_connection(self):
        for method, status in (("GET", 200), ("HEAD", 200), ("OPTIONS", 200), ("POST", 405), ("BREW", 501)):
            for size in (1, 1000, 64 * 1024):
                connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT)
                self.addCleanup(connection.close)
                before = None
                for _ in range(3):
                    connection.request(method, "/a.txt", body=bytes(size))
                    response = connection.getresponse()
                    response.read()
                    self.assertEqual((response.status, response.headers["Connection"]), (status, None))
                    before = before or connection.sock
                    self.assertIs(connection.sock, before)
        for body in ({"body": bytes(64 * 1024 + 1)}, {"body": b"a", "headers": {"Expect": "100-continue"}},
                     {"body": [b"a"], "encode_chunked": True, "headers": {"Transfer-Encoding": "chunked"}}):
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT)
            self.addCleanup(connection.close)
            connection.request("GET", "/a.txt", **body)
            response = connection.getresponse()
            self.assertEqual((response.read(), response.headers["Connection"]), (b"hello, world\n", "close"))

    def test_a_small_body_may_come_late_and_in_pieces(self):
        client = self.connect()
        for cut in range(12):
            request = b"GET /a.txt HTTP/1.1\r\n" + HOST + b"Content-Length: 11\r\n\r\n"
            client.sendall(request + b"GET / HTTP/"[:cut])
            self.assertEqual(read_answers(client, 1)[0][2], b"hello, world\n")
            client.sendall(b"GET / HTTP/"[cut:] + b"HEAD /nothing HTTP/1.1\r\n"[:cut])
            client.sendall(b"HEAD /nothing HTTP/1.1\r\n"[cut:] + HOST + b"\r\n")
            self.assertIn(b" 404 ", client.recv(65536))

    def test_the_absolute_form_is_understood(self):
        for target in (b"http://x/a.txt", b"HTTP://other:80/a.txt", b"http://[::1]:/a.txt"):
            self.assertEqual(self.status_of(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"), 200)

    def test_an_answer_before_the_close_arrives_although_more_was_sent(self):
        client = self.connect()
        client.sendall(b"GET /large.bin HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n" + b"GET / HTTP/1.1\r\n" * 500)
        self.assertTrue(read_to_end(client).endswith((self.root / "large.bin").read_bytes()))


class Refusals(Site):
    @classmethod
    def fill(cls):
        (cls.top / "secret").write_text("secret")
        (cls.root / "a.txt").write_text("hello")
        (cls.root / "sub").mkdir()
        (cls.root / "sub/b.txt").write_text("there")
        (cls.root / ".hidden").write_text("secret")
        (cls.root / ".well-known").mkdir()
        (cls.root / ".well-known/a").write_text("known")
        (cls.root / "absolute").symlink_to("/etc/passwd")
        (cls.root / "outside").symlink_to("../secret")
        (cls.root / "up").symlink_to("..")
        (cls.root / "loop").symlink_to("loop")
        (cls.root / "sub/within").symlink_to("../a.txt")
        os.mkfifo(cls.root / "fifo")

    def get(self, target):
        answer = self.exchange(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        self.assertNotIn(b"secret", answer)
        self.assertNotIn(b"root:", answer)
        return int(answer[9:12])

    def test_nothing_outside_of_the_root_can_be_reached(self):
        for target in (b"/%2e%2e%2Fsecret", b"/..%2fsecret", b"/%252e%252e/secret", b"/..\\secret", b"/..%5csecret",
                       b"//etc/passwd", b"/%2Fetc/passwd", b"///etc/passwd", b"/absolute", b"/outside", b"/up/secret", b"/up/",
                       b"/up", b"/up/root/a.txt", b"/loop", b"/proc/self/root/etc/passwd", b"/sub%2fb.txt", b"/sub%5cb.txt",
                       b"/%c0%ae%c0%ae/secret"):
            with self.subTest(target):
                self.assertEqual(self.get(target), 404)
        for target in (b"/../secret", b"/sub/../../secret", b"/%2e%2e/secret", b"/sub/%2e%2E/.%2e/secret", b"/./../secret", b"/..",
                       b"http://x/../secret", b"/" + b"../" * 50 + b"etc/passwd"):
            with self.subTest(target):
                self.assertEqual(self.get(target), 400)
        for target in (b"/sub/..", b"/.", b"/./a.txt", b"//../sub", b"/sub/./../sub"):
            with self.subTest(target):
                self.assertEqual(self.get(target), 301)
        for method in (b"POST", b"OPTIONS", b"DELETE", b"TRACE"):
            self.assertEqual(self.status_of(method + b" /sub/../a.txt HTTP/1.0\r\n\r\n"), 400)

    def test_a_symlink_within_the_root_is_followed(self):
        self.assertEqual(self.fetch("/sub/within")[2], b"hello")
        self.assertEqual(self.fetch("//sub//b.txt")[2], b"there")

    def test_hidden_files_are_neither_served_nor_listed(self):
        self.assertEqual(self.fetch("/.hidden")[0], 404)
        self.assertEqual(self.fetch("/.well-known/a")[2], b"known")
        page = self.fetch("/")[2]
        for name in (b".hidden", b".well-known", b"absolute", b"outside", b"fifo", b"loop", b'"up'):
            self.assertNotIn(name, page)
        self.assertIn(b'href="a.txt"', page)

    def test_a_FIFO_is_not_found_at_once(self):
        begun = time.monotonic()
        self.assertEqual(self.fetch("/fifo")[0], 404)
        self.assertLess(time.monotonic() - begun, 5)

    def test_a_file_is_no_directory(self):
        for path in ("/a.txt/", "/a.txt/b", "/nothing", "/nothing/", "/" + "a" * 300, "/" + "a/" * 3000):
            self.assertEqual(self.fetch(path)[0], 404, path[:20])

    def test_bad_requests_are_answered_with_their_status_and_then_closed(self):
        line = b"GET /a.txt HTTP/1.1\r\n"
        expected = {
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n": 400,
            b"GET\r\n\r\n": 400,
            b"GET /a.txt\r\n\r\n": 400,
            b"GET /a.txt HTTP/1.1\n\n": 400,
            b"GET /a.txt HTTX/1.1\r\n\r\n": 400,
            b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n": 400,
            line + b"\r\n": 400,
            line + HOST + HOST + b"\r\n": 400,
            **{line + b"Host: " + bad + b"\r\n\r\n": 400 for bad in (
                b"a b", b"a:b", b"a:1:2", b"[::1", b"[::1].", b"a[", b"\xe9", b"%zz", b"u@a")},
            line + HOST + b"no colon\r\n\r\n": 400,
            line + HOST + b"A : b\r\n\r\n": 400,
            line + HOST + b"A: b\r\n c\r\n\r\n": 400,
            line + HOST + b"A: \0\r\n\r\n": 400,
            line + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
            line + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n": 400,
            line + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello": 400,
            line + HOST + b"Content-Length: x\r\n\r\n": 400,
            line + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n": 501,
            b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n": 414,
            b"GET /" + b"a" * 100_000: 414,
            line + HOST + b"A: " + b"b" * 20_000 + b"\r\n\r\n": 431,
            line + HOST + b"A: b\r\n" * 20_000 + b"\r\n": 431,
            line + HOST + b"A:\r\n b\r\n\r\n": 400,
            line + HOST + b"\n": 400,
            b"GET /a.txt HTTP/1.10\r\n" + HOST + b"\r\n": 400,
            b"GET /a.txt HTTP/2.0\r\n" + HOST + b"\r\n": 505,
            b"GET /a.txt HTTP/0.9\r\n" + HOST + b"\r\n": 505,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": 505,
        }
        for request, status in expected.items():
            with self.subTest(request[:60]):
                answer = self.exchange(request)
                self.assertEqual(answer[:13], b"HTTP/1.1 %d " % status)
                self.assertIn(b"\r\nConnection: close\r\n", answer)
                self.assertIn(b"\r\nContent-Length: ", answer)
        self.check_alive()

    def test_bad_targets_are_400_and_the_connection_goes_on(self):
        client = self.connect()
        for target in (b"/%", b"/%zz", b"/a%00.txt", b"*", b"a.txt", b"/a.txt#b", b"ftp://x/a.txt", b"http:///", b"http:///a.txt",
                       b"http://u:p@x/", b"http://x:y/", b"http://x:1:2/", b"http://:80/", b"http://[::1/", b"x:80", b"/.."):
            client.sendall(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
            [(status, _, _)] = read_answers(client, 1)
            self.assertEqual(status, 400, target)
        client.sendall(b"GET /a.txt HTTP/1.1\r\n" + HOST + b"\r\n")
        self.assertEqual(read_answers(client, 1)[0][2], b"hello")

    def test_other_methods_are_405_with_Allow_and_unknown_ones_501(self):
        for method in ("POST", "PUT", "DELETE", "TRACE", "PATCH"):
            status, headers, _ = self.fetch("/a.txt", method)
            self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD, OPTIONS"))
        self.assertEqual(self.fetch("/a.txt", "BREW")[0], 501)
        for target, status in ((b"x:80", 405), (b"[::1]:80", 405), (b"x", 400), (b"/", 400), (b"u@x:80", 400), (b"*", 400)):
            self.assertEqual(self.status_of(b"CONNECT " + target + b" HTTP/1.0\r\n\r\n"), status)

    def test_a_body_is_not_taken_for_the_next_request(self):
        smuggled = b"GET /sub/b.txt HTTP/1.1\r\n" + HOST + b"\r\n"
        length = b"Content-Length: %d\r\n\r\n" % len(smuggled)
        chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(smuggled)
        for method, status in ((b"GET", b"200"), (b"HEAD", b"200"), (b"POST", b"405")):
            for framing in (b"Connection: close\r\n" + length, chunked):
                answer = self.exchange(method + b" /a.txt HTTP/1.1\r\n" + HOST + framing + smuggled)
                self.assertEqual(answer[9:12], status)
                self.assertEqual(answer.count(b"HTTP/1.1"), 1)
            answer = self.exchange(method + b" /a.txt HTTP/1.1\r\n" + HOST + length + smuggled + b"GET /sub HTTP/1.0\r\n\r\n")
            self.assertEqual([answer[9:12], answer.count(b"HTTP/1.1"), b" 301 " in answer], [status, 2, True])

    def test_a_client_that_uploads_a_lot_still_sees_its_answer(self):
        with tempfile.NamedTemporaryFile() as upload:
            upload.write(bytes(5_000_000))
            upload.flush()
            done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:", "--data-binary",
                                   f"@{upload.name}", self.server.url + "a.txt"], capture_output=True, timeout=TIMEOUT)
            self.assertEqual(done.stdout, b"405")

    def test_a_head_that_ends_in_the_middle_is_400(self):
        client = self.connect()
        client.sendall(b"GET /a.txt HTTP/1.1\r\nHos")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(read_to_end(client)[9:12], b"400")

    def test_a_client_that_comes_and_goes_is_no_trouble(self):
        for _ in range(20):
            self.connect().close()
        self.check_alive()


class Time(Site):
    arguments = ("--workers", "4", "--idle-timeout", "3")

    @classmethod
    def fill(cls):
        (cls.root / "a.txt").write_text("hello")

    def test_a_head_that_drips_is_cut_off_after_ten_seconds(self):
        before = self.server.total("bullpen_connections_timed_out_total")
        client = self.connect()
        client.sendall(b"GET /a.txt HTTP/1.1\r\n")
        client.settimeout(0.1)
        begun = time.monotonic()
        while time.monotonic() - begun < 30:
            try:
                client.sendall(b"a")
                if not client.recv(100):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        self.assertAlmostEqual(time.monotonic() - begun, 10, delta=3)
        wait_until(lambda: self.server.total("bullpen_connections_timed_out_total") == before + 1, "the time-out's count")

    def test_an_idle_connection_is_closed_quietly_at_the_idle_limit(self):
        before = self.server.total("bullpen_connections_timed_out_total", limit="idle")
        client = self.connect()
        client.sendall(b"GET /a.txt HTTP/1.1\r\n" + HOST + b"\r\n")
        read_answers(client, 1)
        begun = time.monotonic()
        self.assertEqual(read_to_end(client), b"")
        self.assertAlmostEqual(time.monotonic() - begun, 3, delta=2)
        wait_until(lambda: self.server.total("bullpen_connections_timed_out_total", limit="idle") == before + 1,
                   "its count")


class OneWorker(Site):
    arguments = ("--workers", "1")

    @classmethod
    def fill(cls):
        (cls.root / "a.txt").write_text("hello")

    def test_an_idle_connection_makes_room_when_no_worker_is_spare(self):
        first = self.connect()
        first.sendall(b"GET /a.txt HTTP/1.1\r\n" + HOST + b"\r\n")
        read_answers(first, 1)
        begun = time.monotonic()
        self.assertEqual(self.fetch("/a.txt")[2], b"hello")
        self.assertLess(time.monotonic() - begun, 4)

    def test_a_file_that_shrinks_while_it_is_sent_ends_the_connection_and_not_the_worker(self):
        [worker] = wait_until(self.server.workers, "the worker")
        size = 200_000_000
        file = self.root / "shrinking"
        file.touch()
        os.truncate(file, size)
        client = self.connect()
        client.sendall(b"GET /shrinking HTTP/1.1\r\n" + HOST + b"\r\n")
        received = len(client.recv(1000))
        os.truncate(file, 1000)
        received += len(read_to_end(client))
        self.assertLess(received, size)
        self.assertEqual(self.fetch("/a.txt")[2], b"hello")
        self.assertEqual(self.server.workers(), [worker])

    def test_a_client_that_leaves_during_a_download_ends_only_its_connection(self):
        [worker] = wait_until(self.server.workers, "the worker")
        file = self.root / "long"
        file.touch()
        os.truncate(file, 200_000_000)
        before = self.server.total("bullpen_connections_client_aborted_total")
        client = self.connect()
        client.sendall(b"GET /long HTTP/1.1\r\n" + HOST + b"\r\n")
        client.recv(1000)
        client.close()
        wait_until(lambda: self.server.total("bullpen_connections_client_aborted_total") == before + 1, "the client's end")
        self.assertEqual(self.server.workers(), [worker])


class Stopping(unittest.TestCase):
    def test_an_answer_during_the_stop_says_that_the_connection_closes(self):
        with tempfile.TemporaryDirectory() as root, Bullpen("http", "--root", root) as server:
            Path(root, "a.txt").write_text("hello")
            client = socket.create_connection(("127.0.0.1", server.port), TIMEOUT)
            with client:
                client.sendall(b"GET /a.txt HTTP/1.1\r\n")
                wait_until(lambda: server.total("bullpen_handoffs_total") == 1, "a worker to see the half of a head")
                wait_until(lambda: server.total("bullpen_connections_in_flight", where="parked") == 1, "it to be parked")
                os.kill(server.pid, signal.SIGTERM)
                ready = server.metrics_url.replace("/metrics", "/readyz")

                def draining():
                    try:
                        urllib.request.urlopen(ready, timeout=TIMEOUT)
                    except urllib.error.HTTPError as error:
                        return error.code == 503
                    return False

                wait_until(draining, "the drain")
                client.sendall(HOST + b"\r\n")
                answer = read_to_end(client)
            self.assertIn(b"\r\nConnection: close\r\n", answer)
            self.assertTrue(answer.endswith(b"hello"))
            self.assertEqual(server.wait(), 0)

    def test_a_root_that_is_not_there_is_one_sentence_and_exit_1(self):
        program = Bullpen().command[0]
        for root, reason in (("/no/such/root", "No such file or directory"), (__file__, "Not a directory")):
            done = subprocess.run([program, "serve", "--root", root, "--listen", "127.0.0.1:0", "--metrics", "off"],
                                  capture_output=True, text=True, timeout=TIMEOUT)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(len(done.stderr.splitlines()), 1)
            self.assertIn(root, done.stderr)
            self.assertIn(reason, done.stderr)


class Permissions(unittest.TestCase):
    def test_what_the_server_may_not_read_is_403(self):
        nobody = 65534 if os.geteuid() == 0 else None
        with tempfile.TemporaryDirectory() as home:
            os.chmod(home, 0o755)
            root = Path(home, "root")
            (root / "closed").mkdir(parents=True)
            (root / "closed/a.txt").write_text("secret")
            (root / "secret.txt").write_text("secret")
            (root / "unlisted").mkdir()
            (root / "unlisted/index.html").write_text("the index")
            (root / "secret.txt").chmod(0)
            (root / "closed").chmod(0)
            (root / "unlisted").chmod(0o711)
            with Bullpen("http", "--root", str(root), user=nobody) as server:
                for path in ("secret.txt", "closed/a.txt", "closed/"):
                    with self.assertRaises(urllib.error.HTTPError) as caught:
                        urllib.request.urlopen(server.url + path, timeout=TIMEOUT)
                    self.assertEqual(caught.exception.code, 403, path)
                if nobody:
                    with urllib.request.urlopen(server.url + "unlisted/", timeout=TIMEOUT) as response:
                        self.assertEqual(response.read(), b"the index")
            (root / "closed").chmod(0o755)


class Models(unittest.TestCase):
    def test_every_model_serves_the_same_file(self):
        with tempfile.TemporaryDirectory() as root:
            Path(root, "a.txt").write_text("hello")
            for model in ("iterative", "fork", "prefork"):
                with self.subTest(model), Bullpen("http", "--root", root, "--model", model) as server:
                    for _ in range(20):
                        with urllib.request.urlopen(server.url + "a.txt", timeout=TIMEOUT) as response:
                            self.assertEqual(response.read(), b"hello")

    def test_a_UNIX_socket_serves_as_well(self):
        with tempfile.TemporaryDirectory() as root:
            Path(root, "large").write_bytes(bytes(100_000))
            path = f"{root}/web.sock"
            with Bullpen("http", "--root", root, "--listen", f"unix:{path}"):
                done = subprocess.run(["curl", "-sSf", "--unix-socket", path, "http://x/large"], capture_output=True,
                                      check=True, timeout=TIMEOUT)
                self.assertEqual(done.stdout, bytes(100_000))


class Echo(unittest.TestCase):
    def test_echo_sends_a_megabyte_back(self):
        data = random.Random(3).randbytes(1 << 20)
        with Bullpen("echo") as server, socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(read_to_end(client), data)


if __name__ == "__main__":
    unittest.main()
