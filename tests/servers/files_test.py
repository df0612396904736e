"""How http serves files: types, conditions, links, trouble, and what can be set for it."""

import contextlib
import gzip
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import every_model  # noqa: E402
from harness import Bullpen, wait_until  # noqa: E402
from servers.http_test import Site, age, read_to_end  # noqa: E402

TIMEOUT = 60
PROGRAM = Bullpen().command[0]


def ask(port, path, *lines, method="GET"):
    """The whole answer to one request."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as client:
        head = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *lines, "", ""]
        client.sendall("\r\n".join(head).encode("latin-1"))
        return read_to_end(client)


def status_of(answer):
    return int(answer[9:12])


class Types(Site):
    arguments = ()

    @classmethod
    def fill(cls):
        for name in ("a.html", "a.xml", "a.json", "a.svg", "a.txt", "a.css", "a.new", "a.docx", "README"):
            (cls.root / name).write_bytes("<?xml version='1.0' encoding='iso-8859-1'?><a>ü</a>".encode("latin-1"))

    def type_of(self, name):
        return self.fetch("/" + name)[1]["Content-Type"]

    def test_what_says_its_charset_itself_is_not_overridden(self):
        self.assertEqual([self.type_of(name) for name in ("a.html", "a.xml", "a.json", "a.svg")],
                         ["text/html", "text/xml", "application/json", "image/svg+xml"])

    def test_other_text_is_UTF_8(self):
        self.assertEqual([self.type_of(name) for name in ("a.txt", "a.css", "README")],
                         ["text/plain; charset=utf-8", "text/css; charset=utf-8", "text/plain; charset=utf-8"])


class OtherTypes(Types):
    @classmethod
    def setUpClass(cls):
        types = tempfile.NamedTemporaryFile("w", suffix=".types")
        cls.enterClassContext(types)
        types.write("# ours\ntext/x-new new\nimage/x-other svg\n")
        types.flush()
        cls.arguments = ("--charset", "iso-8859-15", "--types", types.name)
        super().setUpClass()

    def test_what_says_its_charset_itself_is_not_overridden(self):
        self.assertEqual([self.type_of(name) for name in ("a.html", "a.xml", "a.json")],
                         ["text/html", "text/xml", "application/json"])

    def test_other_text_is_UTF_8(self):
        self.assertEqual([self.type_of(name) for name in ("a.txt", "README")], ["text/plain; charset=iso-8859-15"] * 2)

    def test_the_file_of_types_comes_first(self):
        self.assertEqual([self.type_of(name) for name in ("a.new", "a.svg")],
                         ["text/x-new; charset=iso-8859-15", "image/x-other"])


class Conditions(Site):
    @classmethod
    def fill(cls):
        (cls.root / "a.txt").write_text("hello, world\n")
        (cls.root / "folder").mkdir()
        age(cls.root)

    def ask(self, path, *lines):
        return ask(self.server.port, path, *lines)

    def setUp(self):
        headers = self.fetch("/a.txt")[1]
        self.tag, self.date = headers["ETag"], headers["Last-Modified"]

    def test_several_lines_of_tags_are_one_list(self):
        self.assertEqual(status_of(self.ask("/a.txt", f"If-None-Match: {self.tag}", 'If-None-Match: "x"')), 304)
        self.assertEqual(status_of(self.ask("/a.txt", 'If-None-Match: "x"', f"If-None-Match: {self.tag}")), 304)
        self.assertEqual(status_of(self.ask("/a.txt", f"If-Match: {self.tag}", 'If-Match: "x"')), 200)
        self.assertEqual(status_of(self.ask("/a.txt", 'If-Match: "y"', 'If-Match: "x"')), 412)

    def test_an_empty_condition_is_there(self):
        self.assertEqual(status_of(self.ask("/a.txt", "If-None-Match:", f"If-Modified-Since: {self.date}")), 200)
        self.assertEqual(status_of(self.ask("/a.txt", "If-Match:")), 412)
        self.assertEqual(status_of(self.ask("/a.txt", "If-Range:", "Range: bytes=0-1")), 200)

    def test_a_date_that_comes_twice_is_ignored(self):
        self.assertEqual(status_of(self.ask("/a.txt", *[f"If-Modified-Since: {self.date}"] * 2)), 200)
        self.assertEqual(status_of(self.ask("/a.txt", "Range: bytes=0-1", *[f"If-Range: {self.date}"] * 2)), 200)

    def test_conditions_hold_for_a_listing(self):
        self.assertEqual(status_of(self.ask("/folder/", 'If-Match: "x"')), 412)
        self.assertEqual(status_of(self.ask("/folder/", "If-Match: *")), 200)
        self.assertEqual(status_of(self.ask("/folder/", "If-None-Match: *")), 304)

    def test_one_range_beside_empty_elements_is_one_range(self):
        for ranges in ("bytes=0-4,", "bytes=,0-4", "bytes=, 0-4 , ,"):
            self.assertTrue(self.ask("/a.txt", f"Range: {ranges}").endswith(b"\r\n\r\nhello"), ranges)
        self.assertEqual(status_of(self.ask("/a.txt", "Range: bytes=0-1,3-4")), 200)

    def test_a_young_file_has_no_date_and_an_old_one_never_one_after_Date(self):
        file = self.root / "young"
        seen = set()
        for _ in range(2):
            file.write_text("one")
            while (status := self.fetch("/young")[1])["Last-Modified"] is None:
                age_then = parsedate_to_datetime(status["Date"]).timestamp() - int(file.stat().st_mtime)
                self.assertLessEqual(age_then, 1)  # The head is written after the date was left out.
                seen.add("young")
            self.assertLess(parsedate_to_datetime(status["Last-Modified"]), parsedate_to_datetime(status["Date"]))
        self.assertEqual(seen, {"young"})

    def test_a_file_of_the_future_has_no_date(self):
        file = self.root / "future"
        file.write_text("one")
        for then in (time.time() + 3600, 15_000_000_000):  # The year 2445.
            os.utime(file, (then, then))
            for _ in range(2):
                self.assertIsNone(self.fetch("/future")[1]["Last-Modified"])
        self.assertEqual(status_of(self.ask("/future", f"If-Modified-Since: {formatdate(time.time() + 7200, usegmt=True)}")), 200)

    def test_no_date_lets_two_states_be_spliced(self):
        """Within one second: a part of the second state is never sent for a date of the first."""
        file = self.root / "spliced"
        for number in range(40):
            file.write_text("old" * 10)
            first = self.fetch("/spliced")[1]
            known = first["Last-Modified"] or formatdate(file.stat().st_mtime, usegmt=True)
            file.write_text("new" * 10)
            answer = self.ask("/spliced", "Range: bytes=0-2", f"If-Range: {known}")
            if first["Last-Modified"] is None:
                self.assertEqual(status_of(answer), 200, number)


class Links(Site):
    @classmethod
    def fill(cls):
        (cls.top / "secret").write_text("secret")
        (cls.root / "sub").mkdir()
        (cls.root / "sub/a.txt").write_text("hello")
        (cls.root / "absolute").symlink_to(cls.root / "sub/a.txt")
        (cls.root / "folder").symlink_to(cls.root / "sub")
        (cls.root / "round").symlink_to("../root/sub/a.txt")
        (cls.root / "out").symlink_to(cls.top / "secret")
        (cls.root / "up").symlink_to("..")
        (cls.root / "null").symlink_to("/dev/null")
        (cls.root / "self").symlink_to("/proc/self/environ")
        os.mkfifo(cls.root / "fifo")
        (cls.root / "pipe").symlink_to(cls.root / "fifo")
        age(cls.root / "sub")

    def test_links_that_stay_below_the_root_work(self):
        for path in ("/absolute", "/folder/a.txt", "/round"):
            for _ in range(3):
                self.assertEqual(self.fetch(path)[2], b"hello", path)
        self.assertEqual(self.fetch("/folder")[0], 301)
        page = self.fetch("/")[2]
        for name in (b'"absolute"', b'"folder/"', b'"round"'):
            self.assertIn(name, page)

    def test_links_that_leave_it_do_not(self):
        for path in ("/out", "/up/secret", "/up/root/sub/a.txt", "/null", "/self", "/pipe"):
            self.assertEqual(self.fetch(path)[0], 404, path)
        page = self.fetch("/")[2]
        for name in (b'"out', b'"up', b'"null', b'"self', b'"pipe', b'"fifo'):
            self.assertNotIn(name, page)


class NoLinks(Links):
    arguments = ("--links", "none")

    def test_links_that_stay_below_the_root_work(self):
        for path in ("/absolute", "/folder/a.txt", "/round"):
            self.assertEqual(self.fetch(path)[0], 404, path)
        self.assertEqual(self.fetch("/sub/a.txt")[2], b"hello")


class Releases(unittest.TestCase):
    """A new release under the root's name is seen within a second."""

    def roll_out(self, case, replace):
        with tempfile.TemporaryDirectory() as home:
            for name in ("one", "two"):
                Path(home, name).mkdir()
                Path(home, name, "a.txt").write_text(name)
                age(Path(home, name))
            root = Path(home, "current")
            root.symlink_to("one")
            flags = every_model.flags_of(case)
            with Bullpen("http", "--root", str(root), "--file-cache", "60", *flags) as server:
                for _ in range(3):
                    self.assertTrue(ask(server.port, "/a.txt").endswith(b"\r\n\r\none"))
                replace(Path(home), root)
                wait_until(lambda: ask(server.port, "/a.txt").endswith(b"\r\n\r\ntwo"), "the new release")

    def test_a_link_that_is_moved_under_every_model(self):
        def replace(home, root):
            (home / "new").symlink_to("two")
            os.rename(home / "new", root)
        for case in every_model.chosen():
            with self.subTest(case):
                self.roll_out(case, replace)

    def test_a_directory_that_is_replaced(self):
        def replace(home, root):
            os.rename(home / "one", home / "old")
            os.rename(home / "two", home / "one")
        self.roll_out("prefork", replace)


