"""`bullpen sockets`: every socket of a server, where it is, and what the kernel says of it."""

import json
import os
import pty
import socket
import subprocess
import tempfile
import unittest
from contextlib import ExitStack, closing
from pathlib import Path

from harness import TOP, Bullpen, wait_until

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))


def connect(server, listener=0):
    kind, _, rest = server.addresses[listener].partition(":")
    if kind in ("unix", "seqpacket"):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET if kind == "seqpacket" else socket.SOCK_STREAM)
        client.connect(rest)
        return client
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def run(server, *arguments):
    """The exit status and what is printed."""
    done = subprocess.run([PROGRAM, "sockets", "--control", str(server.control), *arguments],
                          capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout, done.stderr


def sockets(server, *arguments):
    status, told, complaint = run(server, "--json", *arguments)
    if status != 0:
        raise AssertionError(complaint)
    return json.loads(told)


def of_clients(server, *arguments):
    return [one for one in sockets(server, *arguments) if one["where"] != "listener"]


class Sockets(unittest.TestCase):
    def test_each_has_its_place(self):
        with Bullpen("echo", "--workers", "2", "--model", "prefork", "--queue-ahead", "0") as server, ExitStack() as stack:
            clients = [stack.enter_context(closing(connect(server))) for _ in range(5)]
            for client in clients[:2]:
                client.sendall(b"a")
                self.assertEqual(client.recv(1), b"a")
            own = {f"127.0.0.1:{client.getsockname()[1]}": number for number, client in enumerate(clients)}

            def places():
                return {own[one["peer"]]: one["where"] for one in of_clients(server)}

            wait_until(lambda: {places()[number] for number in (0, 1)} == {"slot 0", "slot 1"}, "both to be served")
            for number in (2, 3, 4):
                self.assertIn(places()[number], ("parked", "waiting", "backlog"))
            [listener] = [one for one in sockets(server) if one["where"] == "listener"]
            self.assertEqual((listener["state"], listener["local"], listener["peer"]),
                             ("listen", server.addresses[0], "0.0.0.0:0"))
            [first] = [one for one in of_clients(server) if own[one["peer"]] == 0]
            self.assertEqual((first["state"], first["receive_queue"], first["timer"]), ("established", 0, "none"))
            self.assertEqual((first["tcp"]["received_bytes"], first["tcp"]["retransmitted"]), (1, 0))
            self.assertGreater(first["tcp"]["rtt_us"], 0)
            before = first["age_ms"]
            wait_until(lambda: [one for one in of_clients(server) if own[one["peer"]] == 0][0]["age_ms"] > before,
                       "it to grow older")
            stack.close()

    def test_who_is_next_at_a_slot_is_behind_it(self):
        with Bullpen("work", "--workers", "1", "--queue-ahead", "4") as server:
            def places():
                with ExitStack() as stack:
                    for _ in range(4):
                        client = stack.enter_context(closing(connect(server)))
                        client.sendall(b"GET /sleep/500 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    return {one["where"] for one in of_clients(server)}
            wait_until(lambda: {"slot 0", "behind slot 0"} <= places(), "one to be served and another behind it")

    def test_who_waits_without_a_worker_is_parked(self):
        with Bullpen("discard", "--workers", "1") as server, ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(closing(connect(server))).sendall(b"a")
            wait_until(lambda: [one["where"] for one in of_clients(server)] == 3 * ["parked"], "three to be parked")
            stack.close()

    def test_workers_that_accept_have_their_clients(self):
        for model in ("prefork-accept", "thread", "event"):
            with self.subTest(model=model), Bullpen("echo", "--model", model) as server, closing(connect(server)) as client:
                client.sendall(b"a")
                self.assertEqual(client.recv(1), b"a")
                [one] = of_clients(server)
                self.assertRegex(one["where"], r"^slots? \d+(-\d+)?$")
                self.assertTrue(Path("/proc", str(one["pid"])).exists())
                if model == "prefork-accept":
                    wait_until(lambda: of_clients(server)[0]["age_ms"] > one["age_ms"], "it to grow older")
                else:  # Whose clients share a process.
                    self.assertIsNone(one["age_ms"])
                client.close()

    def test_a_program_has_its_client(self):
        with Bullpen("exec", "--model", "inetd", "--", "/bin/cat") as server, closing(connect(server)) as client:
            client.sendall(b"a")
            self.assertEqual(client.recv(1), b"a")
            [one] = of_clients(server)
            self.assertEqual(Path("/proc", str(one["pid"]), "comm").read_text(), "cat\n")
            wait_until(lambda: of_clients(server)[0]["age_ms"] > one["age_ms"], "it to grow older")
            client.close()

    def test_unix_sockets_are_shown_too(self):
        with tempfile.TemporaryDirectory() as home, \
                Bullpen("echo", "--listen", f"unix:{home}/stream", "--listen", f"seqpacket:{home}/packets") as server:
            with closing(connect(server)) as stream, closing(connect(server, 1)) as packets:
                for client in (stream, packets):
                    client.sendall(b"a")
                    self.assertEqual(client.recv(1), b"a")
                told = {one["local"]: (one["state"], one["where"].split(" ")[0]) for one in of_clients(server)}
                self.assertEqual(told, {f"unix:{home}/stream": ("established", "slot"),
                                        f"seqpacket:{home}/packets": ("established", "slot")})

    def test_filters_by_state_and_pool(self):
        with Bullpen("daytime") as server:
            with closing(connect(server)) as client:
                while client.recv(100):
                    pass
            wait_until(lambda: of_clients(server, "--state", "time_wait"), "a socket in TIME_WAIT")
            [left] = of_clients(server, "--state", "time_wait")
            self.assertEqual((left["where"], left["timer"]), ("kernel", "time_wait"))
            self.assertEqual([one["state"] for one in sockets(server, "--state", "listen,established")], ["listen"])
            pool = sockets(server)[0]["pool"]
            self.assertEqual([one["local"] for one in sockets(server, "--pool", pool)],
                             [one["local"] for one in sockets(server)])
            wait_until(lambda: server.total("bullpen_tcp_sockets", state="time_wait") == 1, "the metric")
            self.assertEqual(server.total("bullpen_tcp_sockets", state="listen"), 1)
            self.assertEqual(server.total("bullpen_tcp_sockets", state="established"), 0)

    def test_it_fits_on_a_terminal(self):
        with Bullpen("echo", "--listen", "127.0.0.1:0", "--listen", "[::1]:0") as server, closing(connect(server)) as client:
            client.sendall(b"a")
            self.assertEqual(client.recv(1), b"a")
            for arguments in ((), ("--details",)):
                status, told, _ = run(server, *arguments)
                self.assertEqual(status, 0)
                self.assertLessEqual(max(map(len, told.splitlines())), 80, told)
                self.assertIn("3 sockets: 1 established, 2 listen", told)
            self.assertRegex(told, r"0 retransmitted,\s+1 received,")

    def test_watch_shows_them_again_until_it_is_ended(self):
        with Bullpen("echo") as server, closing(connect(server)) as client:
            client.sendall(b"a")
            self.assertEqual(client.recv(1), b"a")
            terminal, end = pty.openpty()
            command = [PROGRAM, "sockets", "--control", str(server.control), "--watch", "0.1"]
            with subprocess.Popen(command, stdin=end, stdout=end, stderr=end, start_new_session=True) as shown:
                os.close(end)
                told = b""
                while told.count(b"2 sockets") < 3:
                    told += os.read(terminal, 65536)
                shown.terminate()
            os.close(terminal)
            self.assertGreaterEqual(told.count(b"\033[2J"), 3)
            client.close()

    def test_mistakes_get_a_sentence(self):
        with Bullpen("echo") as server:
            for arguments, sentence in ((("--state", "time-wait"), r"there is no state 'time-wait' \(did you mean time_wait\?\)"),
                                        (("--pool", "none"), r"the server has no pool 'none'; it has "),
                                        (("--watch", "0"), "--watch")):
                status, told, complaint = run(server, *arguments)
                self.assertEqual((status, told), (2, ""))
                self.assertRegex(complaint, sentence)
                self.assertEqual(complaint.count("\n"), 1, complaint)
            with tempfile.TemporaryDirectory() as home:
                done = subprocess.run([PROGRAM, "sockets", "--control", home], capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertRegex(done.stderr, "no server 'default' can be reached")


if __name__ == "__main__":
    unittest.main()
