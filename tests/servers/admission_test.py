"""Who gets in: lists of networks, limits of a source, early random drop. Clients come from 127.0.0.x."""

import os
import socket
import subprocess
import tempfile
import unittest
import urllib.request
from contextlib import ExitStack, closing
from pathlib import Path

from harness import TOP, Bullpen, held_connections, wait_until

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))


def connect(server, source="127.0.0.1", listener=0):
    """A connection to the server's listener of that index, from that address."""
    host, _, port = server.addresses[listener].rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60, source_address=(source, 0))


def is_served(client, data=b"hello"):
    """Whether the service echo answers. Who is refused may be reset before or after he has spoken."""
    try:
        client.sendall(data)
        return client.recv(len(data)) == data
    except ConnectionError:
        return False


def comes_in(server, source="127.0.0.1", listener=0):
    """Whether a client of its own, who leaves at once, is served."""
    with closing(connect(server, source, listener)) as client:
        return is_served(client)


def refused(server, reason):
    return server.total("bullpen_connections_refused_total", reason=reason)


def wait_for_rest(server):
    """Until the master has heard of every end: a child counts its client's before it ends itself."""
    wait_until(lambda: not held_connections(server.master), "no connection that the master holds")


class Settings(unittest.TestCase):
    def complaint(self, *flags):
        done = subprocess.run([PROGRAM, "serve", "echo", "--listen", "127.0.0.1:0", *flags], capture_output=True,
                              text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertRegex(done.stderr, r"\Abullpen: [^\n]+\n\Z")
        return done.stderr

    def test_wrong_usage_is_one_sentence_and_status_2(self):
        for flags, expected in [
            (("--allow", "10.0.0.1/8"), "expected 10.0.0.0/8 or 10.0.0.1"),
            (("--deny", "localhost"), "--deny: 'localhost' is not a network"),
            (("--deny", "::1@127.0.0.1:1"), "no listener '127.0.0.1:1'"),
            (("--trusted-proxies", "10.0.0.0/33"), "from 0 to 32"),
            (("--source-connections", "-1"), "expected a number from 0"),
            (("--source-prefix", "64"), "as in 32:64"),
            (("--source-ban", "9"), "needs --source-connections or --source-rate"),
            (("--startups", "10:30:9"), "begin:rate:full"),
            (("--model", "prethread", "--deny", "::1"), "not with model prethread"),
        ]:
            with self.subTest(flags=flags):
                self.assertIn(expected, self.complaint(*flags))

    def test_an_address_of_a_listener_means_what_the_flags_made_of_it(self):
        with tempfile.TemporaryDirectory() as home:
            config = Path(home, "bullpen.toml")
            config.write_text("[pool.a]\nservice = 'echo'\nlisten = '127.0.0.1:1'\ndeny = '127.0.0.2@127.0.0.1:1'\n")
            self.assertIn("[pool.a]: deny: there is no listener '127.0.0.1:1'",
                          self.complaint("--config", str(config), "--pool", "a"))


class Admission(unittest.TestCase):
    """Leaving the with-block of a Bullpen checks that accepted = completed + … + refused."""

    def each(self, *flags):
        for model in ("prefork", "fork"):
            with self.subTest(model=model), Bullpen("echo", "--model", model, *flags) as server:
                yield server

    def test_who_is_denied_is_not_served_and_others_are(self):
        for server in self.each("--deny", "127.0.0.2/31"):
            self.assertFalse(comes_in(server, "127.0.0.2"))
            self.assertFalse(comes_in(server, "127.0.0.3"))
            self.assertTrue(comes_in(server, "127.0.0.4"))
            self.assertEqual(refused(server, "denied"), 2)

    def test_if_some_are_allowed_only_they_are_served_and_deny_wins(self):
        for server in self.each("--allow", "127.0.0.2/31", "--allow", "127.0.0.8", "--deny", "127.0.0.3"):
            self.assertEqual([comes_in(server, f"127.0.0.{i}") for i in (1, 2, 3, 8)], [False, True, False, True])
            self.assertEqual(refused(server, "denied"), 2)

    def test_a_list_may_be_for_one_listener(self):
        for server in self.each("--listen", "127.0.0.1:0", "--listen", "127.0.0.9:0",
                                "--allow", "127.0.0.2@127.0.0.9:0", "--deny", "127.0.0.4@127.0.0.1:0"):
            self.assertEqual([comes_in(server, f"127.0.0.{i}", 0) for i in (2, 3, 4)], [True, True, False])
            self.assertEqual([comes_in(server, f"127.0.0.{i}", 1) for i in (2, 3, 4)], [True, False, False])
            self.assertEqual(refused(server, "denied"), 3)

    def test_a_source_has_only_so_many_connections_at_once(self):
        for server in self.each("--source-connections", "2"):
            with closing(connect(server)) as first, closing(connect(server)) as second:
                self.assertTrue(is_served(first))
                self.assertTrue(is_served(second))
                for _ in range(3):
                    self.assertFalse(comes_in(server))
                self.assertTrue(comes_in(server, "127.0.0.2"))
                self.assertEqual(refused(server, "source"), 3)
                self.assertTrue(is_served(first))
            wait_for_rest(server)
            for _ in range(5):
                self.assertTrue(comes_in(server))
                wait_for_rest(server)
            self.assertEqual(refused(server, "source"), 3)

    def test_a_worker_that_is_killed_gives_its_clients_places_back(self):
        with Bullpen("echo", "--source-connections", "1") as server:
            for _ in range(3):
                before = server.total("bullpen_connections_lost_total")
                with closing(connect(server)) as client:
                    self.assertTrue(is_served(client))
                    self.assertFalse(comes_in(server))
                    for pid in server.workers():
                        os.kill(pid, 9)
                    wait_until(lambda: server.total("bullpen_connections_lost_total") > before, "the loss")
            self.assertTrue(comes_in(server))

    def test_a_source_gets_only_so_many_new_connections_a_second(self):
        for server in self.each("--source-rate", "1"):
            with ExitStack() as stack:
                clients = [stack.enter_context(closing(connect(server))) for _ in range(20)]
                served = sum(is_served(client) for client in clients)
            self.assertGreater(served, 0)
            self.assertTrue(comes_in(server, "127.0.0.2"))
            self.assertEqual(refused(server, "rate"), 20 - served)
            self.assertGreater(20 - served, 0)
            wait_until(lambda: comes_in(server), "a service to come again")

    def test_a_source_that_keeps_trying_is_banned_and_lets_others_be(self):
        for server in self.each("--source-connections", "1", "--source-ban", "3600", "--source-ban-after", "3"):
            with closing(connect(server)) as client:
                self.assertTrue(is_served(client))
                for _ in range(5):
                    self.assertFalse(comes_in(server))
                self.assertTrue(is_served(client))  # What it has it keeps.
            wait_for_rest(server)
            self.assertFalse(comes_in(server))
            self.assertTrue(comes_in(server, "127.0.0.2"))
            self.assertEqual(refused(server, "source"), 3)
            self.assertEqual(refused(server, "banned"), 3)

    def test_a_ban_ends(self):
        for server in self.each("--source-connections", "1", "--source-ban", "1", "--source-ban-after", "1"):
            with closing(connect(server)) as client:
                self.assertTrue(is_served(client))
                self.assertFalse(comes_in(server))
            wait_until(lambda: comes_in(server), "the end of the ban")
            self.assertEqual(refused(server, "source"), 1)

    def test_a_source_may_be_a_network(self):
        for server in self.each("--source-connections", "1", "--source-prefix", "24:64"):
            with closing(connect(server, "127.0.0.2")) as client:
                self.assertTrue(is_served(client))
                self.assertFalse(comes_in(server, "127.0.0.3"))
                self.assertTrue(comes_in(server, "127.0.1.3"))

    def test_trusted_proxies_have_no_limit(self):
        for server in self.each("--source-connections", "1", "--source-rate", "1", "--trusted-proxies", "127.0.0.2"):
            with ExitStack() as stack:
                for _ in range(4):
                    self.assertTrue(is_served(stack.enter_context(closing(connect(server, "127.0.0.2")))))
                self.assertTrue(is_served(stack.enter_context(closing(connect(server)))))
                self.assertFalse(comes_in(server))

    def test_clients_of_a_unix_socket_are_not_concerned(self):
        with tempfile.TemporaryDirectory() as home:
            path = f"{home}/socket"
            for server in self.each("--listen", "127.0.0.1:0", "--listen", f"unix:{path}", "--deny", "0.0.0.0/0",
                                    "--allow", "127.0.0.2", "--source-connections", "1", "--source-rate", "1"):
                with ExitStack() as stack:
                    for _ in range(4):
                        client = stack.enter_context(socket.socket(socket.AF_UNIX))
                        client.settimeout(60)
                        client.connect(path)
                        self.assertTrue(is_served(client))
                self.assertFalse(comes_in(server, "127.0.0.2"))

    def test_ipv6_clients_are_judged_as_such(self):
        for server in self.each("--listen", "[::1]:0", "--deny", "0.0.0.0/0", "--source-connections", "1"):
            port = int(server.addresses[0].rpartition(":")[2])
            with socket.create_connection(("::1", port), timeout=60) as first:
                self.assertTrue(is_served(first))
                with socket.create_connection(("::1", port), timeout=60) as second:
                    self.assertFalse(is_served(second))
            self.assertEqual(refused(server, "source"), 1)

    def test_silent_clients_beyond_startups_are_dropped_and_leave_room_when_they_go(self):
        # Of http, whose clients wait in the master until they have spoken.
        with Bullpen("http", "--root", str(TOP), "--startups", "4") as server:
            with ExitStack() as stack:
                for _ in range(10):
                    stack.enter_context(closing(connect(server)))
                wait_until(lambda: refused(server, "startups") == 6, "the refusals")
                with self.assertRaises(OSError):  # Closed without an answer, or 503.
                    urllib.request.urlopen(server.url + "README.md", timeout=60)
                self.assertEqual(refused(server, "startups"), 7)
            wait_for_rest(server)
            with urllib.request.urlopen(server.url + "README.md", timeout=60) as page:
                self.assertEqual(page.status, 200)
            self.assertEqual(refused(server, "startups"), 7)


if __name__ == "__main__":
    unittest.main()