class Trouble(unittest.TestCase):
    def test_a_file_whose_size_lies_is_500_under_every_model(self):
        if not Path("/sys/class/net/lo/mtu").exists():
            self.skipTest("there is no /sys")
        for case in every_model.chosen():
            with self.subTest(case), Bullpen("http", "--root", "/sys", *every_model.flags_of(case)) as server:
                for path in ("/class/net/lo/mtu", "/class/net/lo/speed", "/kernel/mm/transparent_hugepage/enabled"):
                    for method in ("GET", "HEAD"):
                        answer = ask(server.port, path, method=method)
                        self.assertEqual(status_of(answer), 500, path)
                        self.assertEqual(answer.endswith(b"500 Internal Server Error\n"), method == "GET")
                    for ranges in ("0-0", "4000-", "5000-"):
                        with contextlib.suppress(PermissionError):
                            os.utime(f"/sys{path}")  # Too young to be kept in memory.
                        self.assertEqual(status_of(ask(server.port, path, f"Range: bytes={ranges}")), 500, ranges)
                self.assertEqual(status_of(ask(server.port, "/class/net/")), 200)
                self.assertEqual(server.total("bullpen_connections_completed_total", outcome="error"), 0)

    def test_a_file_that_hides_its_size_is_500(self):
        with Bullpen("http", "--root", "/proc") as server:
            for path in ("/cpuinfo", "/self/status", "/self/mem"):
                for method in ("GET", "HEAD"):
                    self.assertEqual(status_of(ask(server.port, path, method=method)), 500, path)

    def test_a_file_that_is_rewritten_all_the_time_is_whole_or_an_error(self):
        with tempfile.TemporaryDirectory() as root:
            sizes = (20_000, 60_000, 100_000)
            file = Path(root, "a")
            file.write_bytes(bytes(sizes[0]))
            done = threading.Event()

            def rewrite():
                while not done.is_set():
                    for size in sizes:
                        file.write_bytes(bytes(size))

            writer = threading.Thread(target=rewrite)
            with Bullpen("http", "--root", root) as server:
                writer.start()
                try:
                    seen = {}
                    for _ in range(500):
                        answer = ask(server.port, "/a")
                        self.assertNotEqual(answer, b"", "a bare close")
                        status = status_of(answer)
                        seen[status] = seen.get(status, 0) + 1
                        self.assertIn(status, (200, 500, 503))
                        length = int(re.search(rb"Content-Length: (\d+)", answer)[1])
                        if status != 200 or length <= 32768:
                            self.assertEqual(len(answer.partition(b"\r\n\r\n")[2]), length)
                        if status == 503:
                            self.assertIn(b"\r\nRetry-After: 1\r\n", answer)
                finally:
                    done.set()
                    writer.join()

    def test_trouble_after_the_first_byte_closes_and_is_counted(self):
        with tempfile.TemporaryDirectory() as root, Bullpen("http", "--root", root) as server:
            file = Path(root, "a")
            file.touch()
            os.truncate(file, 200_000_000)
            with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as client:
                client.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
                client.recv(1000)
                os.truncate(file, 1000)
                self.assertLess(len(read_to_end(client)), 200_000_000)
            wait_until(lambda: server.total("bullpen_connections_completed_total", outcome="error") == 1, "its count")

    @unittest.skipIf(os.geteuid() != 0, "needs another user")
    def test_a_directory_that_can_be_read_but_not_searched_is_403(self):
        with tempfile.TemporaryDirectory() as home:
            os.chmod(home, 0o755)
            root = Path(home, "root")
            (root / "closed").mkdir(parents=True)
            (root / "closed/a.txt").write_text("x")
            (root / "closed").chmod(0o744)
            with Bullpen("http", "--root", str(root), user=65534) as server:
                self.assertEqual(status_of(ask(server.port, "/closed/")), 403)


