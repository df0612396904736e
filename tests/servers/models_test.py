"""What every model must do: the same sentences for all. BULLPEN_MODELS may name some of them, see every_model.py."""

import glob
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from every_model import (CASES, FORK_FOR_EACH, HASHED, IN_TURNS, ONE_AT_A_TIME, SHARE_ONE_PROCESS,
                         WITHOUT_WORKERS_OF_OURS, chosen, flags_of, model_of)
from harness import TOP, Bullpen, echo, processes, title, wait_until

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))
HELD = 3  # Clients at once, of those designs that serve several.


class EveryModel:
    """The sentences; load_tests() makes a test case of them for each model."""

    case = ""

    def start(self, *flags):
        return Bullpen("echo", *flags_of(self.case), *flags)

    @property
    def model(self):
        return model_of(self.case)

    def client(self, address):
        client = socket.create_connection(address, timeout=60)
        self.addCleanup(client.close)
        return client

    def held_clients(self, address):
        """Clients that are in their handlers now."""
        clients = []
        for _ in range(1 if self.model in ONE_AT_A_TIME | HASHED else HELD):
            client = self.client(address)
            client.sendall(b"a")
            self.assertEqual(client.recv(1), b"a")
            clients.append(client)
        return clients

    def serving(self, server):
        """The pids of the processes that clients are in."""
        return [pid for pid in server.children() if "bullpen: metrics" not in title(pid)]

    def test_clients_are_served_and_counted(self):
        with self.start() as server:
            address = ("127.0.0.1", server.port)
            for number in range(20):
                message = b"hello %d" % number
                self.assertEqual(echo(address, message), message)
            wait_until(lambda: server.total("bullpen_connections_completed_total") == 20, "20 completed connections")
            self.assertEqual(server.total("bullpen_connections_accepted_total"), 20)

    def test_a_mebibyte_goes_there_and_back(self):
        mebibyte = os.urandom(1 << 20)
        with self.start() as server:
            address = ("127.0.0.1", server.port)
            client = self.client(address)
            sender = threading.Thread(target=lambda: (client.sendall(mebibyte), client.shutdown(socket.SHUT_WR)))
            sender.start()
            received = bytearray()
            while piece := client.recv(65536):
                received += piece
            sender.join()
            self.assertEqual(bytes(received), mebibyte)

    def test_a_client_may_end_its_side_and_still_be_answered(self):
        with self.start() as server:
            address = ("127.0.0.1", server.port)
            client = self.client(address)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(client.recv(1), b"")
            self.assertEqual(echo(address, b"next"), b"next")

    def test_a_client_that_resets_harms_nobody(self):
        with self.start() as server:
            address = ("127.0.0.1", server.port)
            client, *others = self.held_clients(address)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
            name = "bullpen_connections_client_aborted_total"
            if self.model in WITHOUT_WORKERS_OF_OURS:  # How a program ends is all that is known of it.
                name = "bullpen_connections_completed_total"
            wait_until(lambda: server.total(name) == 1, f"one {name}")
            self.assertEqual(echo(address, b"next"), b"next")
            for other in others:
                other.close()

    def test_an_idle_server_wakes_nobody(self):
        """Not its workers. The master looks up once a second."""
        if self.model in FORK_FOR_EACH:
            self.skipTest("it has no idle workers")
        with self.start() as server:
            self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")
            self.assert_they_sleep(server)

    def test_a_full_server_wakes_nobody_while_others_wait(self):
        if self.model not in {"event", "iterative", "prefork-accept", "prethread", "thread"} | IN_TURNS:
            self.skipTest("its workers don't know who waits")
        one = ["--capacity", "1"] if self.model in {"event"} | IN_TURNS else [] if self.model in ONE_AT_A_TIME else ["--workers", "1"]
        with self.start(*one) as server:
            address = ("127.0.0.1", server.port)
            held = self.client(address)
            held.sendall(b"a")
            self.assertEqual(held.recv(1), b"a")
            waiting = self.client(address)
            waiting.sendall(b"b")
            self.assert_they_sleep(server, at_most=6)  # Reading from its client it wakes four times a second.
            held.close()
            self.assertEqual(waiting.recv(1), b"b")
            waiting.close()

    def assert_they_sleep(self, server, at_most=0):
        """Each worker, all its threads counted, for a second; once they have come to rest."""
        if "/tsan/" in server.command[0]:
            return  # It has a thread of its own that looks up ten times a second.

        def switches():
            return {pid: sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)$", Path(status).read_text(), re.M)[1])
                             for status in glob.glob(f"/proc/{pid}/task/*/status"))
                    for pid in server.workers()}

        def woken_within(seconds):
            before = switches()
            time.sleep(seconds)  # What is measured is what happens in it.
            after = switches()
            return {pid: after[pid] - count for pid, count in before.items() if after[pid] - count > at_most}

        # A cancelled timer of an event loop wakes it once more, within a second (Asio leaves its timerfd set).
        wait_until(lambda: not woken_within(1.1), "rest", timeout=10)
        self.assertEqual(woken_within(1.0), {})

    def test_no_descriptor_is_left_open_over_an_exec(self):
        """popen(3) and system(3) run no fork handlers: O_CLOEXEC keeps their programs from what is the worker's."""
        if self.model in WITHOUT_WORKERS_OF_OURS:
            self.skipTest("it has no workers of ours")
        with self.start() as server:
            clients = self.held_clients(("127.0.0.1", server.port))
            for pid in self.serving(server):
                self.assertEqual(self.left_open(pid), {})
            for client in clients:
                client.close()

    def left_open(self, pid):
        """What an exec would leave open. A descriptor may be closed while it is looked at."""
        left = {}
        for entry in os.listdir(f"/proc/{pid}/fd"):
            try:
                flags = re.search(r"^flags:\s+([0-7]+)$", Path(f"/proc/{pid}/fdinfo/{entry}").read_text(), re.M)[1]
                if int(entry) > 2 and not int(flags, 8) & os.O_CLOEXEC:
                    left[entry] = os.readlink(f"/proc/{pid}/fd/{entry}")
            except FileNotFoundError:
                continue
        return left

    def test_several_clients_are_served_at_once(self):
        if self.model in ONE_AT_A_TIME | HASHED:
            self.skipTest("it promises no such thing")
        with self.start() as server:
            address = ("127.0.0.1", server.port)
            for client in self.held_clients(address):
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(client.recv(1), b"")

    def test_a_pool_grows_with_its_clients_and_shrinks_again(self):
        if self.model in ONE_AT_A_TIME | HASHED | FORK_FOR_EACH | IN_TURNS | {"event", "prefork-event", "thread"}:
            self.skipTest("it has no pool that follows its clients")
        with self.start("--spare-min", "1", "--spare-max", "2", "--workers-start", "2",
                        "--workers-max", "12", "--shrink-window", "1") as server:
            address = ("127.0.0.1", server.port)
            clients = []
            for _ in range(10):
                client = self.client(address)
                client.sendall(b"a")
                clients.append(client)
            for client in clients:
                self.assertEqual(client.recv(1), b"a")
            wait_until(lambda: server.total("bullpen_workers", state="busy") >= 10, "ten workers to be known as busy")
            for client in clients:
                client.close()
            wait_until(lambda: server.total("bullpen_workers") <= 4, "a smaller pool")
            self.assertEqual(echo(address, b"next"), b"next")

    def test_a_crash_takes_what_bullpen_models_says(self):
        with self.start() as server:
            address = ("127.0.0.1", server.port)
            clients = self.held_clients(address)
            mine = self.process_of(server, clients[0])
            os.kill(mine, signal.SIGKILL)
            self.assertIn(self.end_of(clients[0]), (b"", "reset"))
            alone = self.model not in SHARE_ONE_PROCESS and len(clients) > 1
            lost = wait_until(lambda: server.total("bullpen_connections_lost_total"), "a lost connection")
            if alone and "--threads" not in server.command and self.model != "prefork-event":
                self.assertEqual(lost, 1)
                for client in clients[1:]:
                    client.sendall(b"b")
                    self.assertEqual(client.recv(1), b"b")
            elif self.model in SHARE_ONE_PROCESS:
                self.assertEqual(lost, len(clients))
                for client in clients[1:]:
                    self.assertIn(self.end_of(client), (b"", "reset"))
            for client in clients:
                client.close()
            self.assertEqual(echo(address, b"next"), b"next")

    def test_a_stop_in_order_loses_nobody(self):
        with self.start() as server:
            address = ("127.0.0.1", server.port)
            clients = self.held_clients(address)
            waiting = [self.client(address) for _ in range(5)]  # Accepted or not: they may not have begun.
            for client in waiting:
                client.sendall(b"wai")
            server.terminate()
            for client in clients + waiting:
                client.sendall(b"ted")
                client.shutdown(socket.SHUT_WR)
            for client in clients:
                self.assertEqual(self.rest_of(client), b"ted")
            for client in waiting:
                self.assertEqual(self.rest_of(client), b"waited")
            self.assertEqual(server.wait(), 0)

    def test_a_stop_under_load_loses_nobody(self):
        with self.start() as server:
            address = ("127.0.0.1", server.port)
            failures = []
            answered = threading.Semaphore(0)

            def keep_asking():
                while True:
                    try:
                        client = socket.create_connection(address, timeout=2)
                    except OSError:  # No new client gets in any more.
                        return
                    with client:
                        try:
                            client.sendall(b"ping")
                            client.shutdown(socket.SHUT_WR)
                            if self.rest_of(client) != b"ping":
                                failures.append("half an answer")
                        except OSError as error:
                            failures.append(repr(error))
                    answered.release()

            askers = [threading.Thread(target=keep_asking) for _ in range(4)]
            for asker in askers:
                asker.start()
            for _ in range(200):
                answered.acquire()
            server.terminate()
            for asker in askers:
                asker.join()
            self.assertEqual(failures, [])
            self.assertEqual(server.wait(), 0)

    def test_a_stop_of_the_whole_process_group_loses_nobody(self):
        with self.start() as server:
            address = ("127.0.0.1", server.port)
            # A program's signals are its own affair; the server's order is what counts.
            clients = [] if self.model in WITHOUT_WORKERS_OF_OURS else self.held_clients(address)
            os.killpg(server.pid, signal.SIGTERM)
            for client in clients:
                client.sendall(b"still")
                client.shutdown(socket.SHUT_WR)
            for client in clients:
                self.assertEqual(self.rest_of(client), b"still")
            self.assertEqual(server.wait(), 0)

    def test_it_listens_on_several_addresses_of_either_kind(self):
        with tempfile.TemporaryDirectory() as home:
            path = f"{home}/socket"
            addresses = ["127.0.0.1:0", "127.0.0.1:0"] if self.model in HASHED else ["127.0.0.1:0", f"unix:{path}"]
            with self.start(*[word for address in addresses for word in ("--listen", address)]) as server:
                ports = [int(address.rpartition(":")[2]) for address in server.addresses if "unix:" not in address]
                targets = [("127.0.0.1", port) for port in ports] + ([] if self.model in HASHED else [path])
                self.assertEqual(len(targets), 2)
                for number in range(6):
                    self.assertEqual(echo(targets[number % 2], b"hello"), b"hello")
                held = self.held_clients(targets[0])
                self.assertEqual(echo(targets[1], b"as well") if self.model not in ONE_AT_A_TIME | HASHED else b"as well",
                                 b"as well")
                for client in held:
                    client.close()
                server.check_conservation()
                self.assertEqual(server.total("bullpen_connections_lost_total"), 0)
            self.assertEqual(os.listdir(home), [])

    def test_a_unix_client_is_served_alone(self):
        with tempfile.TemporaryDirectory() as home:
            path = f"{home}/socket"
            if self.model in HASHED:
                said = subprocess.run([PROGRAM, "serve", "echo", *flags_of(self.case), "--metrics", "off", "--listen",
                                       f"unix:{path}"], capture_output=True, text=True, timeout=60)
                self.assertIn("needs TCP listeners", said.stderr)
                self.assertEqual(said.stderr.count("\n"), 1, said.stderr)
                self.assertEqual(said.returncode, 2)
                self.assertEqual(os.listdir(home), [])
                return
            with self.start("--listen", f"unix:{path}") as server:
                mebibyte = os.urandom(1 << 20)
                client = socket.socket(socket.AF_UNIX)
                client.settimeout(60)
                client.connect(path)
                sender = threading.Thread(target=lambda: (client.sendall(mebibyte), client.shutdown(socket.SHUT_WR)))
                sender.start()
                self.assertEqual(self.rest_of(client), mebibyte)
                sender.join()
                client.close()
                self.assertEqual(server.stop(), 0)
            self.assertEqual(os.listdir(home), [])

    def test_nothing_leaks(self):
        workers = [] if self.model in ONE_AT_A_TIME | FORK_FOR_EACH | IN_TURNS | {"event"} else ["--workers", "4"]
        with self.start(*workers) as server:
            address = ("127.0.0.1", server.port)
            self.some_weather(address)  # The first clients may leave something behind that is used again.
            self.await_end_of(20, server)
            before = wait_until(lambda: self.held_by(server), "rest")
            for _ in range(5):
                self.some_weather(address)
            self.await_end_of(120, server)
            wait_until(lambda: self.held_by(server) == before, f"no more than {before}, now {self.held_by(server)}")

    def await_end_of(self, clients, server):
        """Also of those that left before they were accepted: until then they are in the backlog, and nobody's. And no
        worker is starting: it has its master's descriptors at first."""
        wait_until(lambda: server.total("bullpen_connections_accepted_total") == clients, f"the accept of {clients}")
        wait_until(lambda: server.total("bullpen_workers", state="starting") == 0, "the workers")
        server.check_conservation()

    def some_weather(self, address):
        """Clients that are served, that leave at once, that reset, and that never send."""
        for number in range(20):
            with socket.create_connection(address, timeout=60) as client:
                if number % 4 == 0:
                    continue
                client.sendall(b"x" * 1000)
                if number % 4 == 1:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                elif number % 4 == 2:
                    client.shutdown(socket.SHUT_WR)
                    self.rest_of(client)

    def held_by(self, server):
        """How many descriptors and threads the master and each of its children have. TSan starts threads of its own."""
        counted = ("fd",) if "/tsan/" in server.command[0] else ("fd", "task")
        try:
            return sorted((pid, *(len(os.listdir(f"/proc/{pid}/{what}")) for what in counted))
                          for pid in [server.pid, server.master, *self.serving(server)])
        except FileNotFoundError:  # One has just ended.
            return None

    def process_of(self, server, client):
        """Which process holds the other end of that client's connection."""
        port = client.getsockname()[1]
        listing = subprocess.run(["ss", "-tnpH", f"dport = :{port}"], capture_output=True, text=True, check=True).stdout
        pids = set(map(int, re.findall(r"pid=(\d+)", listing)))
        serving = pids & set(self.serving(server))
        self.assertTrue(serving, f"nobody has {port}: {listing}")
        return serving.pop()

    def end_of(self, client):
        try:
            return client.recv(1)
        except ConnectionResetError:
            return "reset"

    def rest_of(self, client):
        client.settimeout(60)
        received = b""
        while piece := client.recv(65536):
            received += piece
        return received


