"""Starts the real program, asks it questions, and sees to it that nothing is left of it."""

import contextlib
import ctypes
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
START_TIMEOUT = 60.0  # A sanitized program on a busy machine is slow.
STOP_TIMEOUT = 90.0
LOST = 3  # The exit status of a stop that has lost connections.
SCRAPE_TIMEOUT = 30.0

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)

SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)(?: \d+)?$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


def end_with(parent):
    """For Popen's preexec_fn: the kernel kills the new process when its parent dies, so that a test that is killed
    leaves no server behind. A master's workers end with their master. The thread that starts it must outlive it."""
    def ask_the_kernel():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # It died before.
            os._exit(1)
    return ask_the_kernel


def wait_until(predicate, what, timeout=30.0):
    """Returns the predicate's first true value; fails when there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(0.01)


def free_ports(count):
    """Ports that nobody has at the moment, of which the kernel gives none to a client or for port 0."""
    ports = set()
    while len(ports) < count:
        port = random.randrange(10_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.add(port)
    return list(ports)


def free_port():
    [port] = free_ports(1)
    return port


def parse_metrics(text):
    """Prometheus' text format as {(name, frozenset of (label, value)): number}."""
    samples = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = SAMPLE.match(line)
        if not match:
            raise AssertionError(f"no sample: {line!r}")
        labels = frozenset(LABEL.findall(match["labels"] or ""))
        samples[match["name"], labels] = float(match["value"])
    return samples


def total(samples, name, **labels):
    """The sum of the samples that have this name and at least these labels."""
    wanted = set(labels.items())
    return sum(value for (other, has), value in samples.items() if other == name and wanted <= has)


def processes():
    """Of every process that can be seen: (pid, state, parent, group, session)."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path("/proc", name, "stat").read_text(errors="replace")
        except OSError:  # It is gone by now.
            continue
        state, parent, group, session = stat.rpartition(")")[2].split()[:4]
        yield int(name), state, int(parent), int(group), int(session)


def title(pid):
    """The name under which ps shows the process."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").strip()
        return (line or Path(f"/proc/{pid}/comm").read_bytes().strip()).decode(errors="replace")
    except OSError:
        return ""


