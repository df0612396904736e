"""The cases deaths, reloads and upgrades: what clients see of a server to which that happens again and again.

Who comes once, who stays and asks once a second, and who takes a large file slowly, all at the same time. A server that
has ended with its master is started again at once, after what is left of it was killed, as by systemd's
Restart=always. Where another process makes a new master, nothing is started again.
"""

import contextlib
import http.client
import json
import textwrap
import threading
import time

from table import figure

LARGE_FILE_BYTES = 30 << 20
SECONDS = 25
PAUSES = {"deaths": 0.25, "reloads": 0.25, "upgrades": 1.25}  # Seconds between two.
ONCE = 8
KEPT = 1_000
DOWNLOADS = 10
DOWNLOAD_RATE = 12 << 20  # Bytes a second, each.

HEAD = """\
                                came once   kept, 1,000/s downloads  longest
                       times   asked failed  asked failed begun  cut  wait s"""


class Disturbances:
    def __init__(self, client, home):
        self.client, self.home = client, home

    def measure(self, server, case):
        disturb = {"deaths": server.kill_master, "reloads": server.reload, "upgrades": server.upgrade}[case]
        loads = [self.client.begin(server.url + "/small.txt", SECONDS, f"{name}.json", *flags)
                 for name, flags in (("once", ("--concurrency", str(ONCE))),
                                     ("kept", ("--keep-alive", "--concurrency", str(KEPT), "--rate", str(KEPT))))]
        ends = time.monotonic() + SECONDS
        downloads = [Downloads(server.port, ends) for _ in range(DOWNLOADS)]
        for each in downloads:
            each.start()
        times = 0
        while time.monotonic() < ends - 1:
            time.sleep(PAUSES[case])
            disturb()
            times += 1
        for each in downloads:
            each.join()
        once, kept = (json.loads(load.wait()) for load in loads)
        return {"times": times, "once": once["requests"] + once["failed"], "once_failed": once["failed"],
                "kept": kept["requests"] + kept["failed"], "kept_failed": kept["failed"] + kept["reconnects"],
                "downloads": sum(each.begun for each in downloads), "cut": sum(each.cut for each in downloads),
                "longest_wait_us": max(once["longest_wait_us"], kept["longest_wait_us"])}


class Downloads(threading.Thread):
    """A client that takes the large file again and again, at its rate, until it is time."""

    def __init__(self, port, ends):
        super().__init__()
        self.port, self.ends, self.begun, self.cut = port, ends, 0, 0

    def run(self):
        while time.monotonic() < self.ends - LARGE_FILE_BYTES / DOWNLOAD_RATE:
            self.begun += 1
            self.cut += not self.take()

    def take(self):
        piece, began, got = 1 << 16, time.monotonic(), 0
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/large.bin", headers={"Connection": "close"})
            answer = connection.getresponse()
            while data := answer.read(piece):
                got += len(data)
                time.sleep(max(0.0, began + got / DOWNLOAD_RATE - time.monotonic()))
        return got == LARGE_FILE_BYTES


def table(title, results, absent):
    lines = ["", title, HEAD]
    for name, measured in results.items():
        one = {metric: values[0] for metric, values in measured.items()}
        whole = [figure(one[metric], width, 0) for metric, width in
                 (("times", 5), ("once", 7), ("once_failed", 6), ("kept", 6), ("kept_failed", 6), ("downloads", 5), ("cut", 4))]
        lines.append(f"{name:22} {' '.join(whole)} {figure(one['longest_wait_us'] / 1e6, 7, 2)}")
    lines.append("of the kept, a connection that ended under its client has failed, too")
    for name, why in absent.items():
        lines += textwrap.wrap(f"{name}: {why}", 80, subsequent_indent="    ")
    return "\n".join(lines)
