"""The case slow: slowhttptest's clients, who take their time, and a normal one from another address beside them."""

import contextlib
import csv
import signal
import subprocess
import textwrap
import time
from pathlib import Path

from table import figure

LARGE_FILE_BYTES = 4 << 20  # More than the sockets between can hold.
CLIENTS = 1_000
NORMAL_SOURCE = "127.0.0.2"  # slowhttptest comes from 127.0.0.1.
NORMAL_RATE = 50
NORMAL_TIMEOUT = 4
NORMAL_S = 5
RAMP_S = 1.5  # Until all the attackers are connected, where the server lets them.
ATTACK_S = 20  # It is ended before that.

ATTACKS = {
    "headers": (("-H", "-i", "1", "-x", "24"), "/small.txt"),
    "body": (("-B", "-i", "1", "-x", "10", "-s", "8192"), "/small.txt"),
    "read": (("-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32"), "/large.bin"),
}

HEAD = f"""\
                        p99 of a normal client in ms   unanswered of {NORMAL_RATE * NORMAL_S} worker
                         alone headers    body    read  head  body  read deaths"""


class Slow:
    def __init__(self, client, home):
        self.client, self.home = client, home

    def measure(self, server):
        """All attacks, one after the other, as a dict of numbers."""
        seen = {"alone_p99_us": self.normal(server)["p99_us"]}
        for attack, (flags, path) in ATTACKS.items():
            with attacking(server.url + path, flags, self.home) as connected:
                time.sleep(RAMP_S)
                visited = self.normal(server)
            seen |= {f"{attack}_p99_us": visited["p99_us"], f"{attack}_unanswered": visited["unanswered"],
                     f"{attack}_attackers": connected.get("most", 0)}
            if server.ended():
                raise ValueError(f"it ended in the attack with slow {attack}")
        if server.metrics:
            seen["deaths"] = server.worker_deaths()
        return seen

    def normal(self, server):
        return self.client.visit(server.url + "/small.txt", NORMAL_S, NORMAL_RATE, NORMAL_TIMEOUT,
                                 "--concurrency", "400", "--source", NORMAL_SOURCE)


@contextlib.contextmanager
def attacking(url, flags, home):
    """slowhttptest runs in the with-block; afterwards the dict that it gives says how many it had connected at once."""
    log, seen = Path(home, "attack"), {}
    command = ["slowhttptest", *flags, "-c", str(CLIENTS), "-r", str(CLIENTS), "-l", str(ATTACK_S), "-u", url,
               "-g", "-o", str(log), "-v", "0"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            yield seen
            process.send_signal(signal.SIGINT)
            process.wait(ATTACK_S)
            seen["most"] = most_connected(log.with_suffix(".csv").read_text())
        finally:
            process.kill()


def most_connected(statistics):
    return max((int(row["Connected"]) for row in csv.DictReader(statistics.splitlines())), default=0)


def table(title, results, absent):
    lines = ["", title, HEAD]
    for name, measured in results.items():
        one = {metric: values[0] for metric, values in measured.items()}
        p99s = [figure(one[f"{which}_p99_us"] / 1000, 7) for which in ("alone", *ATTACKS)]
        unanswered = [figure(one[f"{attack}_unanswered"], 5, 0) for attack in ATTACKS]
        lines.append(f"{name:22} {' '.join(p99s)} {' '.join(unanswered)} {figure(one.get('deaths'), 6, 0)}")
    for name, measured in results.items():
        most = ", ".join(f"{attack} {measured[f'{attack}_attackers'][0]:,}" for attack in ATTACKS)
        lines.append(f"{name}: attackers at once: {most}")
    lines.append("unanswered requests count in p99 as their time-out")
    for name, why in absent.items():
        lines += textwrap.wrap(f"{name}: {why}", 80, subsequent_indent="    ")
    return "\n".join(lines)
