"""What the tests of faults share: a server in a small world, a user's hostile program, and looks into /proc."""

import http.client
import os
import re
import resource
import shlex
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

from every_model import flags_of
from harness import TOP, Bullpen, free_ports, parse_metrics, processes, title, total, wait_until

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))
OPTIMISED = os.environ.get("BULLPEN_OPTIMISED") or PROGRAM  # Where time, descriptors or strace matter.
HOSTILE = str(Path(PROGRAM).with_name("hostile"))
LONG = bool(os.environ.get("BULLPEN_LONG"))  # As long and as thorough as it takes.
NOBODY = 65534
NO_LEAK_CHECK = {"ASAN_OPTIONS": "detect_leaks=0"}  # It can't look for leaks under strace.
PATIENCE = 30  # Seconds for what must happen at all.
SANE = 1e12  # No number of these tests' servers is larger.
OUTCOMES = ("completed", "client_aborted", "timed_out", "refused", "lost")

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def behind(*words, program=PROGRAM):
    """A command that is the program, started by these words of a shell: 'ulimit -n 256; exec', 'exec setpriv'."""
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o755)
        command = Path(home, "bullpen")
        command.write_text(f'#!/bin/sh\n{" ".join(words)} {shlex.quote(str(program))} "$@"\n')
        command.chmod(0o755)
        yield command


class Hostile(Bullpen):
    """tests/faults/hostile.cpp as a server: a handler's name, then settings as KEY=VALUE."""

    def __init__(self, handler, *settings, program=HOSTILE, listeners=1, env=None):
        super().__init__(env=env)
        ports = free_ports(listeners + 1)
        self.addresses = [f"127.0.0.1:{port}" for port in ports[1:]]
        self.metrics_url = f"http://127.0.0.1:{ports[0]}/metrics"
        self.command = [str(program), handler, f"metrics=127.0.0.1:{ports[0]}",
                        *(f"listen={address}" for address in self.addresses), *settings]

    def _read_announcements(self):
        """The library announces nothing: it is there once the exporter is."""
        def ready():
            if self._process.poll() is not None:
                raise AssertionError(f"{' '.join(self.command)} ended with {self._process.returncode}")
            try:
                return self.metrics()
            except OSError:
                return None
        wait_until(ready, "its metrics")


def settings_of(case):
    """A case of every_model.py in the hostile program's words."""
    flags = dict(zip(*[iter(flags_of(case))] * 2))
    return [f"{flag[2:]}={value}" for flag, value in flags.items() if flag in ("--model", "--threads", "--capacity")]


def connect(server, listener=0, timeout=PATIENCE):
    port = int(server.addresses[listener].rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def get(server, path="/bytes/1", listener=0, timeout=PATIENCE):
    """One request on a connection of its own: the status; None if the connection ended without an answer."""
    try:
        with closing(connect(server, listener, timeout)) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            data = b""
            while piece := client.recv(65536):
                data += piece
    except ConnectionError:
        return None
    return int(data.split(b" ", 2)[1]) if data.startswith(b"HTTP/") else None


def timed_get(server, path="/bytes/1", **options):
    """How many seconds one request took that has to be answered."""
    began = time.monotonic()
    if (status := get(server, path, **options)) != 200:
        raise AssertionError(f"GET {path} got {status}")
    return time.monotonic() - began


def end_of(client):
    """What comes until the connection's end; None after a reset."""
    data = b""
    try:
        while piece := client.recv(65536):
            data += piece
    except ConnectionError:
        return None
    return data


def wait_for_idle(server, count):
    wait_until(lambda: server.total("bullpen_workers", state="idle") == count, f"{count} idle workers")


def in_flight(server, where):
    return server.total("bullpen_connections_in_flight", where=where)


def wait_for(server, where, count):
    wait_until(lambda: in_flight(server, where) == count, f"{count} connections {where}")


def children(server):
    """The living workers or programs."""
    return [pid for pid in server.children() if "bullpen: metrics" not in title(pid)]


def exporter(server):
    return next((pid for pid in server.children() if "bullpen: metrics" in title(pid)), None)


def status_of(pid, key):
    return re.search(rf"^{key}:\s*(\S+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1]


def cpu_seconds(pid):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # It has ended.
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_of_each(pids, span):
    """Of each process the seconds of CPU that it uses within so many seconds: measured, nothing is waited for."""
    before = {pid: cpu_seconds(pid) for pid in pids}
    time.sleep(span)
    return {pid: cpu_seconds(pid) - before[pid] for pid in pids}


def switches(pid):
    """How often the process has waited for something, all its threads together."""
    count = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        text = Path(f"/proc/{pid}/task/{task}/status").read_text()
        count += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text, re.MULTILINE)[1])
    return count


