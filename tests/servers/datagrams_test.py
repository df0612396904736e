"""Services over datagrams: `serve --listen udp:HOST:PORT` and `unixgram:/path`."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

import every_model
from datagram_counts import balanced, datagrams
from harness import TOP, Bullpen, descriptors, wait_until
from upgradable import Upgradable

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))
ALL_MODELS = ("prefork", "prefork, 2 threads each", "prefork-accept", "prefork-reuseport", "iterative", "prethread",
              "prethread-accept", "fork")
MODELS = [case for case in ALL_MODELS if case in os.environ.get("BULLPEN_MODELS", "").split("/")] or ALL_MODELS
POOLED = [case for case in MODELS if case not in every_model.FORK_FOR_EACH]  # Workers are there before a datagram.
PATIENCE = 60


def flags_of(case):
    model = every_model.model_of(case)
    return [*every_model.flags_of(case), *([] if model == "iterative" else ["--workers", "3"])]


def client_of(address, source=None):
    """A socket that is connected to the server, and has a name where it needs one to be answered."""
    kind, _, name = address.partition(":")
    if kind == "unixgram":
        client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        client.bind("")  # The kernel chooses an abstract name.
        client.connect("\0" + name[1:] if name.startswith("@") else name)
    else:
        host, _, port = name.rpartition(":")
        client = socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET, socket.SOCK_DGRAM)
        if source:
            client.bind((source, 0))
        client.connect((host.strip("[]"), int(port)))
    client.settimeout(PATIENCE)
    return client


def ask(client, question):
    client.send(question)
    return client.recv(70000)


def is_answered(client, question=b"x"):
    """Whether this question is, within a moment; what comes for earlier ones is thrown away."""
    client.settimeout(0.2)
    try:
        client.send(question)
        while client.recv(70000) != question:
            pass
        return True
    except (TimeoutError, ConnectionRefusedError):
        return False
    finally:
        client.settimeout(PATIENCE)


def refusals(server):
    """By their reason, as far as there are any."""
    return {dict(labels)["reason"]: int(number) for (name, labels), number in server.metrics().items()
            if name == "bullpen_datagrams_refused_total"}


def in_flight(server):
    return server.total("bullpen_connections_in_flight")


class Datagrams(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.home = Path(holder.name)

    def wait_for_counts(self, server, **wanted):
        def as_wanted():
            counts = datagrams(server)
            return counts if balanced(counts) and all(counts[name] == wanted[name] for name in wanted) else None
        try:
            return wait_until(as_wanted, f"{wanted}, balanced")
        except AssertionError:
            self.fail(f"wanted {wanted}, balanced; got {datagrams(server)}")

    def test_echo_is_served_by_each_model_over_both_families_and_unix_sockets(self):
        for case_number, model in enumerate(MODELS):
            listens = ["udp:127.0.0.1:0", "udp:[::1]:0"]
            if model != "prefork-reuseport":
                listens += [f"unixgram:{self.home}/{case_number}", f"unixgram:@bullpen-test-{os.getpid()}"]
            flags = [flag for address in listens for flag in ("--listen", address)]
            with self.subTest(model=model), Bullpen("echo", *flags_of(model), *flags) as server:
                self.assertEqual(len(server.addresses), len(listens))
                for address in server.addresses:
                    with client_of(address) as client:
                        for question in (b"hello", b"x", b"x" * 60000):
                            self.assertEqual(ask(client, question), question)
                self.wait_for_counts(server, answered=3 * len(listens), sent=3 * len(listens))
            self.assertFalse(os.path.exists(f"{self.home}/{case_number}"))

    def make_busy(self, server, client):
        """Sends bursts, of which each is answered, until the client has a socket of its own."""
        def burst():
            questions = {b"%d" % number for number in range(128)}
            for question in questions:
                client.send(question)
            self.assertEqual({client.recv(100) for _ in questions}, questions)
            return datagrams(server)["peers"] > 0
        wait_until(burst, "a socket for the busy peer")

    def test_a_busy_peer_gets_a_socket_of_its_own_until_it_is_silent(self):
        for model in POOLED:
            with self.subTest(model=model), Bullpen("echo", *flags_of(model), "--connected", "4", "--listen", "udp:127.0.0.1:0",
                                                    "--listen", "udp:[::]:0") as server:
                number = 1 if model == "iterative" else 3
                wait_until(lambda: server.total("bullpen_workers", state="idle") >= number, "the workers to be ready")
                workers = server.workers()
                for address in (server.addresses[0], f"udp:[::1]:{server.addresses[1].rpartition(':')[2]}"):
                    before = {worker: descriptors(worker) for worker in workers}
                    with client_of(address) as busy, client_of(address) as other:
                        self.make_busy(server, busy)
                        for _ in range(20):
                            self.assertEqual(ask(other, b"other"), b"other")
                            self.assertEqual(ask(busy, b"busy"), b"busy")
                        self.wait_for_counts(server, peers=0)
                        self.assertEqual(ask(busy, b"again"), b"again")
                    wait_until(lambda: {worker: descriptors(worker) for worker in workers} == before, "no more descriptors")
                self.wait_for_counts(server, dropped=0, unsent=0, lost=0)

    def test_the_socket_of_a_busy_peer_is_shown_with_its_slot(self):
        with Bullpen("echo", "--workers", "2", "--connected", "4", "--listen", "udp:127.0.0.1:0") as server, \
                client_of(server.addresses[0]) as client:
            self.make_busy(server, client)
            def peers():
                is_answered(client)  # So that it isn't silent.
                told = subprocess.run([PROGRAM, "sockets", "--control", str(server.control), "--json"], text=True,
                                      capture_output=True, timeout=PATIENCE, check=True).stdout
                return [(one["peer"].rpartition(":")[2], one["where"]) for one in json.loads(told)
                        if one["where"] != "listener"]
            port = str(client.getsockname()[1])
            wait_until(lambda: len(peers()) == 1 and peers()[0] in ((port, "slot 0"), (port, "slot 1")), "its slot")

    def test_a_busy_peer_is_answered_from_the_address_that_it_asks(self):
        with Bullpen("echo", "--connected", "4", "--listen", "udp:0.0.0.0:0") as server, \
                client_of(f"udp:127.0.0.7:{server.port}") as client:  # It gets nothing from another address.
            self.make_busy(server, client)
            for _ in range(100):
                self.assertEqual(ask(client, b"hello"), b"hello")

    def test_what_finds_no_room_in_the_socket_of_a_busy_peer_counts_as_dropped(self):
        for model in POOLED:
            with self.subTest(model=model), \
                    Bullpen("discard", *flags_of(model), "--connected", "1", "--listen", "udp:127.0.0.1:0") as server, \
                    client_of(server.addresses[0]) as client:
                sent = 0
                def flood():
                    nonlocal sent
                    for _ in range(2000):
                        client.send(b"x")
                    sent += 2000
                    return datagrams(server)["peers"] > 0
                wait_until(flood, "a socket for the busy peer")
                workers = wait_until(server.workers, "the workers")
                for worker in workers:
                    os.kill(worker, signal.SIGSTOP)
                flood()
                for worker in workers:
                    os.kill(worker, signal.SIGCONT)
                def all_told():
                    counts = datagrams(server)
                    return balanced(counts) and counts["dropped"] > 0 and counts["received"] + counts["dropped"] == sent
                wait_until(all_told, "each to be received or dropped")

    def test_the_limits_of_sources_apply_to_busy_peers(self):
        for server in self.each("--connected", "4", "--source-rate", "1000"):
            with client_of(server.addresses[0]) as client:
                def flood():
                    for _ in range(300):
                        client.send(b"x")
                    return datagrams(server)["peers"] > 0 and refusals(server).get("rate", 0) > 300
                wait_until(flood, "refusals of a busy peer's")
            self.wait_for_counts(server, failed=0)

    def test_many_clients_of_each_model_are_all_answered(self):
        for model in MODELS:
            with self.subTest(model=model), Bullpen("echo", *flags_of(model), "--listen", "udp:127.0.0.1:0") as server:
                clients = [client_of(server.addresses[0]) for _ in range(50)]
                for turn in range(20):
                    for number, client in enumerate(clients):
                        client.send(f"{number}/{turn}".encode())
                    for number, client in enumerate(clients):
                        self.assertEqual(client.recv(100), f"{number}/{turn}".encode())
                for client in clients:
                    client.close()
                self.wait_for_counts(server, answered=1000, received=1000, dropped=0)

    @unittest.skipUnless(shutil.which("socat"), "there is no socat")
    def test_socat_is_answered(self):
        with Bullpen("echo", "--listen", "udp:127.0.0.1:0") as server:
            done = subprocess.run(["socat", "-t", "5", "-", f"UDP:127.0.0.1:{server.port}"], input=b"hello",
                                  capture_output=True, timeout=PATIENCE, check=True)
            self.assertEqual(done.stdout, b"hello")

    def test_an_answer_leaves_from_the_address_that_was_asked(self):
        with Bullpen("echo", "--listen", "udp:0.0.0.0:0") as server, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE)
            for host in ("127.0.0.1", "127.0.0.7"):
                client.sendto(b"hello", (host, server.port))
                self.assertEqual(client.recvfrom(100), (b"hello", (host, server.port)))

    def test_the_small_services_answer(self):
        forms = {"daytime": rb".+\r\n", "time": rb"(?s)^.{4}$", "sequence-number": rb"^0\n$", "uptime": rb" up .+\r\n",
                 "process-count": rb"^\d+\r\n$"}
        for service, form in forms.items():
            with self.subTest(service=service), Bullpen(service, "--listen", "udp:127.0.0.1:0") as server:
                with client_of(server.addresses[0]) as client:
                    self.assertRegex(ask(client, b"3\n"), form)
                self.wait_for_counts(server, answered=1)

    def test_what_discard_gets_is_counted(self):
        with Bullpen("discard", "--listen", "udp:127.0.0.1:0") as server:
            with client_of(server.addresses[0]) as client:
                for _ in range(5):
                    client.send(b"x")
            self.wait_for_counts(server, discarded=5, answered=0, received=5)

    def test_what_would_harm_others_is_refused(self):
        with Bullpen("daytime", "--workers", "1", "--listen", "udp:127.0.0.1:0") as server:
            with client_of(server.addresses[0]) as client:  # Each answer is longer than its question.
                for _ in range(50):
                    client.send(b"")
                counts = self.wait_for_counts(server, received=50)
                self.assertLess(counts["answered"], 30)
                self.assertGreater(counts["refused"], 20)
        if os.geteuid() != 0:
            return
        with Bullpen("echo", "--listen", "udp:127.0.0.1:0") as server, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
            service.bind(("127.0.0.1", 1007))
            service.sendto(b"x", ("127.0.0.1", server.port))
            self.wait_for_counts(server, refused=1, received=1, sent=0)

    def each(self, *flags, models=None):
        for model in models or (POOLED if "--connected" in flags else MODELS):
            with self.subTest(model=model), \
                    Bullpen("echo", *flags_of(model), "--listen", "udp:127.0.0.1:0", *flags) as server:
                yield server

    def test_the_lists_say_whose_datagrams_are_answered(self):
        for server in self.each("--allow", "127.0.0.0/28", "--deny", "127.0.0.3"):
            with client_of(server.addresses[0], "127.0.0.2") as client:
                for refused in ("127.0.0.3", "127.0.0.99"):
                    with client_of(server.addresses[0], refused) as other:
                        for _ in range(5):
                            other.send(b"x")
                self.assertEqual(ask(client, b"hello"), b"hello")
            self.wait_for_counts(server, answered=1, refused=10, sent=1)
            self.assertEqual(refusals(server), {"denied": 10})

    def test_of_two_listeners_one_may_have_lists_of_its_own(self):
        with Bullpen("echo", "--listen", "udp:127.0.0.1:0", "--listen", f"unixgram:{self.home}/s",
                     "--listen", "udp:[::1]:0", "--deny", "::/0@udp:[::1]:0") as server:
            for address, wanted in zip(server.addresses, (True, True, False)):
                with client_of(address) as client:
                    if wanted:
                        self.assertEqual(ask(client, b"x"), b"x")
                    else:
                        client.send(b"x")
            self.wait_for_counts(server, answered=2, refused=1)

    def test_a_source_has_one_rate_with_all_workers(self):
        for server in self.each("--source-rate", "1", "--trusted-proxies", "127.0.0.9"):
            for number in range(40):  # By many sockets, which the kernel deals out to all workers.
                with client_of(server.addresses[0], "127.0.0.2") as client:
                    client.send(str(number).encode())
            counts = self.wait_for_counts(server, received=40)
            self.assertIn(counts["answered"], range(1, 8))
            self.assertEqual(refusals(server), {"rate": counts["refused"]})
            for host in ("127.0.0.3", "127.0.0.9", "127.0.0.9", "127.0.0.9"):
                with client_of(server.addresses[0], host) as client:
                    self.assertEqual(ask(client, b"y"), b"y")
            with client_of(server.addresses[0], "127.0.0.2") as client:
                wait_until(lambda: is_answered(client), "a service to come again")

    def test_a_source_that_goes_on_asking_too_often_is_banned_for_a_while(self):
        for server in self.each("--source-rate", "1", "--source-ban", "3600", "--source-ban-after", "3",
                                models=("prefork", "prethread")):
            with client_of(server.addresses[0], "127.0.0.2") as client:
                for _ in range(50):
                    client.send(b"x")
            self.wait_for_counts(server, received=50)
            self.assertEqual(refusals(server)["rate"], 3)
            self.assertGreater(refusals(server)["banned"], 30)
            before = datagrams(server)
            with client_of(server.addresses[0], "127.0.0.3") as other:
                self.assertEqual(ask(other, b"y"), b"y")
            for worker in server.workers():  # The ban outlives the workers.
                os.kill(worker, signal.SIGKILL)
                wait_until(lambda: worker not in server.workers(), "its end")
            wait_until(server.workers, "other workers")
            with client_of(server.addresses[0], "127.0.0.2") as client:
                wait_until(lambda: not is_answered(client) and datagrams(server)["refused"] > before["refused"],
                           "one more to be refused")
        for server in self.each("--source-rate", "1", "--source-ban", "1", "--source-ban-after", "1", models=("prefork",)):
            with client_of(server.addresses[0], "127.0.0.2") as client:
                client.send(b"x")
                client.send(b"x")
                wait_until(lambda: datagrams(server)["received"] == 2, "both")
                self.assertEqual(client.recv(10), b"x")
                wait_until(lambda: is_answered(client), "the end of the ban")

    def test_a_flood_that_is_refused_takes_no_worker(self):
        for server in self.each("--deny", "127.0.0.1", models=("prefork", "prefork-reuseport")):
            stop_asking = self.flood(server.addresses[0])
            with client_of(server.addresses[0], "127.0.0.2") as client:
                for number in range(20):
                    wait_until(lambda: is_answered(client, b"%d" % number), "an answer")
            stop_asking()
            counts = wait_until(lambda: (found := datagrams(server)) and balanced(found) and found, "the balance")
            self.assertGreater(counts["refused"], 100)

    def test_under_fork_no_master_is_needed_for_long(self):
        with Bullpen("echo", "--model", "fork", "--listen", "udp:127.0.0.1:0") as server, \
                client_of(server.addresses[0]) as client:
            self.assertEqual(ask(client, b"before"), b"before")
            master = server.master
            os.kill(master, signal.SIGKILL)
            self.assertEqual(ask(client, b"between"), b"between")  # Waits for the next master.
            wait_until(lambda: server.master != master, "another master")
            self.wait_for_counts(server, answered=2, received=2)
            self.assertEqual(server.workers(), [])

    def test_a_reload_changes_who_is_answered(self):
        for model in ("prefork", "fork"):
            with self.subTest(model=model):
                self.reload_changes_who_is_answered(model)

    def reload_changes_who_is_answered(self, model):
        def pool(more):
            return f'[pool.echo]\nservice = "echo"\nmodel = "{model}"\nlisten = ["udp:127.0.0.1:0"]\n{more}\n'
        path = self.configuration(pool(""))
        with Bullpen("--config", str(path)) as server, client_of(server.addresses[0]) as client:
            self.assertEqual(ask(client, b"x"), b"x")
            self.configuration(pool('deny = ["127.0.0.0/8"]'))
            status, _, said = server.ctl("reload")
            self.assertEqual(status, 0, said)
            client.send(b"x")
            self.wait_for_counts(server, answered=1, refused=1)
            self.configuration(pool("source_rate = 1"))
            status, _, said = server.ctl("reload")
            self.assertEqual(status, 0, said)
            self.assertEqual(ask(client, b"y"), b"y")
            for _ in range(20):
                client.send(b"y")
            wait_until(lambda: refusals(server).get("rate", 0) > 5, "refusals")

    def test_one_that_is_too_long_is_cut_and_counted(self):
        with Bullpen("discard", "--listen", f"unixgram:{self.home}/s") as server:
            with client_of(server.addresses[0]) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 300000)
                client.send(b"x" * 65535)
                client.send(b"x" * 65536)
            self.wait_for_counts(server, received=2, truncated=1, discarded=2)

    def test_descriptors_that_a_unix_datagram_brings_are_not_kept(self):
        with Bullpen("echo", "--workers", "1", "--listen", f"unixgram:{self.home}/s") as server:
            [worker] = wait_until(server.workers, "the worker")
            with client_of(server.addresses[0]) as client:
                self.assertEqual(ask(client, b"x"), b"x")
                before = len(os.listdir(f"/proc/{worker}/fd"))
                for _ in range(20):
                    socket.send_fds(client, [b"x"], [client.fileno()] * 3)
                    self.assertEqual(client.recv(10), b"x")
                self.assertLessEqual(len(os.listdir(f"/proc/{worker}/fd")), before)

    def test_a_unix_sender_that_takes_nothing_blocks_no_worker_and_harms_until_it_closes(self):
        with Bullpen("echo", "--workers", "1", "--listen", f"unixgram:{self.home}/s") as server:
            with client_of(server.addresses[0]) as client:
                with client_of(server.addresses[0]) as deaf:
                    for _ in range(2000):
                        deaf.send(b"x")
                    counts = self.wait_for_counts(server, answered=2000)
                    self.assertGreater(counts["unsent"], 100)
                    self.assertEqual(counts["sent"] + counts["unsent"], 2000)
                self.assertEqual(ask(client, b"y"), b"y")

    def test_a_full_receive_buffer_drops_and_is_counted(self):
        with Bullpen("discard", "--workers", "1", "--listen", "udp:127.0.0.1:0") as server:
            [worker] = wait_until(server.workers, "the worker")
            sent = 2000
            os.kill(worker, signal.SIGSTOP)
            with client_of(server.addresses[0]) as client:
                for _ in range(sent):
                    client.send(b"x" * 1000)
            os.kill(worker, signal.SIGCONT)
            counts = wait_until(lambda: (found := datagrams(server))["received"] + found["dropped"] == sent and found,
                                "each datagram to be received or dropped")
            self.assertGreater(counts["dropped"], 100)
            self.assertGreater(counts["received"], 50)

    def test_a_full_receive_buffer_makes_a_unix_sender_wait(self):
        with Bullpen("discard", "--workers", "1", "--listen", f"unixgram:{self.home}/s") as server:
            [worker] = wait_until(server.workers, "the worker")
            os.kill(worker, signal.SIGSTOP)
            with client_of(server.addresses[0]) as client:
                client.setblocking(False)
                with self.assertRaises(BlockingIOError):
                    for _ in range(2000):
                        client.send(b"x")
            os.kill(worker, signal.SIGCONT)
            counts = wait_until(lambda: (found := datagrams(server))["discarded"] > 5 and found, "what was sent")
            self.assertEqual(counts["dropped"], 0)

    def test_a_killed_worker_is_replaced_and_the_socket_serves_on(self):
        for model in ("prefork", "prefork-reuseport", "iterative", "prethread"):
            with self.subTest(model=model), Bullpen("echo", *flags_of(model), "--listen", "udp:127.0.0.1:0") as server:
                for worker in wait_until(server.workers, "the workers"):
                    os.kill(worker, signal.SIGKILL)
                    wait_until(lambda: worker not in server.workers(), "its end")
                with client_of(server.addresses[0]) as client:
                    wait_until(lambda: is_answered(client), "an answer")
                wait_until(lambda: balanced(datagrams(server)), "the balance")

    def test_the_master_s_death_is_noticed_by_nobody(self):
        for model in POOLED:
            with self.subTest(model=model), Bullpen("echo", *flags_of(model), "--listen", "udp:127.0.0.1:0") as server:
                with client_of(server.addresses[0]) as client:
                    self.assertEqual(ask(client, b"before"), b"before")
                    master, workers = server.master, set(wait_until(server.workers, "the workers"))
                    os.kill(master, signal.SIGKILL)
                    self.assertEqual(ask(client, b"between"), b"between")
                    wait_until(lambda: server.master != master, "another master")
                    self.assertEqual(ask(client, b"after"), b"after")
                    self.assertEqual(set(server.workers()), workers)
                self.wait_for_counts(server, answered=3, received=3)

    def test_an_upgrade_in_a_flood_takes_the_socket_over(self):
        for model in MODELS:
            with self.subTest(model=model), \
                    Upgradable(self.home, "echo", *flags_of(model), "--listen", "udp:127.0.0.1:0") as server:
                stop_asking = self.flood(server.addresses[0])
                wait_until(lambda: datagrams(server)["answered"] > 100, "answers")
                server.upgrade()
                wait_until(lambda: datagrams(server)["answered"] > 100, "answers of the new server")
                stop_asking()
                with client_of(server.addresses[0]) as client:  # The flood may have filled the queue.
                    wait_until(lambda: is_answered(client, b"after"), "an answer")

    def test_a_stop_under_load_answers_what_the_kernel_holds(self):
        for model in POOLED:
            with self.subTest(model=model), Bullpen("echo", *flags_of(model), "--listen", "udp:127.0.0.1:0") as server:
                with client_of(server.addresses[0]) as client:
                    self.assertEqual(ask(client, b"first"), b"first")
                    workers = wait_until(server.workers, "the workers")
                    for worker in workers:  # What is sent now waits in the kernel.
                        os.kill(worker, signal.SIGSTOP)
                    for number in range(100):
                        client.send(str(number).encode())
                    server.terminate(signal.SIGTERM)
                    for worker in workers:
                        os.kill(worker, signal.SIGCONT)
                    answers = {client.recv(100) for _ in range(100)}
                    self.assertEqual(answers, {str(number).encode() for number in range(100)})

    def test_a_stop_answers_what_the_kernel_holds_for_a_busy_peer(self):
        for server in self.each("--connected", "4"):
            with client_of(server.addresses[0]) as busy, client_of(server.addresses[0]) as other:
                self.make_busy(server, busy)
                workers = wait_until(server.workers, "the workers")
                for worker in workers:
                    os.kill(worker, signal.SIGSTOP)
                for number in range(100):
                    busy.send(b"%d" % number)
                    other.send(b"%d" % number)
                server.terminate(signal.SIGTERM)
                for worker in workers:
                    os.kill(worker, signal.SIGCONT)
                for client in (busy, other):
                    self.assertEqual({client.recv(100) for _ in range(100)}, {b"%d" % number for number in range(100)})

    def test_a_busy_peer_whose_worker_dies_is_served_by_others(self):
        for server in self.each("--connected", "4", models=("prefork", "prefork-reuseport", "iterative", "prethread")):
            with client_of(server.addresses[0]) as client:
                self.make_busy(server, client)
                for worker in wait_until(server.workers, "the workers"):
                    os.kill(worker, signal.SIGKILL)
                    wait_until(lambda: worker not in server.workers(), "its end")
                wait_until(lambda: is_answered(client), "an answer")
                wait_until(lambda: datagrams(server)["peers"] == 0 and balanced(datagrams(server)), "the balance")
                self.make_busy(server, client)

    def flood(self, address):
        """Asks as fast as it can, and takes what comes, until stop() is called."""
        done = threading.Event()

        def ask_and_ask():
            with client_of(address) as client:
                client.setblocking(False)
                while not done.is_set():
                    for call in (lambda: client.send(b"x" * 100), lambda: client.recv(1000)):
                        try:
                            call()
                        except (BlockingIOError, ConnectionRefusedError):
                            pass
        threads = [threading.Thread(target=ask_and_ask) for _ in range(2)]
        for thread in threads:
            thread.start()

        def stop():
            done.set()
            for thread in threads:
                thread.join(PATIENCE)
        self.addCleanup(stop)
        return stop

    def test_a_stop_ends_though_the_clients_go_on_asking(self):
        for model in MODELS:
            with self.subTest(model=model), Bullpen("echo", *flags_of(model), "--listen", "udp:127.0.0.1:0") as server:
                stop_asking = self.flood(server.addresses[0])
                wait_until(lambda: datagrams(server)["answered"] > 100, "answers")
                self.assertEqual(server.stop(), 0)
                stop_asking()

    def test_a_worker_killed_in_a_flood_loses_no_more_than_it_had_in_hand_and_all_is_counted(self):
        for model in ("prefork", "prefork-reuseport", "prethread"):
            with self.subTest(model=model), Bullpen("echo", *flags_of(model), "--listen", "udp:127.0.0.1:0") as server:
                stop_asking = self.flood(server.addresses[0])
                kills = 5
                for _ in range(kills):
                    before = datagrams(server)["answered"]
                    worker = wait_until(server.workers, "a worker")[0]
                    os.kill(worker, signal.SIGKILL)
                    wait_until(lambda: worker not in server.workers() and datagrams(server)["answered"] > before + 100,
                               "answers after its death")
                stop_asking()
                counts = wait_until(lambda: datagrams(server) if in_flight(server) == 0 else None, "all to be served")
                ended = sum(counts[name] for name in ("answered", "discarded", "refused", "failed"))
                self.assertLessEqual(counts["lost"], kills * 32 * 3)
                # A worker that is killed between counting an outcome and its end counts one datagram twice.
                self.assertLessEqual(abs(counts["received"] - ended - counts["lost"]), kills * 3)

    def test_a_mix_and_what_serves_no_datagrams_get_one_sentence(self):
        udp, tcp = ("--listen", "udp:127.0.0.1:0"), ("--listen", "127.0.0.1:0")
        models = "iterative, fork, prefork-accept, prefork-reuseport, prefork, prethread and prethread-accept"
        cases = (
            (("echo", *udp, *tcp), "--listen: 'udp:127.0.0.1:0' is for datagrams and '127.0.0.1:0' for connections; "
                                   "a pool's listeners are all of one kind"),
            (("echo", *tcp, "--listen", f"unixgram:{self.home}/s"), "a pool's listeners are all of one kind"),
            (("echo", *udp, "--model", "event"), "--listen: 'udp:127.0.0.1:0' is for datagrams, which model event "
                                                 f"doesn't serve; expected {models}"),
            (("echo", *udp, "--model", "inetd"), "which model inetd doesn't serve"),
            ((*udp,), "service http serves connections only; datagrams are answered by echo, "),
            (("work", *udp), "service work serves connections only"),
            (("echo", *udp, "--source-connections", "5"), "not with model prefork over datagrams"),
            (("echo", *udp, "--startups", "5:30:9"), "not with model prefork over datagrams"),
            (("echo", *udp, "--allow-uid", "0"), "not with model prefork over datagrams"),
            (("echo", *tcp, "--connected", "5"), "--connected needs a listener for datagrams (udp:HOST:PORT); "
                                                 "the pool's are for connections"),
            (("echo", "--listen", f"unixgram:{self.home}/s", "--connected", "5"), "--connected needs a listener udp:HOST:PORT"),
            (("echo", *udp, "--connected", "1001"), "--connected: "),
            (("echo", *udp, "--model", "fork", "--connected", "1"), "--connected doesn't go with model fork"),
            (("echo", *udp, "--source-ban", "5"), "needs --source-connections or --source-rate"),
            (("echo", *udp, "--deny", "10.0.0.0/8@udp:127.0.0.1:1"), "no listener 'udp:127.0.0.1:1'"),
            (("echo", "--listen", f"unixgram:{self.home}/s", "--deny", f"::/0@unixgram:{self.home}/s"),
             "have no address; expected a TCP or UDP listener after the @"),
            (("echo", "--model", "prefork-reuseport", "--listen", f"unixgram:{self.home}/s"), "needs UDP listeners"),
        )
        for arguments, sentence in cases:
            with self.subTest(arguments=arguments):
                done = subprocess.run([PROGRAM, "serve", *arguments], text=True, capture_output=True,
                                      timeout=PATIENCE, check=False)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(sentence, done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def configuration(self, text):
        path = self.home / "bullpen.toml"
        path.write_text(text)
        return path

    def test_a_reload_can_t_make_datagrams_of_connections(self):
        def pool(listener):
            return f'[pool.echo]\nservice = "echo"\nlisten = ["{listener}"]\n'
        path = self.configuration(pool("udp:127.0.0.1:0"))
        with Bullpen("--config", str(path)) as server:
            self.configuration(pool("127.0.0.1:0"))
            status, _, said = server.ctl("reload")
            self.assertNotEqual(status, 0)
            self.assertIn("a reload can't change listen between connections and datagrams", said)
            self.configuration('[pool.echo]\nservice = "http"\nlisten = ["udp:127.0.0.1:0"]\n')
            status, _, said = server.ctl("reload")
            self.assertNotEqual(status, 0)
            self.assertIn("service http serves connections only", said)
            with client_of(server.addresses[0]) as client:
                self.assertEqual(ask(client, b"x"), b"x")
            checked = subprocess.run([PROGRAM, "check-config", str(path)], text=True, capture_output=True,
                                     timeout=PATIENCE, check=False)
            self.assertEqual(checked.returncode, 2)
            self.assertIn("service http serves connections only", checked.stderr)

    def test_a_reload_loses_no_datagram_of_a_busy_peer(self):
        def pool(scheduling):
            return ('[pool.echo]\nservice = "echo"\nlisten = ["udp:127.0.0.1:0"]\nworkers = 2\nconnected = 4\n'
                    f'scheduling = "{scheduling}"\n')
        path = self.configuration(pool("batch"))
        with Bullpen("--config", str(path)) as server, client_of(server.addresses[0]) as client:
            for scheduling in ("normal", "batch", "normal"):
                self.make_busy(server, client)
                before = set(server.workers())
                self.configuration(pool(scheduling))
                os.kill(server.pid, signal.SIGHUP)
                number = 0
                while before & set(server.workers()):
                    questions = {b"%d" % (number := number + 1) for _ in range(100)}
                    for question in questions:
                        client.send(question)
                    self.assertEqual({client.recv(100) for _ in questions}, questions)
            self.wait_for_counts(server, dropped=0, unsent=0, lost=0)

    def test_a_reload_loses_no_datagram(self):
        path = self.configuration('[pool.echo]\nservice = "echo"\nlisten = ["udp:127.0.0.1:0"]\nworkers = 2\n')
        with Bullpen("--config", str(path)) as server:
            stop = threading.Event()
            wrong = []
            def client():
                with client_of(server.addresses[0]) as socket_of_it:
                    number = 0
                    while not stop.is_set():
                        number += 1
                        if ask(socket_of_it, str(number).encode()) != str(number).encode():
                            wrong.append(number)
            asking = threading.Thread(target=client)
            asking.start()
            try:
                self.configuration('[pool.echo]\nservice = "echo"\nlisten = ["udp:127.0.0.1:0"]\nworkers = 2\n'
                                   'scheduling = "normal"\n')
                status, _, said = server.ctl("reload")
                self.assertEqual(status, 0, said)
            finally:
                stop.set()
                asking.join(PATIENCE)
            self.assertFalse(asking.is_alive())
            self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