class Names(Site):
    @classmethod
    def fill(cls):
        Path(os.fsdecode(os.fsencode(cls.root) + b"/Stra\xdfe.txt")).write_text("latin")
        folder = os.fsencode(cls.root) + b"/\xe9"
        os.mkdir(folder)
        Path(os.fsdecode(folder + b"/b")).write_text("b")

    def test_a_name_that_is_no_UTF_8_is_shown_so_and_linked_by_its_bytes(self):
        page = self.fetch("/")[2]
        self.assertIn('href="Stra%DFe.txt">Stra\N{REPLACEMENT CHARACTER}e.txt<'.encode(), page)
        self.assertIn(b'href="%E9/"', page)
        self.assertEqual(self.fetch("/Stra%DFe.txt")[2], b"latin")
        page = self.fetch("/%E9/")[2].decode()  # It is UTF-8.
        self.assertIn("Index of /\N{REPLACEMENT CHARACTER}/", page)
        self.assertIn("Location: /%E9/", self.exchange(b"GET /%E9 HTTP/1.0\r\n\r\n").decode())


class Options(Site):
    """Headers, error pages and a fallback, together as a single-page application has them."""

    arguments = ("--add-header", "*.js Cache-Control: max-age=31536000, immutable", "--add-header",
                 "/index.html Cache-Control: no-cache", "--add-header", "X-Frame-Options: DENY", "--error-page",
                 "405=errors/405.html", "--error-page", "400=/errors/large.html", "--error-page", "416=errors/405.html",
                 "--fallback", "/index.html")

    @classmethod
    def fill(cls):
        (cls.root / "index.html").write_text("<p>the application")
        (cls.root / "app.js").write_text("run()")
        (cls.root / "large.js").write_text("x" * 100_000)
        (cls.root / "errors").mkdir()
        (cls.root / "errors/405.html").write_text("<p>not so")
        (cls.root / "errors/large.html").write_text("<p>" + "no" * 50_000)
        age(cls.root)

    def test_headers_are_added_to_the_paths_that_they_are_for(self):
        tag = self.fetch("/app.js")[1]["ETag"]
        for headers in ({}, {"Range": "bytes=0-1"}, {"If-None-Match": tag}):
            for path in ("/app.js", "/large.js"):
                for method in ("GET", "HEAD"):
                    with self.subTest(headers=headers, path=path, method=method):
                        status, answer, _ = self.fetch(path, method, **headers)
                        self.assertIn(status, (200, 206, 304))
                        self.assertEqual(answer.get_all("Cache-Control"), ["max-age=31536000, immutable"])
                        self.assertEqual(answer.get_all("X-Frame-Options"), ["DENY"])
        self.assertEqual(self.fetch("/")[1]["Cache-Control"], "no-cache")
        listing = self.fetch("/errors/")[1]
        self.assertEqual((listing["Cache-Control"], listing["X-Frame-Options"]), (None, "DENY"))
        self.assertEqual(self.fetch("/errors")[1]["X-Frame-Options"], "DENY")
        for method, path, status in (("OPTIONS", "/app.js", b"200"), ("GET", "/x/../app.js", b"301")):
            answer = self.exchange(f"{method} {path} HTTP/1.0\r\n\r\n".encode())
            self.assertEqual(answer[9:12], status)
            self.assertIn(b"\r\nX-Frame-Options: DENY\r\n", answer)
            self.assertIn(b"\r\nCache-Control: max-age=31536000, immutable\r\n", answer)
        self.assertNotIn(b"X-Frame-Options", self.exchange(b"OPTIONS * HTTP/1.0\r\n\r\n"))

    def test_an_error_has_its_page_and_no_added_header(self):
        status, headers, body = self.fetch("/app.js", "POST")
        self.assertEqual((status, headers["Content-Type"], body), (405, "text/html", b"<p>not so"))
        self.assertEqual((headers["Allow"] is None, headers["X-Frame-Options"], headers["ETag"]), (False, None, None))
        status, headers, body = self.fetch("/app.js", Range="bytes=99-")
        self.assertEqual((status, headers["Content-Range"], body), (416, "bytes */5", b"<p>not so"))
        for request in (b"rubbish\r\n\r\n", b"GET /%zz HTTP/1.0\r\n\r\n"):
            self.assertTrue(self.exchange(request).endswith(b"<p>" + b"no" * 50_000))
        self.assertTrue(self.exchange(b"HEAD /%zz HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n"))

    def test_a_page_that_has_gone_is_the_plain_status(self):
        page = self.root / "errors/405.html"
        os.rename(page, self.root / "gone")
        self.addCleanup(os.rename, self.root / "gone", page)
        self.assertEqual(self.fetch("/app.js", "POST")[2], b"405 Method Not Allowed\n")

    def test_what_is_not_there_is_the_fallback_with_its_own_headers(self):
        for path in ("/users/17", "/users/", "/nothing.png", "/app.js/x", "/users/a%2Fb"):
            status, headers, body = self.fetch(path)
            self.assertEqual((status, headers["Content-Type"], body), (200, "text/html", b"<p>the application"), path)
            self.assertEqual(headers["Cache-Control"], "no-cache")
        self.assertEqual(self.fetch("/users/17", If_None_Match=self.fetch("/")[1]["ETag"])[0], 304)
        self.assertEqual(self.fetch("/users/17", "POST")[0], 405)