def descriptors(pid):
    """What the process has open."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            pass
    return found


def fewest_descriptors(pid):
    """While nothing goes on: the master closes its copies at its next look."""
    looks = []
    for _ in range(30):
        looks.append(descriptors(pid))
        time.sleep(0.02)
    return min(looks, key=len)


def held_connections(pid):
    """The TCP sockets of the process that don't listen: a master's last sign of a connection, which its source has as
    long as that."""
    others = set()
    for table, column in (("tcp", 9), ("tcp6", 9), ("unix", 6)):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if table == "unix" or words[3] == "0A":  # LISTEN
                others.add(f"socket:[{words[column]}]")
    return {fd for fd, what in descriptors(pid).items() if what.startswith("socket:") and what not in others}


def echo(address, data=b"hello"):
    """Sends data to the service echo (a TCP address or a UNIX socket's path), ends our side, and returns what comes
    back; b"" if the connection was lost in order."""
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as client:
        client.settimeout(60)
        client.connect(address)
        if data:  # Even nothing is a broken pipe where a program has answered and ended already.
            client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return answer


def for_everybody(program, home):
    """A copy of the program that any user may run: the original may lie below a private folder such as /root."""
    copy = Path(home, "bullpen")
    shutil.copy(program, copy)
    os.chmod(home, 0o755)
    copy.chmod(0o755)
    return str(copy)


class Bullpen:
    """`bullpen serve`, or `bullpen inetd`, with the given arguments, in its own session. Leaving the with-block checks, unless the
    test has failed already: every accepted connection is accounted for, the program stops in order, and
    no process, shared memory or sanitizer's complaint is left."""

    may_lose = False  # Whether its stop may lose connections, for a test that sets it.
    asks_by = os.environ.get("BULLPEN_OPTIMISED")  # For questions that are asked until the answer is right; None: the program's.

    def __init__(self, *arguments, program=None, env=None, user=None, verb="serve"):
        end = arguments.index("--") if "--" in arguments else len(arguments)
        flags, command_line = list(arguments[:end]), list(arguments[end:])  # Of the service exec.
        if verb == "serve" and "--listen" not in flags and "--config" not in flags:
            flags += ["--listen", "127.0.0.1:0"]
        if "--metrics" not in flags:
            flags += ["--metrics", "127.0.0.1:0"]
        self.command = [str(program or os.environ.get("BULLPEN", TOP / "build/bullpen")), verb, *flags, *command_line]
        self.env = {**os.environ, **(env or {})}
        self.user = user  # Whom to run as; only root may choose.
        self.output = ""
        self.urls = []
        self.addresses = []
        self.metrics_url = None
        self.exit_status = None

    def __enter__(self):
        self._shared_memory_before = set(os.listdir("/dev/shm"))
        self._home = tempfile.TemporaryDirectory()
        self._make_control_directory()
        if self.user is not None:
            self.command[0] = for_everybody(self.command[0], self._home.name)
        self._stderr = tempfile.TemporaryFile()
        self._process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                         stderr=self._stderr, env=self.env, user=self.user,
                                         start_new_session=True, preexec_fn=end_with(os.getpid()))
        try:
            self._read_announcements()
        except BaseException:
            self._show_stderr()
            self._clean_up()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self._check_orderly_end()
            else:
                self._show_stderr()
        except BaseException:
            self._show_stderr()
            raise
        finally:
            self._clean_up()

    @property
    def pid(self):
        """The keeper's: the process that was started, its group and its session."""
        return self._process.pid

    @property
    def master(self):
        """The pid of the living master, which is waited for."""
        return wait_until(lambda: next(iter(self._masters()), None), "a master")

    def _masters(self):
        return [pid for pid, state, parent, _, _ in processes()
                if parent == self.pid and state != "Z" and title(pid).startswith("bullpen: master")]

    def children(self):
        """The living processes below keeper and master: the exporter, and the workers or programs."""
        masters = self._masters()
        return [pid for pid, state, parent, _, _ in processes()
                if parent in (self.pid, *masters) and state != "Z" and pid not in masters]

    @property
    def url(self):
        return self.urls[0]

    @property
    def port(self):
        """The first listener's."""
        return int(self.addresses[0].rpartition(":")[2])

    @property
    def metrics_port(self):
        return int(re.search(r":(\d+)/", self.metrics_url)[1])

    @property
    def stderr(self):
        return os.pread(self._stderr.fileno(), 1 << 24, 0).decode(errors="replace")

    def metrics(self):
        with urllib.request.urlopen(self.metrics_url, timeout=SCRAPE_TIMEOUT) as response:
            return parse_metrics(response.read().decode())

    def total(self, name, **labels):
        """One scrape's sum of the samples with this name and at least these labels."""
        return total(self.metrics(), name, **labels)

    def workers(self):
        """The pids of the living workers. Right after the start they may still be on their way."""
        return [pid for pid, state, parent, _, _ in processes()
                if parent == self.pid and state != "Z" and "bullpen: worker" in title(pid)]

    def ctl(self, *arguments):
        """(exit status, stdout, stderr) of `bullpen ctl` for this server."""
        asks = arguments[:1] == ("status",) and self.asks_by
        done = subprocess.run([asks or self.command[0], "ctl", "--control", str(self.control), *arguments], text=True,
                              capture_output=True, timeout=STOP_TIMEOUT, check=False, env=self.env)
        return done.returncode, done.stdout, done.stderr

    def stop(self, by=signal.SIGTERM):
        """Sends the keeper a signal and returns its exit status, negative if a signal ended it."""
        self.terminate(by)
        return self.wait()

    def terminate(self, by=signal.SIGTERM):
        """Tells the keeper to stop the server, and does not wait for it."""
        self._process.send_signal(by)

    def wait(self):
        try:
            self.exit_status = self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the program hasn't ended {STOP_TIMEOUT:g} s after it was told to") from None
        return self.exit_status

    def check_conservation(self):
        """Every accepted connection has ended in exactly one way. Waits until none is in flight."""
        def at_rest():
            samples = self.metrics()
            return samples if total(samples, "bullpen_connections_in_flight") == 0 else None

        samples = wait_until(at_rest, "no connection in flight", 60)
        for pool in {value for _, labels in samples for name, value in labels if name == "pool"}:
            ended = {kind: total(samples, f"bullpen_connections_{kind}_total", pool=pool)
                     for kind in ("completed", "client_aborted", "timed_out", "refused", "lost")}
            accepted = total(samples, "bullpen_connections_accepted_total", pool=pool)
            if accepted != sum(ended.values()):
                raise AssertionError(f"pool {pool} accepted {accepted:g} connections, but they ended as {ended}")

    def left_behind(self):
        """The living processes of the program's session."""
        return [pid for pid, state, _, group, session in processes()
                if self.pid in (group, session) and state != "Z"]

    def _make_control_directory(self):
        """Every server has its own, because tests run at once and most servers have the same name."""
        if "--control" in self.command:
            return
        self.control = Path(self._home.name, "control")
        self.control.mkdir(0o700)
        if self.user is not None:
            os.chown(self.control, self.user, -1)
        if self.command[1:2] in (["serve"], ["inetd"]):
            self.command[2:2] = ["--control", str(self.control)]

    def _read_announcements(self):
        deadline = time.monotonic() + START_TIMEOUT
        while "bullpen: ready" not in self.output:
            readable, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise AssertionError(f"the program wasn't ready within {START_TIMEOUT:g} s; it said {self.output!r}")
            text = os.read(self._process.stdout.fileno(), 65536)
            if not text:
                raise AssertionError(f"{' '.join(self.command)} ended with {self._process.wait()} before it was ready")
            self.output += text.decode(errors="surrogateescape")
        for address in re.findall(r"^bullpen: serving \S+ at (\S+)", self.output, re.MULTILINE):
            if address.startswith("http://"):
                self.urls.append(address)
            self.addresses.append(address.removeprefix("http://").removesuffix("/"))
        if match := re.search(r"^bullpen: metrics at (\S+)$", self.output, re.MULTILINE):
            self.metrics_url = match[1]

    def _check_orderly_end(self):
        if self.exit_status is None:
            if self.metrics_url:
                self.check_conservation()
            if self.stop() not in ((0, LOST) if self.may_lose else (0,)):
                raise AssertionError(f"the program ended with status {self.exit_status}")
        wait_until(lambda: not self.left_behind(), "the end of the program's last process")
        wait_until(lambda: not self._new_shared_memory(), "the end of its shared memory")
        for complaint in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error", "WARNING: ThreadSanitizer"):
            if complaint in self.stderr:
                raise AssertionError(f"a sanitizer complains: {complaint}")

    def _new_shared_memory(self):
        return set(os.listdir("/dev/shm")) - self._shared_memory_before

    def _clean_up(self):
        for pid in self.left_behind():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._process.wait()
        self._process.stdout.close()
        self._stderr.close()
        self._home.cleanup()

    def _show_stderr(self):
        lines = self.stderr.splitlines()[-40:]
        print("\n".join(["", f"--- the end of the program's stderr ({' '.join(self.command)})", *lines, "---"]),
              file=sys.stderr)
