"""The case idle: many silent clients, and what they cost the server and those who are active."""

import textwrap
import time
from statistics import median

from table import figure

CLIENTS = 10_000
ACTIVE = ("--keep-alive", "--concurrency", "16", "--source", "127.0.0.2")
ACTIVE_RATE = 2_000
ACTIVE_TIMEOUT = 2
ACTIVE_S = QUIET_S = 1.5  # Both are over before a server with a time-out of 5 s tires of its idle clients.

HEAD = f"""\
                     of {CLIENTS:,}  active client's p99  CPU % of them KiB for each
                          kept   alone  beside     x master   tree master   tree"""


class Idle:
    def __init__(self, client):
        self.client, self.before = client, {}

    def measure(self, server):
        """One round, as a dict of numbers; memory is compared with what the first round found."""
        url = server.url + "/small.txt"
        alone = self.client.visit(url, ACTIVE_S, ACTIVE_RATE, ACTIVE_TIMEOUT, *ACTIVE)
        rss_before, pss_before = self.before.setdefault(server, (server.master_rss_kb(), server.pss_kb()))
        with self.client.idle(url, CLIENTS) as counts:
            began, master, tree = time.monotonic(), server.master_cpu_us(), server.cpu_us()
            time.sleep(QUIET_S)
            passed_us = (time.monotonic() - began) * 1e6
            master, tree = server.master_cpu_us() - master, server.cpu_us() - tree
            rss, pss = server.master_rss_kb() - rss_before, server.pss_kb() - pss_before
            beside = self.client.visit(url, ACTIVE_S, ACTIVE_RATE, ACTIVE_TIMEOUT, *ACTIVE)
        kept = counts["undisturbed"]
        return {"kept": kept, "alone_p99_us": alone["p99_us"], "beside_p99_us": beside["p99_us"],
                "master_cpu_percent": master / passed_us * 100, "tree_cpu_percent": tree / passed_us * 100,
                "master_kib_each": rss / max(1, kept), "tree_kib_each": pss / max(1, kept),
                "errors": alone["unanswered"] + beside["unanswered"]}


def slowdown(measured):
    return median(beside / alone for alone, beside in zip(measured["alone_p99_us"], measured["beside_p99_us"]))


def table(title, results, absent):
    lines = ["", title, HEAD]
    for name, measured in results.items():
        alone, beside = (median(measured[metric]) / 1000 for metric in ("alone_p99_us", "beside_p99_us"))
        kept_all = min(measured["kept"]) >= CLIENTS
        costs = " ".join(figure(median(measured[f"{of}_{what}"]) if kept_all else None, 6)
                         for what in ("cpu_percent", "kib_each") for of in ("master", "tree"))
        lines.append(f"{name:22} {figure(min(measured['kept']), 7, 0)} {figure(alone, 7)} {figure(beside, 7)} "
                     f"{figure(slowdown(measured), 5)} {costs}")
    lines += [f"{name}: {sum(measured['errors']):,} of the active client's requests unanswered"
              for name, measured in results.items() if any(measured["errors"])]
    lines.append("p99 in ms; unanswered requests count in it as their time-out; CPU and memory are\n"
                 "only compared where all clients were kept")
    for name, why in absent.items():
        lines += textwrap.wrap(f"{name}: {why}", 80, subsequent_indent="    ")
    return "\n".join(lines)
