"""`bullpen serve` and `check-config` as a newcomer meets them."""

import os
import re
import socket
import stat
import subprocess
import tempfile
import unittest
import urllib.request
from pathlib import Path

from harness import TOP, Bullpen, echo, for_everybody, wait_until

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))


def run(*arguments, user=None):
    """(exit status, stdout, stderr) of a command that is expected to end by itself."""
    with tempfile.TemporaryDirectory() as home:
        program = PROGRAM if user is None else for_everybody(PROGRAM, home)
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, user=user,
                              stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout, done.stderr


def mounts_can_be_made():
    try:
        return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@unittest.skipUnless(mounts_can_be_made(), "needs unshare and root, for a hosts file of its own")
class Names(unittest.TestCase):
    """A name that stands for two addresses."""

    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        hosts = Path(home.name, "hosts")
        hosts.write_text("127.0.0.1 both\n127.0.0.2 both\n")
        self.program = Path(home.name, "bullpen")
        self.program.write_text("#!/bin/sh\nexec unshare -m sh -c "
                                f"'mount --bind {hosts} /etc/hosts && exec {PROGRAM} \"$@\"' bullpen \"$@\"\n")
        self.program.chmod(0o755)

    def test_the_server_and_its_exporter_listen_at_all_of_them_with_one_port(self):
        with Bullpen("echo", "--listen", "both:0", "--metrics", "both:0", program=self.program) as server:
            self.assertEqual(server.addresses, [f"127.0.0.1:{server.port}", f"127.0.0.2:{server.port}"])
            for host in ("127.0.0.1", "127.0.0.2"):
                self.assertEqual(echo((host, server.port)), b"hello")
                self.assertIn(f"bullpen: metrics at http://{host}:{server.metrics_port}/metrics\n", server.output)
                with urllib.request.urlopen(f"http://{host}:{server.metrics_port}/healthz", timeout=60) as answer:
                    self.assertEqual(answer.status, 200)

    def test_if_one_is_taken_none_is_listened_at(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.2", 0))
            taken.listen()
            port = taken.getsockname()[1]
            for flags in (["--listen", f"both:{port}"], ["--listen", "127.0.0.1:0", "--metrics", f"both:{port}"]):
                done = subprocess.run([self.program, "serve", "echo", *flags], capture_output=True, text=True,
                                      timeout=60, check=False)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertEqual(done.stderr, f"bullpen: both:{port} stands for 2 addresses: cannot listen on "
                                              f"127.0.0.2:{port}: Address already in use\n")

    def test_load_tries_them_all(self):
        with Bullpen("http", "--listen", "127.0.0.2:0") as server:
            done = subprocess.run([self.program, "load", f"http://both:{server.port}/", "--requests", "5"],
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn(f"(127.0.0.2:{server.port})", done.stdout)


class Errors(unittest.TestCase):
    def complaint(self, status, *arguments, user=None):
        """The one sentence on stderr; nothing is on stdout, and the status is as expected."""
        got, out, err = run(*arguments, user=user)
        self.assertEqual((got, out), (status, ""), err)
        self.assertRegex(err, r"\Abullpen: [^\n]+\n\Z")
        return err

    def test_wrong_usage_is_one_sentence_and_status_2(self):
        for arguments, expected in [
            ((), "a command is missing"),
            (("serv",), "did you mean serve?"),
            (("serve", "--wrokers", "3"), "did you mean --workers?"),
            (("serve", "--workers"), "--workers needs a value"),
            (("serve", "--workers", "0"), "--workers: expected a number from 1 to 10000, got 0"),
            (("serve", "--workers", "x"), "got 'x'"),
            (("serve", "http", "extra"), "unexpected argument 'extra'"),
            (("serve", "htpp"), "did you mean http?"),
            (("serve", "--model", "prefrok"), "there is no model 'prefrok' (did you mean prefork?); known are prefork, "),
            (("serve", "--spare-min", "9", "--spare-max", "3"), "--spare-min (9) is above --spare-max (3)"),
            (("serve", "--workers", "3", "--spare-min", "1"), "can't go with --spare-min"),
            (("serve", "--listen", "8080"), "--listen: '8080' is not an address: expected HOST:PORT, [V6]:PORT, :PORT, unix:/path, unix:@name, seqpacket:/path or sctp:HOST:PORT"),
            (("serve", "--listen", "localhost:99999"), "from 0 to 65535"),
            (("serve", "--listen", "udp:127.0.0.1:0"), "service http serves connections only; datagrams are answered by echo, "),
            (("serve", "--listen", "unixgram:/a", "--model", "event"), "--listen: 'unixgram:/a' is for datagrams, which model event"),
            (("serve", "--listen", "127.0.0.1:0", "--metrics", "udp:127.0.0.1:0"),
             "'udp:127.0.0.1:0' is an address for datagrams; expected one for connections, as HOST:PORT"),
            (("serve", "--listen", "127.0.0.1:0", "--metrics", "nowhere"), "--metrics: 'nowhere' is not an address"),
            (("serve", "--unix-mode", "999"), "0000 to 0777"),
            (("serve", "--pool", "x"), "--config"),
            (("serve", "--config", "/no/such/file"), "/no/such/file: cannot be read"),
            (("check-config",), "FILE"),
        ]:
            with self.subTest(arguments=arguments):
                self.assertIn(expected, self.complaint(2, *arguments))

    def test_what_cannot_be_done_is_one_sentence_and_status_1(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            for arguments, expected in [
                (("--listen", address), f"cannot listen on {address}: Address already in use"),
                (("--listen", "127.0.0.1:0", "--metrics", address), f"cannot listen on {address}: Address already"),
                (("--root", "/no/such/place"), "/no/such/place"),
                (("--listen", "192.0.2.1:0"), "Cannot assign requested address"),
                (("--listen", "unix:/no/such/place/socket"), "/no/such/place"),
                (("--listen", "127.0.0.1:0", "--workers", "10000"), "descriptors"),
            ]:
                with self.subTest(arguments=arguments):
                    self.assertIn(expected, self.complaint(1, "serve", "http", *arguments))

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_a_privileged_port_says_what_it_needs(self):
        self.assertIn("needs root or CAP_NET_BIND_SERVICE",
                      self.complaint(1, "serve", "echo", "--listen", "127.0.0.1:81", user=65534))

    def test_a_second_server_on_the_same_port_leaves_the_first_unharmed(self):
        with Bullpen("echo") as server:
            for _ in range(3):
                self.assertIn("Address already in use",
                              self.complaint(1, "serve", "echo", "--listen", f"127.0.0.1:{server.port}"))
            self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")
            self.assertEqual(server.total("bullpen_connections_accepted_total"), 1)

    def test_an_old_name_is_answered_with_the_new_one(self):
        self.assertIn("--linger is called --await-next now", self.complaint(2, "serve", "--linger", "4"))
        self.assertIn("'accept' is called accepted now", self.complaint(2, "serve", "--handoff-when", "accept"))
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
            config.write("[pool.web]\nlinger = 3\n")
            config.flush()
            self.assertIn(f"{config.name}:2: linger is called await_next now", self.complaint(2, "check-config", config.name))

    def test_help_and_version_are_answers_and_no_errors(self):
        status, out, err = run("--version")
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, r"\Abullpen \d+\.\d+\.\d+\n\Z")
        for command in ((), ("serve",), ("inetd",), ("ctl",), ("sockets",), ("call",), ("compare",), ("load",), ("check-config",)):
            status, out, err = run(*command, "--help")
            self.assertEqual((status, err), (0, ""))
            self.assertIn("Usage: bullpen", out)
            for line in out.splitlines():
                self.assertLessEqual(len(line), 80, line)


class Configurations(unittest.TestCase):
    def test_the_shipped_example_is_loaded_and_has_every_key(self):
        status, out, err = run("check-config", str(TOP / "deploy/bullpen.toml"))
        self.assertEqual((status, err), (0, ""))
        self.assertIn("pool web: http on 127.0.0.1:8080, model prefork", out)
        self.assertEqual(run("check-config", "--sample"), (0, (TOP / "deploy/bullpen.toml").read_text(), ""))
        text = (TOP / "deploy/bullpen.toml").read_text()
        help_text = run("serve", "--help")[1]
        for flag in re.findall(r"^  --([a-z-]+)", help_text, re.MULTILINE):
            if flag not in ("config", "pool"):
                self.assertRegex(text, rf"(?m)^(# )?{flag.replace('-', '_')} = ")

    def test_several_pools_live_under_one_master_and_one_exporter(self):
        with tempfile.TemporaryDirectory() as home:
            config = Path(home, "bullpen.toml")
            config.write_text(f"""
                [master]
                metrics = "127.0.0.1:0"
                [pool.web]
                listen = ["127.0.0.1:0", "unix:{home}/web"]
                root = "{TOP}"
                workers = 2
                [pool.mirror]
                service = "echo"
                listen = "127.0.0.1:0"
                model = "iterative"
                """)
            with Bullpen("--config", str(config), "--metrics", "127.0.0.1:0") as server:
                pools = dict(zip(("mirror", "web"), server.addresses))
                host, port = pools["mirror"].split(":")
                self.assertEqual(echo((host, int(port))), b"hello")
                with urllib.request.urlopen(server.urls[0] + "README.md", timeout=30) as page:
                    self.assertEqual(page.read(), (TOP / "README.md").read_bytes())
                self.assertIn(b"200 OK", echo(f"{home}/web", b"GET /README.md HTTP/1.0\r\n\r\n"))
                wait_until(lambda: server.total("bullpen_connections_completed_total", pool="web") == 2, "two")
                self.assertEqual(server.total("bullpen_connections_completed_total", pool="mirror"), 1)
                self.assertEqual(server.total("bullpen_workers", pool="web"), 2)
                self.assertEqual(server.total("bullpen_workers", pool="mirror"), 1)
            self.assertFalse(Path(home, "web").exists())

    def test_check_config_binds_nothing_and_says_what_is_wrong(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
            config.write("[pool.web]\nspare_mim = 3\n")
            config.flush()
            status, out, err = run("check-config", config.name)
            self.assertEqual((status, out), (2, ""))
            self.assertIn(f"{config.name}:2: ", err)
            self.assertIn("spare_min", err)


class Models(unittest.TestCase):
    """The same sentences for every model."""

    def each(self, *arguments):
        for model in ("iterative", "fork", "prefork"):
            with self.subTest(model=model), Bullpen(*arguments, "--model", model) as server:
                yield server

    def test_a_mebibyte_goes_there_and_back(self):
        data = os.urandom(1 << 20)
        for server in self.each("echo"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
                sent = answer = 0
                received = bytearray()
                client.setblocking(False)
                while len(received) < len(data):
                    if sent < len(data):
                        try:
                            sent += client.send(data[sent:])
                            if sent == len(data):
                                client.shutdown(socket.SHUT_WR)
                        except BlockingIOError:
                            pass
                    try:
                        piece = client.recv(1 << 20)
                        self.assertTrue(piece)
                        received += piece
                    except BlockingIOError:
                        pass
                self.assertEqual(bytes(received), data)

    def test_a_client_that_leaves_in_the_middle_is_counted_as_such(self):
        for server in self.each("echo"):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            client.sendall(b"x")
            self.assertEqual(client.recv(1), b"x")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
            wait_until(lambda: server.total("bullpen_connections_client_aborted_total") == 1, "the count")

    def test_a_unix_socket_has_its_mode_and_is_gone_after_the_stop(self):
        with tempfile.TemporaryDirectory() as home:
            path = f"{home}/socket"
            for server in self.each("echo", "--listen", f"unix:{path}", "--unix-mode", "0600"):
                self.assertEqual(echo(path), b"hello")
                self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
                self.assertEqual(server.stop(), 0)
                self.assertFalse(os.path.exists(path))

    def test_two_listeners_are_both_served(self):
        for server in self.each("echo", "--listen", "127.0.0.1:0", "--listen", "[::1]:0"):
            self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")
            with socket.create_connection(("::1", int(server.addresses[1].rpartition(":")[2])), timeout=30) as client:
                client.sendall(b"six")
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(client.recv(100), b"six")


class SystemCalls(unittest.TestCase):
    """Of the optimised program: each call between accept and handler has a reason."""

    def counted(self, pid, load):
        """Runs `load` while strace counts the calls of a process."""
        with tempfile.NamedTemporaryFile("r") as report:
            tracer = subprocess.Popen(["strace", "-c", "-f", "-o", report.name, "-p", str(pid)],
                                      stderr=subprocess.PIPE, text=True)
            self.assertIn("attached", tracer.stderr.readline())
            load()
            tracer.send_signal(2)
            tracer.wait(30)
            tracer.stderr.close()
            return {line.split()[-1]: int(line.split()[3]) for line in report.read().splitlines()
                    if re.match(r"\s*\d+\.\d+ ", line) and not line.rstrip().endswith("total")}

    def test_a_connection_that_comes_singly_costs_the_master_seven_and_a_worker_three_beyond_its_handler(self):
        with Bullpen("echo", "--workers", "4", program=os.environ.get("BULLPEN_OPTIMISED")) as server:
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 4, "idle workers")
            wait_until(lambda: server.total("bullpen_connections_in_flight") == 0, "rest")

            def singly():
                for i in range(200):
                    self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")
                    wait_until(lambda: server.total("bullpen_connections_completed_total") > i, "the count")

            calls = self.counted(server.master, singly)
            per_connection = {name: calls.get(name, 0) / 200 for name in calls}
            print(f"\nmaster, one by one: {per_connection}")
            for name in ("accept4", "sendmsg", "setsockopt", "close"):
                self.assertIn(calls[name], (199, 200))  # The last close may come too late for the tracer.
            self.assertLessEqual(sum(calls.values()), 200 * 7 + 60)  # Three of them wait, the last for the end.

            first = min(server.workers())
            calls = self.counted(first, lambda: [self.served_by_first(server) for _ in range(100)])
            print(f"worker: {calls}")
            own = sum(calls.get(name, 0) for name in calls if name not in ("recvfrom", "sendto"))
            self.assertLessEqual(own, 3 * calls["close"] + 2)  # recvmsg, shutdown, close.

    def served_by_first(self, server):
        before = server.total("bullpen_connections_completed_total")
        self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")
        wait_until(lambda: server.total("bullpen_connections_completed_total") > before, "the count")

    def test_connections_that_come_in_crowds_cost_the_master_fewer_than_six(self):
        """accept4, the look whether the client has spoken, sendmsg, setsockopt (no SO_LINGER), close, and a share of a wait."""
        with Bullpen("http", "--workers", "32", program=os.environ.get("BULLPEN_OPTIMISED")) as server:
            wait_until(lambda: server.total("bullpen_workers", state="idle") == 32, "idle workers")

            def crowd():
                subprocess.run(["ab", "-q", "-n", "5000", "-c", "32", server.url + "README.md"], check=True,
                               stdout=subprocess.DEVNULL, timeout=120)

            crowd()
            calls = self.counted(server.master, crowd)
            print(f"\nmaster, in crowds: {calls}")
            self.assertLess(sum(calls.values()) / calls["accept4"], 6)


if __name__ == "__main__":
    unittest.main()
