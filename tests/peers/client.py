"""The client of all servers: `bullpen load`."""

import contextlib
import json
import select
import signal
import subprocess
from pathlib import Path

OPEN_TIMEOUT = 30.0

# What it is told beside the URL, a duration and where to write; in other cases --concurrency C.
KEPT = {
    "keep-alive": ("--keep-alive", "--concurrency", "64"),
    "busy": ("--keep-alive", "--concurrency", "1000"),
    "steady": ("--keep-alive", "--concurrency", "1000", "--rate", "1000", "--timeout", "1"),
}


class Client:
    def __init__(self, program, home, concurrency):
        self.program, self.home, self.concurrency = program, Path(home), concurrency

    def command(self, url, seconds, result, *flags):
        result.unlink(missing_ok=True)
        return [self.program, "load", url, "--duration", str(seconds), "--json", str(result), *flags]

    def seen(self, url, seconds, *flags, timeout=30.0):
        """bullpen load's own numbers. ValueError if no request was answered or failed."""
        result = self.home / "seen.json"
        done = subprocess.run(self.command(url, seconds, result, *flags), capture_output=True, text=True,
                              timeout=seconds * 2 + timeout, check=False)
        seen = json.loads(result.read_text()) if result.exists() else {}
        if not seen or not seen["requests"] + seen["failed"]:
            raise ValueError((done.stderr.strip().splitlines() or ["it answered nothing"])[-1])
        return seen

    def load(self, server, case, paths, seconds):
        """What the client saw, as a dict of numbers; of two paths the first is 99 % of the requests, and the
        latency is that of its answers. ValueError if there were none."""
        flags = [*KEPT.get(case, ("--concurrency", str(self.concurrency)))]
        if len(paths) > 1:
            fast, slow = paths
            requests = self.home / f"{server.port}.requests"
            requests.write_text(f"{fast} weight=99 class=fast\n{slow} weight=1 class=slow\n")
            flags += ["--request-file", str(requests)]
        seen = self.seen(server.url + paths[0], seconds, *flags)
        if not seen["requests"]:
            raise ValueError("it answered nothing")
        latency = (seen["classes"]["fast"] if len(paths) > 1 else seen)["latency_us"]
        return {"requests": seen["requests"], "requests_per_s": seen["requests_per_s"], "p50_us": latency["p50"],
                "p99_us": latency["p99"], "errors": seen["failed"], "connections": seen["connections"],
                "longest_wait_us": seen["longest_wait_us"], "client_cpu_s": seen["client_cpu_s"]}

    def visit(self, url, seconds, rate, timeout, *flags):
        """What somebody sees who wants `rate` answers a second, each within the timeout: p99 in µs, and how many
        weren't answered."""
        seen = self.seen(url, seconds, "--rate", str(rate), "--timeout", str(timeout), *flags)
        return {"p99_us": p99_of_all(seen, timeout * 1e6), "unanswered": seen["failed"]}

    def begin(self, url, seconds, name, *flags):
        """A load that goes on beside others; its wait() gives what it has seen, as JSON."""
        return Load(self.command(url, seconds, self.home / name, *flags), self.home / name)

    @contextlib.contextmanager
    def idle(self, url, count):
        """So many silent clients in the with-block; what has become of them is in the dict that it gives, afterwards.
        ValueError if they can't be had."""
        result, counts = self.home / "idle.json", {}
        with subprocess.Popen(self.command(url, 120, result, "--idle", str(count), "--rate", "1"), text=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            try:
                said = process.stderr.readline() if select.select([process.stderr], [], [], OPEN_TIMEOUT)[0] else ""
                if "idle connections are open" not in said:
                    raise ValueError(said.strip() or f"it did not answer the idle clients within {OPEN_TIMEOUT:g} s")
                yield counts
                process.send_signal(signal.SIGINT)  # It then says what it has seen.
                process.wait(OPEN_TIMEOUT)
                counts.update(json.loads(result.read_text())["idle"])
            finally:
                process.kill()


class Load:
    def __init__(self, command, result):
        self.result = result
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def wait(self):
        self.process.wait()
        return self.result.read_text()


def p99_of_all(seen, timeout_us):
    """Of the requests that were answered and of those that were not: they count as the time-out."""
    asked = seen["requests"] + seen["failed"]
    quantile = 0.99 * asked / seen["requests"] if seen["requests"] else 2
    slower = [us for point, us in seen["latency_distribution"] if point >= quantile - 1e-9]
    return slower[0] if slower else timeout_us
