"""`bullpen call`: a client of the small services."""

import hashlib
import os
import socket
import subprocess
import tempfile
import time
import unittest

from harness import TOP, Bullpen, end_with

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))


def call(*arguments, given=b"", timeout=120):
    done = subprocess.run([PROGRAM, "call", *arguments], input=given, capture_output=True, timeout=timeout, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def address_of(server):
    return f"127.0.0.1:{server.port}"


class Call(unittest.TestCase):
    def test_megabytes_pass_both_ways_at_once(self):
        """A client that sends all before it reads, and an echo server, block each other (TLPI, exercise 61-1)."""
        data = os.urandom(1 << 20) * 64
        for model in ("prefork", "event"):
            with self.subTest(model=model), Bullpen("echo", "--model", model) as server:
                status, said, error = call("echo", address_of(server), given=data)
                self.assertEqual((status, error), (0, ""))
                self.assertEqual(hashlib.sha256(said).digest(), hashlib.sha256(data).digest())

    def test_a_slow_reader_of_stdout_gets_everything(self):
        data = os.urandom(1 << 20) * 8
        with Bullpen("echo") as server, tempfile.TemporaryFile() as given:
            given.write(data)
            given.seek(0)
            with subprocess.Popen([PROGRAM, "call", "echo", address_of(server)], stdin=given, stdout=subprocess.PIPE,
                                  preexec_fn=end_with(os.getpid())) as caller:
                time.sleep(1)  # Until every buffer is full.
                self.assertIsNone(caller.poll())
                self.assertEqual(caller.stdout.read(), data)
                self.assertEqual(caller.wait(60), 0)

    def test_raw_takes_any_address_and_either_end_may_be_silent(self):
        with tempfile.TemporaryDirectory() as home:
            for address in (f"unix:{home}/s", f"seqpacket:{home}/s", f"unix:@bullpen-call-{os.getpid()}"):
                with self.subTest(address=address), Bullpen("daytime", "--listen", address):
                    status, said, error = call("raw", "--no-input", address)
                    self.assertEqual((status, error), (0, ""))
                    self.assertTrue(time.strptime(said.decode().strip()))
        with Bullpen("discard") as server:
            self.assertEqual(call("raw", address_of(server), given=b"x" * 1_000_000), (0, b"", ""))

    def test_sequence_numbers(self):
        with Bullpen("sequence-number") as server:
            self.assertEqual(call("sequence-number", address_of(server), "3"), (0, b"0\n", ""))
            self.assertEqual(call("sequence-number", address_of(server)), (0, b"3\n", ""))
            self.assertEqual(call("sequence-number", address_of(server), "0")[0], 1)
            self.assertEqual(call("sequence-number", address_of(server), "x")[0], 2)

    @unittest.skipUnless(os.geteuid() == 0, "only root runs commands as nobody")
    def test_remote_command_ends_as_its_command(self):
        with Bullpen("remote-command", "--command-user", "nobody", "--command-timeout", "1") as server:
            address = address_of(server)
            self.assertEqual(call("remote-command", address, "id -un"), (0, b"nobody\n", ""))
            self.assertEqual(call("remote-command", address, "--", "printf", "%s|", "a b", "it's", "", "\\"), (0, b"a b|it's||\\|", ""))
            self.assertEqual(call("remote-command", address, "false")[0], 1)
            self.assertEqual(call("remote-command", address, "--", "sh", "-c", "exit 7")[0], 7)
            self.assertEqual(call("remote-command", address, "--", "sh", "-c", "kill -9 $$")[0], 137)
            self.assertEqual(call("remote-command", address, "no-such-program"),
                             (127, b"there is no program 'no-such-program' in PATH\n", ""))
            self.assertEqual(call("remote-command", address, "--", "printf", "a\\0b")[:2], (0, b"a\0b"))
            status, said, error = call("remote-command", address, "sleep 100")
            self.assertEqual((status, said), (124, b""))
            self.assertIn("limit time", error)
        with Bullpen("daytime") as server:
            status, _, error = call("remote-command", address_of(server), "id")
            self.assertEqual(status, 1)
            self.assertIn("without saying how the command did", error)

    def test_it_goes_on_trying_for_as_long_as_it_is_told(self):
        with tempfile.TemporaryDirectory() as home:
            address = f"unix:{home}/s"
            begin = time.monotonic()
            status, _, error = call("raw", "--no-input", "--retry-for", "1", address)
            self.assertEqual(status, 1)
            self.assertIn(f"cannot connect to {address}: No such file or directory", error)
            self.assertGreaterEqual(time.monotonic() - begin, 1)
            with subprocess.Popen([PROGRAM, "call", "raw", "--no-input", "--retry-for", "60", address], stdout=subprocess.PIPE,
                                  preexec_fn=end_with(os.getpid())) as caller:
                time.sleep(0.3)  # A few attempts are in vain.
                self.assertIsNone(caller.poll())
                with Bullpen("daytime", "--listen", address):
                    self.assertTrue(caller.stdout.read())
                    self.assertEqual(caller.wait(60), 0)

    def test_each_address_of_a_name_is_tried(self):
        try:
            addresses = {entry[4][0] for entry in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
        except OSError:
            addresses = set()
        for listen, host in (("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")):
            if host not in addresses:
                continue
            with self.subTest(listen=listen), Bullpen("daytime", "--listen", listen) as server:
                self.assertEqual(call("raw", "--no-input", f"localhost:{server.port}")[0], 0)

    def test_mistakes_get_a_sentence(self):
        for arguments, status, sentence in (
                (("ech", "127.0.0.1:1"), 2, "there is no service 'ech' (did you mean echo?)"),
                (("echo", "127.0.0.1"), 2, "'127.0.0.1' is not an address"),
                (("echo", "udp:127.0.0.1:7"), 2, "'udp:127.0.0.1:7' is an address for datagrams"),
                (("echo",), 2, "ADDR"),
                (("remote-command", "127.0.0.1:1"), 2, "remote-command takes a command"),
                (("sequence-number", "127.0.0.1:1", "1", "2"), 2, "sequence-number takes how many numbers"),
                (("raw", "--retry-for", "-1", "127.0.0.1:1"), 2, "--retry-for: expected a number from 0 to 86400, got -1"),
                (("raw", "127.0.0.1:1"), 1, "cannot connect to 127.0.0.1:1: Connection refused")):
            with self.subTest(arguments=arguments):
                done = call(*arguments)
                self.assertEqual(done[0], status, done)
                self.assertIn(sentence, done[2])
                self.assertEqual(done[2].count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