class TheList(unittest.TestCase):
    def test_it_has_every_model_and_fits_on_a_terminal(self):
        shown = subprocess.run([PROGRAM, "models"], capture_output=True, text=True, check=True, timeout=60).stdout
        self.assertEqual([line for line in shown.splitlines() if len(line) > 80], [])
        paragraphs = {block.split()[0]: " ".join(block.split()) for block in shown.split("\n\n")}
        self.assertEqual(list(paragraphs), list(dict.fromkeys(map(model_of, CASES))))
        for name, words in paragraphs.items():
            for said in ("A crash takes: ", "Choose it when: "):
                self.assertIn(said, words, name)


class KilledLockOwner(unittest.TestCase):
    def test_a_worker_killed_while_it_holds_the_accept_lock_does_not_stop_the_others(self):
        for case in chosen():
            if model_of(case) != "prefork-lock":
                continue
            with self.subTest(model=case), Bullpen("echo", *flags_of(case), "--workers", "4") as server:
                address = ("127.0.0.1", server.port)
                for _ in range(8):  # Some of them own the lock, whoever it is.
                    wait_until(lambda: len(server.workers()) == 4, "4 workers")
                    victims = set(server.workers()[:3])
                    for pid in victims:
                        os.kill(pid, signal.SIGKILL)
                    wait_until(lambda: not victims & set(server.workers()), "their end")
                    self.assertEqual(echo(address, b"alive"), b"alive")


def load_tests(loader, tests, _):
    for case in chosen(with_alike=True):
        name = "".join(word.capitalize() for word in re.findall(r"\w+", case))
        made = type(name, (EveryModel, unittest.TestCase), {"case": case, "__module__": __name__})
        tests.addTests(loader.loadTestsFromTestCase(made))
    return tests


if __name__ == "__main__":
    unittest.main()
