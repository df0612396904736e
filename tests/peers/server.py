"""A server under measurement: its whole tree of processes, what they cost, and that nothing is left of them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import free_port, parse_metrics, processes, title, total  # noqa: E402

START_TIMEOUT = 20.0
STOP_TIMEOUT = 15.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def own_cgroup():
    """Where this process may make cgroups (version 2), or None."""
    try:
        [mount] = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()
                   if line.split()[2] == "cgroup2"]
        [own] = [line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
    except (OSError, ValueError):
        return None
    home = Path(mount + own)
    return home if os.access(home / "cgroup.procs", os.W_OK) else None


class Cgroup:
    """Counts and ends what was ever started in it, the dead included."""

    def __init__(self, name):
        self.home = own_cgroup() / name
        self.home.mkdir()
        with contextlib.suppress(OSError):  # Pressure is accounted at each context switch.
            (self.home / "cgroup.pressure").write_text("0")

    def command(self, command):
        return ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self.home / "cgroup.procs"), *command]

    def pids(self):
        return [int(pid) for pid in (self.home / "cgroup.procs").read_text().split()]

    def cpu_us(self):
        return int((self.home / "cpu.stat").read_text().split()[1])

    def close(self):
        deadline = time.monotonic() + STOP_TIMEOUT
        while True:
            try:
                return self.home.rmdir()
            except OSError:  # A process that is no longer listed may still be on its way out.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def read_or_nothing(file):
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def threads_cpu_us(pid):
    """Of the process's living threads, to the nanosecond."""
    return sum(int(Path(thread, "schedstat").read_text().split()[0])
               for thread in Path(f"/proc/{pid}/task").iterdir()) / 1000


def kb_in(file, field):
    [line] = [line for line in Path(file).read_text().splitlines() if line.startswith(field)]
    return int(line.split()[1])


class Session:
    """Without cgroups: the processes of a session, and what its leader's descendants are."""

    def __init__(self):
        self.leader = None

    def command(self, command):
        return command

    def pids(self):
        found = {self.leader}
        seen = list(processes())
        while more := {pid for pid, state, parent, _, session in seen
                       if state != "Z" and (parent in found or session == self.leader)} - found:
            found |= more
        return [pid for pid in found if Path(f"/proc/{pid}").exists()]

    def cpu_us(self):
        """The living to the nanosecond, buried children to the clock tick."""
        return sum(map(self._cpu_us, self.pids()))

    @staticmethod
    def _cpu_us(pid):
        with contextlib.suppress(OSError):
            threads = threads_cpu_us(pid)
            buried = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[13:15]
            return threads + sum(map(int, buried)) * 1e6 / TICKS_PER_S
        return 0

    def close(self):
        pass


class Server:
    """Started in a session of its own: at its end Apache signals its whole group."""

    def __init__(self, name, command, port, cwd=None, log=subprocess.DEVNULL, metrics=None):
        self.name, self.port, self.metrics, self.terminated = name, port, metrics, False
        self.successor = None
        self.group = Cgroup(f"bullpen-peers-{os.getpid()}-{port}") if own_cgroup() else Session()
        self.command, self.cwd = command, cwd
        try:
            self.start(log)
        except OSError:
            self.group.close()
            raise

    def start(self, log):
        self.process = subprocess.Popen(self.group.command(self.command), stdin=subprocess.DEVNULL, stdout=log,
                                        stderr=subprocess.STDOUT, cwd=self.cwd, start_new_session=True,
                                        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        self.group.leader = self.process.pid

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def ended(self):
        return self.process.poll() is not None

    def wait_for(self, ready, timeout=START_TIMEOUT):
        """False if it ended or is not ready in time."""
        deadline = time.monotonic() + timeout
        while not ready():
            if (self.ended() and not self.successor) or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def pids(self):
        return self.group.pids()

    def has_settled(self):
        """It hasn't forked, and nothing has ended, for a while."""
        before = self.pids()
        time.sleep(0.2)
        return self.pids() == before

    def cpu_us(self):
        """CPU time of the whole tree since its start, that of its dead processes included."""
        return self.group.cpu_us()

    def pss_kb(self):
        summed = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):  # It has ended meanwhile.
                summed += kb_in(f"/proc/{pid}/smaps_rollup", "Pss:")
        return summed

    def master_cpu_us(self):
        """Of the process that was started, without its children."""
        return threads_cpu_us(self.process.pid)

    def master_rss_kb(self):
        return kb_in(f"/proc/{self.process.pid}/status", "VmRSS:")

    def worker_deaths(self):
        """Of a Bullpen with metrics: all but of those workers that were sent home."""
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=START_TIMEOUT) as answer:
            samples = parse_metrics(answer.read().decode())
        name = "bullpen_worker_exits_total"
        return total(samples, name) - total(samples, name, reason="retired")

    def kill_master(self):
        """If that was the process that was started, the server is started again once nothing is left of it."""
        masters = [pid for pid in self.pids() if title(pid).startswith("bullpen: master")]
        for pid in masters:
            os.kill(pid, signal.SIGKILL)
        if masters:
            return
        self.process.kill()
        self.process.wait()
        while left := self.pids():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.001)
        self.start(subprocess.DEVNULL)

    @property
    def main(self):
        """The pid of the process that has taken the first one's place, or its own."""
        return self.successor or self.process.pid

    def reload(self):
        """With a configuration that is another one each time, for whoever compares."""
        for file in self.cwd.glob("bullpen.toml"):
            text = file.read_text()
            old, new = ("= 60\n", "= 61\n") if "idle_timeout = 60\n" in text else ("= 61\n", "= 60\n")
            file.write_text(text.replace(f"idle_timeout {old}", f"idle_timeout {new}"))
        os.kill(self.main, signal.SIGUSR1 if self.name.startswith("apache") else signal.SIGHUP)

    def upgrade(self):
        """To the same program."""
        before, [pid_file] = self.main, self.cwd.glob("*.pid")
        os.kill(before, signal.SIGUSR2)
        deadline = time.monotonic() + START_TIMEOUT
        while not (text := read_or_nothing(pid_file)).isdigit() or int(text) == before:
            if time.monotonic() > deadline:
                raise OSError("it doesn't take over")
            time.sleep(0.005)
        self.successor = int(text)

    def terminate(self):
        """Asks it to end; stop() waits for it."""
        if not self.terminated and Path(f"/proc/{self.main}").exists():
            os.kill(self.main, signal.SIGTERM)
        self.terminated = True

    def stop(self):
        """Nothing of its tree is left, whatever that takes."""
        self.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        while not self.ended() or self.pids():
            if time.monotonic() > deadline:
                for pid in self.pids():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        self.group.close()