def stand_still(pid):
    """Stops a process and waits until it has."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: any(other == pid and state == "T" for other, state, *_ in processes()), f"{pid} to stop")


@contextmanager
def stopped_group(server):
    """All processes of the server stand still."""
    os.killpg(server.pid, signal.SIGSTOP)
    pids = [pid for pid, _, _, group, _ in processes() if group == server.pid]
    wait_until(lambda: all(state in "TZ" for pid, state, *_ in processes() if pid in pids), "the group to stop")
    yield
    os.killpg(server.pid, signal.SIGCONT)


@contextmanager
def injected(pids, *faults, follow=True):
    """strace makes these processes (and their future children) fail; faults are what its -e inject= takes."""
    pids = [pids] if isinstance(pids, int) else pids
    traced = ",".join(fault.partition(":")[0] for fault in faults)
    tracer = subprocess.Popen(["strace", *(["-f"] if follow else []), "-e", f"trace={traced}", "-e", "signal=none",
                               *(word for pid in pids for word in ("-p", str(pid))),
                               *(word for fault in faults for word in ("-e", f"inject={fault}"))],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    drain = threading.Thread(target=tracer.stderr.read)  # Else strace would wait for us, and its tracees for it.
    try:
        for _ in pids:
            while "attached" not in (line := tracer.stderr.readline()):
                if not line:
                    raise AssertionError("strace could not attach")
        drain.start()
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        if drain.ident:
            drain.join()
        tracer.stderr.close()


class Scraper:
    """Reads /metrics again and again over one connection, and judges each reading."""

    def __init__(self, server, stack, lawful=True):
        self.lawful = lawful  # Whether conservation is asked for.
        self.connection = http.client.HTTPConnection("127.0.0.1", server.metrics_port, timeout=60)
        stack.callback(self.connection.close)
        self.last = {}
        self.scrapes = 0
        self.broken = []

    def scrape(self):
        self.connection.request("GET", "/metrics")
        now = parse_metrics(self.connection.getresponse().read().decode())
        self.scrapes += 1
        accepted = total(now, "bullpen_connections_accepted_total")
        ended = {kind: total(now, f"bullpen_connections_{kind}_total") for kind in OUTCOMES}
        in_flight = {dict(labels)["where"]: value for (name, labels), value in now.items()
                     if name == "bullpen_connections_in_flight"}
        if self.lawful and accepted != sum(ended.values()) + sum(in_flight.values()):
            self.broken.append(f"accepted {accepted:g}, ended {ended}, in flight {in_flight}")
        for sample, value in now.items():
            if value > SANE:
                self.broken.append(f"{sample[0]}{dict(sample[1])} is {value:g}")
        for sample, before in self.last.items():
            if sample[0].endswith("_total") and now.get(sample, 0) < before:
                self.broken.append(f"{sample[0]}{dict(sample[1])} went back from {before:g} to {now.get(sample)}")
        self.last = now

    def scrape_until_ended(self, loads, but_at_least=20):
        while any(each.poll() is None for each in loads) or self.scrapes < but_at_least:
            self.scrape()


def load(server, *flags, path="/bytes/10", program=OPTIMISED):
    """`bullpen load` at work, to be waited for."""
    return subprocess.Popen([program, "load", f"http://{server.addresses[0]}{path}", *flags],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
