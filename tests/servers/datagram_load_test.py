"""`bullpen load udp://HOST:PORT`: over networks that lose, double and delay datagrams."""

import contextlib
import ctypes
import json
import os
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

from harness import TOP, Bullpen, descriptors

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))
PATIENCE = 120
SO_ATTACH_FILTER = 26
PIDFD_OPEN, PIDFD_GETFD = 434, 438
LIBC = ctypes.CDLL(None, use_errno=True)


def lose(datagrams, share):
    """Of the datagrams that come to the socket the kernel throws away this share, at random: a filter's `ld #random`."""
    random, load, greater, end = (-0x1000 + 56) & 0xffffffff, 0x20, 0x25, 0x06
    program = [(load, 0, 0, random), (greater, 1, 0, int((1 - share) * 0xffffffff)), (end, 0, 0, 0xffffffff), (end, 0, 0, 0)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
    datagrams.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))


@contextlib.contextmanager
def listener_of(server):
    """The server's socket for datagrams, from its keeper's table."""
    pidfd = LIBC.syscall(PIDFD_OPEN, server.pid, 0)
    assert pidfd >= 0, os.strerror(ctypes.get_errno())
    try:
        for fd, what in descriptors(server.pid).items():
            if not what.startswith("socket:"):
                continue
            copy = LIBC.syscall(PIDFD_GETFD, pidfd, fd, 0)
            assert copy >= 0, os.strerror(ctypes.get_errno())
            with socket.socket(fileno=copy) as found:
                if found.type == socket.SOCK_DGRAM and found.family == socket.AF_INET:
                    yield found
                    return
        raise AssertionError("the keeper has no such socket")
    finally:
        os.close(pidfd)


