"""Services over SCTP. Few kernels have it loaded: with BULLPEN_LONG=1 and the package user-mode-linux the sentences run in a
kernel that is a process, and has it."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from contextlib import closing
from pathlib import Path

import every_model
from harness import TOP, Bullpen, end_with, wait_until

PROGRAM = os.environ.get("BULLPEN_OPTIMISED") or str(TOP / "build/bullpen")
KERNEL = os.environ.get("BULLPEN_LONG") and shutil.which("linux.uml")
INSIDE = "--inside" in sys.argv
PATIENCE = 30
BOOT_AND_ALL = 1500
MODULES = ("lib/crc-ccitt", "net/ipv6/ipv6", "net/ipv4/udp_tunnel", "net/ipv6/ip6_udp_tunnel", "net/sctp/sctp")
SYS_FINIT_MODULE, RB_POWER_OFF = 313, 0x4321FEDC
CASES = [case for case in every_model.chosen(with_alike=True) if case != "inetd"]


def connect(address):
    host, _, port = address.removeprefix("sctp:").rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    client = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    client.settimeout(PATIENCE)
    client.connect((host.strip("[]"), int(port)))
    return client


def ask(client, question, size=None):
    client.sendall(question)
    answer = b""
    while len(answer) < (size or len(question)):
        piece = client.recv(65536)
        if not piece:
            break
        answer += piece
    return answer


def get(address, path):
    """The status and how long the content is."""
    with closing(connect(address)) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    head, _, content = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), len(content)


@unittest.skipUnless(INSIDE, "it needs a kernel with SCTP")
class Sctp(unittest.TestCase):
    def test_each_model_serves_it_over_both_families(self):
        for case in CASES:
            with self.subTest(case=case), Bullpen("echo", *every_model.flags_of(case), "--listen", "sctp:127.0.0.1:0",
                                                  "--listen", "sctp:[::1]:0") as server:
                for address in server.addresses:
                    self.assertTrue(address.startswith("sctp:"), address)
                    with closing(connect(address)) as client:
                        for _ in range(3):
                            self.assertEqual(ask(client, b"hello"), b"hello")

    def test_an_answer_may_be_larger_than_the_send_buffer(self):
        for case in ("prefork", "event", "epoll"):
            with self.subTest(case=case), \
                    Bullpen("work", *every_model.flags_of(case), "--listen", "sctp:127.0.0.1:0") as server:
                for path in ("/bytes/2000000", "/file/1000000", "/copy/1000000"):
                    self.assertEqual(get(server.addresses[0], path), (200, int(path.rpartition("/")[2])))

    def test_a_port_may_be_sctp_s_and_tcp_s_at_once(self):
        with Bullpen("echo", "--listen", "127.0.0.1:7000", "--listen", "sctp:127.0.0.1:7000") as server:
            with closing(connect(server.addresses[1])) as one, \
                    closing(socket.create_connection(("127.0.0.1", 7000), timeout=PATIENCE)) as other:
                for client in (one, other):
                    self.assertEqual(ask(client, b"hello"), b"hello")

    def test_who_is_parked_is_served_again_and_outlives_a_master(self):
        with Bullpen("work", "--workers", "1", "--listen", "sctp:127.0.0.1:0") as server:
            clients = [connect(server.addresses[0]) for _ in range(3)]
            for turn in range(3):
                for client in clients:
                    client.sendall(b"GET /bytes/10 HTTP/1.1\r\nHost: x\r\n\r\n")
                    answer = b""
                    while not answer.endswith(b"\r\n\r\n" + 10 * answer[-1:]):
                        answer += client.recv(1000)
                    self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)
                if turn == 1:
                    master = server.master
                    os.kill(master, signal.SIGKILL)
                    wait_until(lambda: server.master != master, "another master")
            for client in clients:
                client.close()

    def test_a_stop_serves_who_is_there_and_lets_a_successor_in(self):
        with Bullpen("work", "--listen", "sctp:127.0.0.1:7001") as server:
            with closing(connect("sctp:127.0.0.1:7001")) as client:
                client.sendall(b"GET /sleep/3000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                server.terminate()
                with Bullpen("echo", "--name", "next", "--listen", "sctp:127.0.0.1:7001"):
                    with closing(connect("sctp:127.0.0.1:7001")) as other:
                        self.assertEqual(ask(other, b"hello"), b"hello")
                    self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 200"))
            self.assertEqual(server.wait(), 0)

    def test_call_says_why_it_doesn_t_speak_it(self):
        with Bullpen("work", "--listen", "sctp:127.0.0.1:7002"):
            done = subprocess.run([PROGRAM, "call", "raw", "sctp:127.0.0.1:7002"], stdin=subprocess.DEVNULL, text=True,
                                  capture_output=True, timeout=PATIENCE, check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("SCTP has no half-closed state", done.stderr)


class Outside(unittest.TestCase):
    def test_a_kernel_without_it_gets_one_sentence(self):
        try:
            socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
            self.skipTest("this kernel has SCTP")
        except OSError:
            pass
        done = subprocess.run([PROGRAM, "serve", "echo", "--listen", "sctp:127.0.0.1:0"], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("cannot listen on sctp:127.0.0.1:0, this kernel has no SCTP", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    @unittest.skipUnless(KERNEL, "BULLPEN_LONG isn't set, or there is no User Mode Linux")
    def test_a_kernel_that_has_it_runs_the_sentences(self):
        with tempfile.TemporaryDirectory() as home:
            init = Path(home, "init")
            init.write_text(f"#!/bin/sh\nPATH={os.environ['PATH']} PYTHONPATH={TOP}/tests BULLPEN={PROGRAM} "
                            f"BULLPEN_OPTIMISED={PROGRAM} PYTHONDONTWRITEBYTECODE=1 TMPDIR=/run HOME=/run "
                            f"exec {sys.executable} {__file__} --inside\n")
            init.chmod(0o755)
            done = subprocess.run([KERNEL, "mem=1G", "rootfstype=hostfs", "rootflags=/", "rw", f"init={init}", "quiet",
                                   "con=null", "con0=null,fd:1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace", timeout=BOOT_AND_ALL, check=False,
                                  start_new_session=True, env={**os.environ, "TMPDIR": home}, preexec_fn=end_with(os.getpid()))
        if "inside a kernel of its own" not in done.stdout:
            self.skipTest("User Mode Linux doesn't run here: " + done.stdout[-300:])
        self.assertIn("all sentences hold", done.stdout, done.stdout[-10000:])


def run_inside():
    """The life of the other kernel's first process."""
    libc = ctypes.CDLL(None, use_errno=True)
    for kind, where in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run")):
        if libc.mount(kind.encode(), where.encode(), kind.encode(), 0, None) != 0:
            print("cannot mount", where, os.strerror(ctypes.get_errno()))
    os.makedirs("/dev/shm", exist_ok=True)
    for module in MODULES:
        path = f"/usr/lib/uml/modules/{os.uname().release}/kernel/{module}.ko"
        with open(path, "rb") as file:
            if libc.syscall(SYS_FINIT_MODULE, file.fileno(), b"", 0) != 0:
                print("cannot load", module, os.strerror(ctypes.get_errno()))
    Path("/proc/sys/net/sctp/cookie_hmac_alg").write_text("none")  # Its hash is a module more.
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    print("inside a kernel of its own", flush=True)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(
        unittest.defaultTestLoader.loadTestsFromTestCase(Sctp))
    if result.wasSuccessful() and result.testsRun > 0:
        print("all sentences hold", flush=True)


if __name__ == "__main__":
    if not INSIDE:
        unittest.main()
    try:
        run_inside()
    finally:
        sys.stdout.flush()
        ctypes.CDLL(None).reboot(RB_POWER_OFF)