class Precompressed(Site):
    arguments = ("--precompressed", "br,zst,gz")

    @classmethod
    def fill(cls):
        cls.text = b"hello, world\n" * 5000
        (cls.root / "a.txt").write_bytes(cls.text)
        (cls.root / "a.txt.gz").write_bytes(gzip.compress(cls.text))
        subprocess.run(["zstd", "-q", "-k", cls.root / "a.txt"], check=True)
        (cls.root / "b.js").write_text("b")
        (cls.root / "b.js.br").mkdir()
        (cls.root / "b.js.gz").write_bytes(gzip.compress(b"b"))
        (cls.root / "old.css").write_text("new")
        (cls.root / "old.css.gz").write_bytes(gzip.compress(b"old"))
        (cls.root / "folder").mkdir()
        (cls.root / "folder/index.html").write_text("index")
        (cls.root / "folder/index.html.gz").write_bytes(gzip.compress(b"index"))
        (cls.root / "only.txt.gz").write_bytes(gzip.compress(b"only"))
        age(cls.root)
        os.utime(cls.root / "old.css.gz", (time.time() - 1000,) * 2)

    def coding_of(self, path, accepted, **headers):
        status, answer, body = self.fetch(path, Accept_Encoding=accepted, **headers)
        self.assertIn(status, (200, 206))
        self.assertEqual(answer["Vary"], "Accept-Encoding")
        return answer["Content-Encoding"]

    def test_the_best_of_what_is_there_is_sent(self):
        for accepted, coding in (("gzip", "gzip"), ("gzip, deflate, br, zstd", "zstd"), ("br", None), ("identity", None),
                                 ("gzip;q=0, *", "zstd"), ("zstd;q=0.5, x-gzip", "gzip"), ("", None), ("*;q=0", None)):
            with self.subTest(accepted):
                self.assertEqual(self.coding_of("/a.txt", accepted), coding)
        self.assertEqual(self.coding_of("/b.js", "br, gzip"), "gzip")
        self.assertEqual(self.coding_of("/folder/", "gzip"), "gzip")
        self.assertEqual(self.coding_of("/a.txt", "deflate"), None)

    def test_a_coded_answer_has_the_type_of_the_file_and_validators_of_its_own(self):
        plain, coded = (self.fetch("/a.txt", Accept_Encoding=accepted)[1] for accepted in ("identity", "gzip"))
        self.assertEqual(coded["Content-Type"], "text/plain; charset=utf-8")
        self.assertNotEqual(plain["ETag"], coded["ETag"])
        self.assertIn("-gzip", coded["ETag"])
        self.assertEqual(gzip.decompress(self.fetch("/a.txt", Accept_Encoding="gzip")[2]), self.text)
        status, answer, _ = self.fetch("/a.txt", Accept_Encoding="gzip", If_None_Match=coded["ETag"])
        self.assertEqual((status, answer["Vary"], answer["ETag"]), (304, "Accept-Encoding", coded["ETag"]))
        self.assertEqual(self.fetch("/a.txt", Accept_Encoding="gzip", If_None_Match=plain["ETag"])[0], 200)
        part = self.fetch("/a.txt", Accept_Encoding="gzip", Range="bytes=0-1")
        self.assertEqual((part[0], part[2], part[1]["Content-Encoding"]), (206, b"\x1f\x8b", "gzip"))

    def test_one_that_is_older_than_its_file_or_alone_is_not_sent(self):
        self.assertEqual(self.coding_of("/old.css", "gzip"), None)
        self.assertEqual(self.fetch("/only.txt", Accept_Encoding="gzip")[0], 404)
        status, headers, _ = self.fetch("/only.txt.gz", Accept_Encoding="gzip")
        self.assertEqual((status, headers["Content-Type"], headers["Content-Encoding"]), (200, "application/gzip", None))

    def test_a_new_one_and_a_changed_one_are_seen(self):
        file = self.root / "changing.txt"
        file.write_text("x")
        os.utime(file, (time.time() - 100,) * 2)
        self.assertEqual(self.coding_of("/changing.txt", "gzip"), None)
        (self.root / "changing.txt.gz").write_bytes(gzip.compress(b"x"))
        for _ in range(2):
            self.assertEqual(self.coding_of("/changing.txt", "gzip"), "gzip")
        file.write_text("yy")
        os.utime(file, (time.time() + 100,) * 2)
        self.assertEqual(self.coding_of("/changing.txt", "gzip"), None)

    def test_curl_gets_the_same_bytes_compressed_and_plain(self):
        for flags in (["--compressed"], []):
            done = subprocess.run(["curl", "-sSf", *flags, self.server.url + "a.txt"], capture_output=True, check=True,
                                  timeout=TIMEOUT)
            self.assertEqual(done.stdout, self.text)