def load(*arguments):
    """(exit status, its JSON, what it says beside)."""
    done = subprocess.run([PROGRAM, "load", *arguments, "--json", "-"], text=True, capture_output=True,
                          timeout=PATIENCE, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


@contextlib.contextmanager
def answering(answer):
    """The address of a socket at which a thread calls answer(socket, question, sender, how many came before)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        stop = threading.Event()

        def serve():
            count = 0
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    question, sender = server.recvfrom(70000)
                    answer(server, question, sender, count)
                    count += 1
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"udp://127.0.0.1:{server.getsockname()[1]}"
        finally:
            stop.set()
            thread.join(PATIENCE)


class DatagramLoad(unittest.TestCase):
    def test_without_loss_each_question_is_sent_once(self):
        with tempfile.TemporaryDirectory() as home:
            listens = ("udp:127.0.0.1:0", "udp:[::1]:0", f"unixgram:{home}/s")
            with Bullpen("echo", *(flag for address in listens for flag in ("--listen", address))) as server:
                for address in server.addresses:
                    url = address.replace("udp:", "udp://")
                    with self.subTest(url=url):
                        status, told, said = load(url, "--requests", "500", "--concurrency", "4")
                        self.assertEqual(status, 0, said)
                        self.assertEqual((told["requests"], told["failed"], told["strays"]), (500, 0, 0))
                        self.assertEqual(told["sent"], 500 + told["retransmissions"])
                        self.assertLess(told["loss"], 0.05)
                        self.assertEqual((told["refused"], told["duplicates"]), (0, 0))
                        self.assertGreater(told["latency_us"]["p50"], 0)
                        self.assertGreater(told["round_trip_us"], 0)
                        self.assertIn("retransmitted", said)

    def test_a_full_queue_of_a_unix_socket_holds_the_client_and_loses_nothing(self):
        with tempfile.TemporaryDirectory() as home, \
                Bullpen("echo", "--listen", f"unixgram:{home}/s", "--workers", "1") as server:
            status, told, said = load(server.addresses[0], "--requests", "2000", "--concurrency", "64")
            self.assertEqual((status, told["requests"], told["failed"], told["refused"]), (0, 2000, 0, 0), said)

    def test_lost_questions_are_sent_again_until_they_are_answered(self):
        for percent in (1, 10, 30):
            with self.subTest(percent=percent), Bullpen("echo", "--listen", "udp:127.0.0.1:0") as server:
                with listener_of(server) as listener:
                    lose(listener, percent / 100)
                status, told, said = load(f"udp://127.0.0.1:{server.port}", "--requests", "3000", "--attempts", "20")
                self.assertEqual(status, 0, said)
                self.assertEqual((told["requests"], told["failed"]), (3000, 0))
                self.assertEqual(told["sent"], 3000 + told["retransmissions"])
                self.assertGreater(told["retransmissions"], 5)
                self.assertAlmostEqual(100 * told["loss"], percent, delta=1 + percent / 5)
                self.assertGreater(told["latency_us"]["max"], 10_000)  # At least one time-out.

    def test_a_question_is_given_up_after_so_many_attempts(self):
        with Bullpen("discard", "--listen", "udp:127.0.0.1:0") as server:
            status, told, _ = load(f"udp://127.0.0.1:{server.port}", "--requests", "4", "--concurrency", "4", "--attempts", "2")
            self.assertEqual(status, 1)
            self.assertEqual((told["requests"], told["failed"], told["sent"], told["retransmissions"]), (0, 4, 8, 4))
            self.assertEqual((told["loss"], told["refused"]), (1, 0))

    def test_where_nobody_listens_that_is_said(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        status, told, said = load(f"udp://127.0.0.1:{port}", "--requests", "1", "--concurrency", "1", "--attempts", "3")
        self.assertEqual((status, told["requests"], told["failed"]), (1, 0, 1))
        self.assertGreater(told["refused"], 0)
        self.assertIn("does anybody listen there?", said)

    def test_doubled_answers_count_once_and_what_answers_no_question_is_no_answer(self):
        def twice(server, question, sender, _):
            server.sendto(question, sender)
            server.sendto(question, sender)
            server.sendto(b"short", sender)
            server.sendto(b"\xff" * 64, sender)
        with answering(twice) as url:
            status, told, _ = load(url, "--requests", "200", "--concurrency", "2")
            self.assertEqual((status, told["requests"]), (0, 200))
            self.assertGreater(told["answers"], 390)
            self.assertGreater(told["duplicates"], 190)
            self.assertGreater(told["strays"], 390)
            self.assertEqual(told["loss"], 0)

    def test_an_answer_to_an_earlier_transmission_counts_and_no_other_question_s(self):
        late = []

        def the_third_time(server, question, sender, count):
            late.append((question, sender))
            if count % 3 == 2:  # In the reverse order.
                while late:
                    server.sendto(*late.pop())
        with answering(the_third_time) as url:
            status, told, _ = load(url, "--requests", "60", "--concurrency", "1", "--attempts", "10")
            self.assertEqual((status, told["requests"], told["failed"]), (0, 60, 0))
            self.assertGreater(told["retransmissions"], 60)

    def test_what_goes_with_connections_alone_is_refused(self):
        for flags, sentence in ((("--rate", "5"), "--rate: it goes with connections, not with datagrams"),
                                (("--keep-alive",), "--keep-alive: it goes with connections"),
                                (("--size", "10"), "--size: a question has from 16 to 65507 bytes")):
            with self.subTest(flags=flags):
                done = subprocess.run([PROGRAM, "load", "udp://127.0.0.1:7", *flags], text=True, capture_output=True,
                                      timeout=PATIENCE, check=False)
                self.assertEqual(done.returncode, 2)
                self.assertIn(sentence, done.stderr)
        done = subprocess.run([PROGRAM, "load", "tcp://127.0.0.1:7", "--attempts", "3"], text=True, capture_output=True,
                              timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--attempts: it goes with udp:// and unixgram:", done.stderr)


if __name__ == "__main__":
    unittest.main()
