"""Listeners on UNIX sockets without a file (unix:@name) and on those that keep messages apart (seqpacket:/path)."""

import os
import pwd
import signal
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from every_model import HASHED, WITHOUT_WORKERS_OF_OURS, chosen, flags_of, model_of
from harness import TOP, Bullpen, wait_until

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))


def name_of(kind, address):
    """As connect(2) takes it."""
    name = address.removeprefix(kind + ":")
    return "\0" + name[1:] if name.startswith("@") else name


def connect(address):
    kind = address.partition(":")[0]
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET if kind == "seqpacket" else socket.SOCK_STREAM)
    client.settimeout(60)
    client.connect(name_of(kind, address))
    return client


def cases():
    """Those models that take a UNIX socket."""
    return [case for case in chosen() if model_of(case) not in HASHED]


class LocalSockets(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.home = Path(holder.name)
        self.abstract = f"@bullpen-test-{os.getpid()}"

    def addresses(self):
        return [f"unix:{self.abstract}", f"seqpacket:{self.home}/s", f"seqpacket:{self.abstract}-messages"]

    def test_echo_is_served_on_each_by_every_model(self):
        for case in cases():
            listens = [flag for address in self.addresses() for flag in ("--listen", address)]
            with self.subTest(case=case), Bullpen("echo", *flags_of(case), *listens) as server:
                self.assertEqual(server.addresses, self.addresses())
                for address in self.addresses():
                    with connect(address) as client:
                        client.sendall(b"hello")
                        self.assertEqual(client.recv(100), b"hello")
                        client.shutdown(socket.SHUT_WR)
                        self.assertEqual(client.recv(100), b"")
                self.assertFalse(os.path.exists(self.abstract))

    def test_messages_stay_apart_and_clients_that_pause_hold_no_worker(self):
        for case in cases():
            if model_of(case) in WITHOUT_WORKERS_OF_OURS:
                continue
            address = f"seqpacket:{self.home}/s"
            with self.subTest(case=case), Bullpen("echo", *flags_of(case), "--listen", address), connect(address) as client:
                for message in (b"one", b"two", b"x" * 60_000, b"four"):
                    client.send(message)
                for message in (b"one", b"two", b"x" * 60_000, b"four"):
                    self.assertEqual(client.recv(65536), message)
            with self.subTest(case=case), Bullpen("sequence-number", *flags_of(case), "--listen", address), connect(address) as client:
                for i, message in enumerate((b"1\n", b"1\n", b"1\n1\n", b"1\n")):
                    client.send(message)
                    self.assertEqual(int(client.recv(100).split()[0]), i + (1 if i > 2 else 0))
                    if message == b"1\n1\n":
                        self.assertEqual(client.recv(100), b"3\n")
        with Bullpen("sequence-number", "--workers", "1", "--listen", address) as server:
            silent = [connect(address) for _ in range(5)]
            for client in silent:
                client.send(b"1\n")
                client.recv(100)
            wait_until(lambda: server.total("bullpen_connections_in_flight", where="parked") == 5, "they are parked")
            silent[2].send(b"1\n")
            self.assertEqual(silent[2].recv(100), b"5\n")
            for client in silent:
                client.close()

    def test_a_long_message_loses_its_rest_and_nothing_else(self):
        address = f"seqpacket:{self.home}/s"
        for model in ("prefork", "prefork-event", "prefork-accept"):
            with self.subTest(model=model), Bullpen("sequence-number", "--model", model, "--listen", address):
                with connect(address) as client:
                    client.send(b"1\n" * 60)  # Longer than the service reads at once.
                    client.send(b"7\n")
                    client.shutdown(socket.SHUT_WR)
                    said = b"".join(iter(lambda: client.recv(100), b""))
                    self.assertTrue(said.startswith(b"0\n"), said)
                    self.assertEqual(len(said.splitlines()), 17, said)  # 16 of the first message's, and the second's.

    def test_a_stop_serves_the_backlog_and_refuses_who_comes_later(self):
        for case in cases():
            if model_of(case) in WITHOUT_WORKERS_OF_OURS:
                continue
            address = f"unix:{self.abstract}"
            with self.subTest(case=case), Bullpen("echo", *flags_of(case), "--listen", address) as server:
                early = [connect(address) for _ in range(3)]
                server.terminate()
                def is_refused():
                    try:
                        connect(address).close()
                    except ConnectionRefusedError:
                        return True
                    return False
                wait_until(is_refused, "the refusal of new clients")
                for client in early:
                    client.sendall(b"hello")
                    client.shutdown(socket.SHUT_WR)
                    self.assertEqual(b"".join(iter(lambda c=client: c.recv(100), b"")), b"hello")
                    client.close()
                self.assertEqual(server.wait(), 0)

    def test_a_restart_takes_the_name_over_and_a_second_server_does_not(self):
        address = f"unix:{self.abstract}"
        for _ in range(3):
            with Bullpen("echo", "--listen", address) as server:
                second = subprocess.run([PROGRAM, "serve", "echo", "--listen", address, "--metrics", "off", "--control", "off"],
                                        capture_output=True, text=True, timeout=60, check=False)
                self.assertEqual(second.returncode, 1)
                self.assertIn(f"cannot listen on {address}", second.stderr)
                os.kill(server.master, signal.SIGKILL)
                with connect(address) as client:
                    client.sendall(b"hello")
                    self.assertEqual(client.recv(100), b"hello")

    def test_a_reload_keeps_them(self):
        file = self.home / "bullpen.toml"
        text = '[pool.a]\nservice = "echo"\nworkers = 1\nlisten = [{}]\n'
        file.write_text(text.format(", ".join(f'"{address}"' for address in self.addresses())))
        with Bullpen("--config", str(file)) as server:
            kept = [connect(address) for address in self.addresses()]
            file.write_text(file.read_text() + "idle_timeout = 50\n")
            self.assertEqual(server.ctl("reload")[:2], (0, "the new configuration is in effect\n"))
            file.write_text(text.format(f'"{self.addresses()[0]}"'))
            self.assertEqual(server.ctl("reload")[:2], (0, "the new configuration is in effect\n"))
            wait_until(lambda: not os.path.exists(self.home / "s"), "the removed listener's end")
            with self.assertRaises(OSError):
                connect(self.addresses()[1])
            for client in [*kept, connect(self.addresses()[0])]:
                client.sendall(b"hello")
                self.assertEqual(client.recv(100), b"hello")
                client.close()

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_only_the_users_and_groups_of_the_lists_get_in(self):
        def is_let_in(address, user=0, group=0, groups=()):
            child = os.fork()
            if child == 0:
                try:
                    os.setgroups(groups)
                    os.setgid(group)
                    os.setuid(user)
                    client = connect(f"unix:{address}")
                    client.sendall(b"x")
                    os._exit(0 if client.recv(1) == b"x" else 9)
                except (ConnectionResetError, BrokenPipeError):
                    os._exit(9)
                finally:
                    os._exit(1)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            self.assertIn(status, (0, 9))
            return status == 0
        nobody = pwd.getpwnam("nobody").pw_uid
        os.chmod(self.home, 0o755)
        one, other = f"{self.home}/one", f"{self.home}/other"
        for model in ("prefork", "fork", "prefork-event"):
            with self.subTest(model=model):
                with Bullpen("echo", "--model", model, "--unix-mode", "0777", "--listen", f"unix:{one}", "--listen", f"unix:{other}",
                             "--allow-uid", f"nobody@unix:{one}", "--allow-uid", f"12345@unix:{one}", "--allow-gid", f"23456@unix:{one}",
                             "--allow-uid", f"root@unix:{other}") as server:
                    self.assertFalse(is_let_in(one))
                    self.assertTrue(is_let_in(one, user=nobody))
                    self.assertTrue(is_let_in(one, user=12345))
                    self.assertFalse(is_let_in(one, user=12346, group=12345))
                    self.assertTrue(is_let_in(one, user=12346, group=23456))
                    self.assertTrue(is_let_in(one, user=12346, group=1, groups=[5, 23456, 7]))
                    self.assertTrue(is_let_in(other))
                    self.assertFalse(is_let_in(other, user=nobody))
                    self.assertEqual(server.total("bullpen_connections_refused_total", reason="denied"), 3)

    def test_lists_that_mean_nobody_get_a_sentence(self):
        tcp = ("--listen", "127.0.0.1:0")
        for flags, sentence in (
                ((*tcp, "--allow-uid", "root"), "--allow-uid: the pool has no UNIX listener, and the clients of others have no user"),
                ((*tcp, "--allow-gid", "root@127.0.0.1:0"), "--allow-gid: the clients of 127.0.0.1:0 have no user; expected a UNIX listener"),
                (("--listen", "unix:/x", "--allow-uid", "no-such"), "--allow-uid: there is no user 'no-such'; expected a user's name or number"),
                (("--listen", "unix:/x", "--allow-gid", "-1"), "--allow-gid: there is no group '-1'; expected a group's name or number"),
                (("--listen", "unix:/x", "--allow-uid", "4294967295"), "there is no user '4294967295'"),
                (("--listen", "unix:/x", "--allow-uid", "0@unix:/y"), "--allow-uid: there is no listener 'unix:/y'"),
                (("--listen", "unix:/x", "--allow-uid", "0@"), "there is no listener '' after the @"),
                (("--listen", "unix:/x", "--allow-uid", "0", "--model", "thread"), "--allow-uid goes with models")):
            done = subprocess.run([PROGRAM, "serve", "echo", *flags], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, flags)
            self.assertIn(sentence, done.stderr)

    def test_names_that_are_none_get_a_sentence(self):
        for wrong in ("unix:@", "seqpacket:", "seqpacket:@", "unix:@" + "x" * 107):
            done = subprocess.run([PROGRAM, "serve", "echo", "--listen", wrong], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, wrong)
            self.assertIn("is not an address: a UNIX socket's path, or its name after @, has 1 to 107 bytes, and no NUL", done.stderr)


if __name__ == "__main__":
    unittest.main()
