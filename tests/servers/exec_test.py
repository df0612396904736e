"""The service exec: any program as a server, as under inetd."""

import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from harness import TOP, Bullpen, echo, processes, wait_until

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))
OUTCOMES = ("completed", "lost")


def serving(*argv):
    return Bullpen("exec", "--", *argv)


def answer_of(*argv):
    """What a client that only listens gets from the program."""
    with serving(*argv) as server:
        return ask(server)


def ask(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        return rest_of(client)


def rest_of(client):
    answer = b""
    while piece := client.recv(65536):
        answer += piece
    return answer.decode()


class Exec(unittest.TestCase):
    def test_any_filter_is_a_server(self):
        with serving("/bin/cat", "-u") as server:
            self.assertEqual(echo(("127.0.0.1", server.port), b"hello"), b"hello")

    def test_a_client_may_be_silent_for_as_long_as_the_program_waits(self):
        with serving("/bin/cat") as server, socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
            time.sleep(1)  # Longer than the slices in which our own handlers read.
            client.sendall(b"late")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(rest_of(client), "late")

    def test_the_connection_is_descriptors_0_to_2_and_nothing_else_is_open(self):
        listing = answer_of("/bin/ls", "-l", "/proc/self/fd")
        links = {fd: target for fd, _, target in (line.split()[-3:] for line in listing.splitlines()[1:])}
        self.assertEqual(sorted(links), ["0", "1", "2", "3"], listing)  # 3 is the listing's own.
        self.assertTrue(links["0"].startswith("socket:"), listing)
        self.assertEqual(links["0"], links["1"])
        self.assertEqual(links["0"], links["2"])
        self.assertIn("/proc/", links["3"])

    def test_its_environment_is_path_and_the_client_s_address(self):
        with serving("/usr/bin/env") as server:
            with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
                variables = dict(line.split("=", 1) for line in rest_of(client).splitlines())
                self.assertEqual(variables["REMOTE_ADDR"], "127.0.0.1")
                self.assertEqual(variables["REMOTE_PORT"], str(client.getsockname()[1]))
                self.assertEqual(set(variables), {"PATH", "REMOTE_ADDR", "REMOTE_PORT"})

    def test_a_unix_client_has_no_address(self):
        with tempfile.TemporaryDirectory() as home:
            path = f"{home}/socket"
            with Bullpen("exec", "--listen", f"unix:{path}", "--", "/usr/bin/env"):
                self.assertTrue(echo(path, b"").startswith(b"PATH="))
                self.assertEqual(echo(path, b"").count(b"="), 1)

    def test_its_signals_have_their_default_actions_and_none_is_blocked(self):
        status = dict(line.split(":\t", 1) for line in answer_of("/bin/cat", "/proc/self/status").splitlines())
        of_the_c_library = 1 << 31 | 1 << 32  # Its threads' own two; posix_spawn(3) leaves them ignored.
        for mask in ("SigIgn", "SigBlk", "SigCgt"):
            self.assertEqual(int(status[mask], 16) & ~of_the_c_library, 0, mask)

    def test_its_arguments_are_literal_there_is_no_shell(self):
        arguments = ["$HOME", "*", "a b", "'", '"', ";", "|", "--workers", "-x", "", "ü"]
        self.assertEqual(answer_of("/usr/bin/printf", r"<%s>\n", *arguments),
                         "".join(f"<{argument}>\n" for argument in arguments))

    def test_a_program_without_a_path_is_looked_for_in_path(self):
        self.assertEqual(answer_of("echo", "hello"), "hello\n")

    def test_it_may_write_binary_data_to_its_end(self):
        self.assertEqual(len(answer_of("/usr/bin/head", "-c", "1048576", "/dev/zero")), 1 << 20)

    def test_an_exit_status_other_than_0_counts_as_a_failure_and_a_kill_as_a_loss(self):
        with serving("/bin/sh", "-c", "read how; case $how in die) kill -9 $$;; fail) exit 3;; esac") as server:
            address = ("127.0.0.1", server.port)
            for how in (b"fine\n", b"fail\n", b"fail\n", b"die\n"):
                echo(address, how)
            wait_until(lambda: sum(server.total(f"bullpen_connections_{kind}_total") for kind in OUTCOMES) == 4, "4 ends")
            outcomes = [server.total("bullpen_connections_completed_total", outcome=outcome)
                        for outcome in ("ok", "error")]
            self.assertEqual(outcomes, [1, 2])
            self.assertEqual(server.total("bullpen_connections_lost_total", reason="signal"), 1)

    def test_a_client_that_leaves_ends_a_program_that_writes_on(self):
        with serving("/usr/bin/yes") as server:
            with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
                self.assertTrue(client.recv(10))
            wait_until(lambda: server.total("bullpen_connections_in_flight") == 0, "the program's end")

    def test_a_stop_lets_programs_finish_and_a_drain_timeout_ends_them(self):
        for patience, lost in (("30", False), ("1", True)):
            with self.subTest(drain_timeout=patience), \
                    Bullpen("exec", "--drain-timeout", patience, "--", "/bin/cat") as server, \
                    socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
                client.sendall(b"x")
                self.assertEqual(client.recv(1), b"x")
                server.terminate()
                if not lost:
                    client.sendall(b"y")
                    client.shutdown(socket.SHUT_WR)
                self.assertEqual(rest_of(client), "" if lost else "y")
                self.assertEqual(server.wait(), 3 if lost else 0)

    def test_a_program_that_vanishes_is_weather_and_comes_back(self):
        with tempfile.TemporaryDirectory() as home:
            program = Path(home, "program")
            program.write_text("#!/bin/sh\necho here\n")
            program.chmod(0o755)
            with serving(str(program)) as server:
                self.assertEqual(ask(server), "here\n")
                program.rename(f"{program}.away")
                with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
                    wait_until(lambda: "cannot start a worker" in server.stderr, "the complaint")
                    Path(f"{program}.away").rename(program)
                    self.assertEqual(rest_of(client), "here\n")

    def test_workers_max_is_how_many_run_at_once(self):
        with Bullpen("exec", "--workers-max", "2", "--", "/bin/cat") as server:
            clients = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(3)]
            for client in clients[:2]:
                client.sendall(b"x")
                self.assertEqual(client.recv(1), b"x")
            wait_until(lambda: server.total("bullpen_listen_queue_length") == 1, "one in the backlog")
            programs = [pid for pid, state, parent, _, _ in processes()
                        if parent == server.master and os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "cat"]
            self.assertEqual(len(programs), 2)
            clients[0].close()
            clients[2].sendall(b"z")
            self.assertEqual(clients[2].recv(1), b"z")
            for client in clients[1:]:
                client.close()

    def test_what_cannot_work_is_one_sentence(self):
        with tempfile.NamedTemporaryFile() as plain:
            for arguments, sentence in {
                ("exec",): "exec needs a program",
                ("exec", "--", ""): "exec needs a program",
                ("exec", "--", "no-such-program"): "there is no program 'no-such-program' in PATH",
                ("exec", "--", "/no/such"): "'/no/such' can't be executed: No such file or directory",
                ("exec", "--", "/etc"): "'/etc' can't be executed: Is a directory",
                ("exec", "--", plain.name): f"'{plain.name}' can't be executed: Permission denied",
                ("exec", "--model", "prefork", "--", "/bin/cat"): "exec",
                ("exec", "--model", "event", "--", "/bin/cat"): "exec",
            }.items():
                with self.subTest(arguments=arguments):
                    said = subprocess.run([PROGRAM, "serve", "--metrics", "off", "--listen", "127.0.0.1:0", *arguments],
                                          capture_output=True, text=True, timeout=60)
                    self.assertIn(sentence, said.stderr)
                    self.assertEqual(said.stderr.count("\n"), 1, said.stderr)
                    self.assertEqual(said.returncode, 2)


if __name__ == "__main__":
    unittest.main()