class PrecompressedAndTrusted(Precompressed):
    arguments = ("--precompressed", "br,zst,gz", "--file-cache", "60")

    def test_a_new_one_and_a_changed_one_are_seen(self):
        file = self.root / "new.txt"
        file.write_text("x")
        self.assertEqual(self.coding_of("/new.txt", "gzip"), None)
        (self.root / "new.txt.gz").write_bytes(gzip.compress(b"x"))
        self.assertEqual(self.coding_of("/new.txt", "gzip"), "gzip")


class Settings(unittest.TestCase):
    def run_program(self, *arguments):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=TIMEOUT)
        return done.returncode, done.stderr

    def test_every_one_works_from_the_file_too(self):
        with tempfile.TemporaryDirectory() as home:
            root = Path(home, "root")
            root.mkdir()
            (root / "a.txt").write_text("hello")
            (root / "a.txt.gz").write_bytes(gzip.compress(b"hello"))
            (root / "404.html").write_text("nothing")
            (root / "link").symlink_to("a.txt")
            Path(home, "types").write_text("text/new txt\n")
            config = Path(home, "bullpen.toml")
            config.write_text(f'[master]\nmetrics = "127.0.0.1:0"\n[pool.web]\nlisten = ["127.0.0.1:0"]\nroot = "{root}"\n'
                              f'links = "none"\ncharset = "off"\ntypes = "{home}/types"\nprecompressed = "gz"\n'
                              'add_header = ["X-A: 1", "*.txt X-B: 2"]\nerror_page = "404=404.html"\n')
            self.assertEqual(self.run_program("check-config", str(config)), (0, ""))
            with Bullpen("--config", str(config)) as server:
                answer = ask(server.port, "/a.txt", "Accept-Encoding: gzip")
                for line in (b"Content-Type: text/new", b"X-A: 1", b"X-B: 2", b"Content-Encoding: gzip"):
                    self.assertIn(b"\r\n" + line + b"\r\n", answer)
                self.assertTrue(ask(server.port, "/link").endswith(b"\r\n\r\nnothing"))
            config.write_text(config.read_text() + 'fallback = "nothing"\n')
            status, complaint = self.run_program("check-config", str(config))
            self.assertEqual(status, 2)
            self.assertIn(f"{config}: [pool.web]: fallback: 'nothing': No such file", complaint)
            config.write_text(config.read_text().replace("X-A: 1", "Date: 1"))
            status, complaint = self.run_program("check-config", str(config))
            self.assertEqual(status, 2)
            self.assertRegex(complaint, r"\.toml:10: add_header: Date is written by the server itself")

    def test_what_is_wrong_is_one_sentence_and_status_2(self):
        with tempfile.TemporaryDirectory() as root:
            Path(root, "folder").mkdir()
            for flag, value, expected in (
                    ("--charset", "a b", "'a b' is no charset; expected off or a name"),
                    ("--types", "/no/such", "/no/such cannot be read: No such file"),
                    ("--types", __file__, "is no media type; expected lines such as"),
                    ("--links", "all", "there is no links 'all' (did you mean below?); known are below and none"),
                    ("--add-header", "Cache-Control", "is no header; expected [PATTERN ]NAME: VALUE"),
                    ("--add-header", "A: b\r\nC: d", "a control character is in it"),
                    ("--add-header", "content-length: 5", "content-length is written by the server itself"),
                    ("--add-header", "[a A: b", "the pattern '[a' has a [ without its ]"),
                    ("--error-page", "200=a", "'200=a' is no CODE=FILE; expected one of the statuses 400, 403, 404"),
                    ("--error-page", "499=a", "'499=a' is no CODE=FILE; expected one of the statuses 400, 403, 404"),
                    ("--error-page", "404=nothing", "'nothing': No such file or directory; expected a file"),
                    ("--error-page", "404=folder", "'folder' is a directory; expected a file"),
                    ("--fallback", "nothing", "'nothing': No such file or directory; expected a file"),
                    ("--fallback", "", "expected FILE, got nothing"),
                    ("--precompressed", "gzip", "'gzip' is no list of codings; expected off, or each of br, zst and gz")):
                for command in (("serve", "http", "--listen", "127.0.0.1:0", "--metrics", "off"), ("handle", "http")):
                    with self.subTest(flag=flag, value=value, command=command[0]):
                        status, complaint = self.run_program(*command, "--root", root, flag, value)
                        self.assertEqual(status, 2)
                        self.assertEqual(complaint.count("\n"), 1)
                        self.assertTrue(complaint.startswith(f"bullpen: {flag}: "), complaint)
                        self.assertIn(expected, complaint)

    def test_a_program_for_each_client_has_all_of_them(self):
        with tempfile.TemporaryDirectory() as root:
            Path(root, "a.txt").write_text("hello")
            with Bullpen("http", "--root", root, "--model", "inetd", "--add-header", "*.txt X-A: 1", "--charset", "off",
                         "--error-page", "405=a.txt", "--fallback", "a.txt", "--precompressed", "gz") as server:
                answer = ask(server.port, "/nothing")
                for line in (b"Content-Type: text/plain", b"X-A: 1", b"Vary: Accept-Encoding"):
                    self.assertIn(b"\r\n" + line + b"\r\n", answer)
                self.assertTrue(ask(server.port, "/", method="POST").endswith(b"\r\n\r\nhello"))


if __name__ == "__main__":
    unittest.main()
