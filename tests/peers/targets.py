"""What is asked of Bullpen beside its peers, and of its crowds of clients, of what was measured."""

from dataclasses import dataclass
from statistics import median
from typing import Callable

import idle
from slow import ATTACKS

PREFORK = "bullpen/prefork"
OF_A_FILE = "bullpen/prefork-of-a-file"
LIMITED = "bullpen/prefork+limit"


@dataclass(frozen=True)
class Target:
    says: str
    unit: str
    at_least: bool
    limit: float
    measured: Callable


def ratio(results, case, metric, peer, other):
    """The median of the rounds' ratios: the two were measured in turns."""
    pairs = zip(results[case][peer][metric], results[case][other][metric])
    return median(one / two for one, two in pairs)


def of(case, metric, peer, other):
    return lambda results: ratio(results, case, metric, peer, other)


def per_idle_worker_kb(results):
    few, many = (median(results["pool"][f"bullpen/prefork-of-{workers}"]["pss_kb"]) for workers in (2, 64))
    return (many - few) / 62


def worst(case, metric, scale=1.0, peer=PREFORK):
    return lambda results: max(results[case][peer][metric]) / scale


def longest(metrics, scale, peer):
    """Of several of the case slow."""
    return lambda results: max(max(results["slow"][peer][metric]) for metric in metrics) / scale


def spread(case, peer):
    """p99 beside p50."""
    return lambda results: median(p99 / p50 for p99, p50 in
                                  zip(results[case][peer]["p99_us"], results[case][peer]["p50_us"]))


def beside_idle(measured):
    """Of bullpen/prefork in the case idle. A server that doesn't keep all of them is not cheap but absent."""
    def of_results(results):
        found = results["idle"][PREFORK]
        return measured(found) if min(found["kept"]) >= idle.CLIENTS else float("inf")
    return of_results


def at_least(limit, says, measured, unit="x"):
    return Target(says, unit, True, limit, measured)


def at_most(limit, says, measured, unit="x"):
    return Target(says, unit, False, limit, measured)


def failures(measured):
    """Of deaths, reloads and upgrades."""
    return sum(max(measured[metric]) for metric in ("once_failed", "kept_failed", "cut"))


TARGETS = (
    at_least(1.0, "short: prefork's connections/s beside nginx's",
             of("short", "requests_per_s", "bullpen/prefork", "nginx")),
    at_most(1.3, "short: prefork's CPU per connection beside nginx's",
            of("short", "cpu_us", "bullpen/prefork", "nginx")),
    at_most(1.2, "the same, both with an open-file cache",
            of("short", "cpu_us", "bullpen/prefork+file-cache", "nginx/file-cache")),
    at_least(3.0, "short: prefork's connections/s beside Node cluster's",
             of("short", "requests_per_s", "bullpen/prefork", "node/cluster")),
    at_most(0.95, "short: prefork-accept's CPU beside nginx's",
            of("short", "cpu_us", "bullpen/prefork-accept", "nginx")),
    at_least(1.2, "keep-alive: prefork's requests/s beside nginx's",
             of("keep-alive", "requests_per_s", "bullpen/prefork", "nginx")),
    at_most(1.2, "keep-alive: prefork's p99 beside nginx's",
            of("keep-alive", "p99_us", "bullpen/prefork", "nginx")),
    at_most(1.2, "skewed: prefork's p99 beside prefork-accept's",
            of("skewed", "p99_us", "bullpen/prefork", "bullpen/prefork-accept")),
    at_most(1.2, "the same beside that of a bare handoff", of("skewed", "p99_us", "bullpen/prefork", "bare/handoff")),
    at_least(3.0, "short: the superserver's connections/s beside xinetd's",
             of("short", "requests_per_s", "bullpen/superserver", "xinetd")),
    at_least(2.0, "the same beside openbsd-inetd's",
             of("short", "requests_per_s", "bullpen/superserver", "openbsd-inetd")),
    at_least(0.85, "the same beside a bare loop of vfork and execve",
             of("short", "requests_per_s", "bullpen/superserver", "bare/superserver")),
    at_most(0.125, "skewed: prefork's p99 beside prefork-reuseport's",
            of("skewed", "p99_us", "bullpen/prefork", "bullpen/prefork-reuseport")),
    at_most(250, "PSS of an idle worker of 64", per_idle_worker_kb, " kB"),
    at_most(1.2, "CPU per connection with 1,000 workers beside 10's",
            of("pool", "cpu_us", "bullpen/prefork-of-1000", "bullpen/prefork-of-10")),
    at_least(idle.CLIENTS, "idle: clients that are kept", lambda results: min(results["idle"][PREFORK]["kept"]), ""),
    at_most(1.5, "idle: an active client's p99 beside that without them", beside_idle(idle.slowdown)),
    at_most(1, "idle: the master's CPU for all of them", beside_idle(lambda of: median(of["master_cpu_percent"])), " %"),
    at_most(1, "idle: the master's memory for each", beside_idle(lambda of: max(of["master_kib_each"])), " KiB"),
    at_least(1.0, "busy: prefork's requests/s beside nginx's", of("busy", "requests_per_s", PREFORK, "nginx")),
    at_most(1.1, "busy: prefork's CPU per request beside nginx's", of("busy", "cpu_us", PREFORK, "nginx")),
    at_most(3, "busy: prefork's p99 beside its p50", spread("busy", PREFORK)),
    at_most(1, "busy: prefork's longest wait, answered or not", worst("busy", "longest_wait_us", 1e6), " s"),
    at_most(0, "busy: prefork's errors", worst("busy", "errors"), ""),
    at_most(0, "steady: prefork's errors", worst("steady", "errors"), ""),
    at_most(0, "deaths: clients that failed", lambda results: failures(results["deaths"][PREFORK]), ""),
    at_most(0, "reloads: clients that failed", lambda results: failures(results["reloads"][OF_A_FILE]), ""),
    at_most(0, "upgrades: clients that failed", lambda results: failures(results["upgrades"][OF_A_FILE]), ""),
    *(at_most(250, f"slow {attack}: a normal client's p99", worst("slow", f"{attack}_p99_us", 1000), " ms")
      for attack in ATTACKS),
    at_most(0, "slow: workers that died", worst("slow", "deaths"), ""),
    at_most(250, "slow, with a limit per source: the worst p99",
            longest([f"{attack}_p99_us" for attack in ATTACKS], 1000, LIMITED), " ms"),
    at_most(0, "slow, with a limit per source: workers that died", worst("slow", "deaths", peer=LIMITED), ""),
)


def verdict(target, results):
    """One line of at most 80 columns, or None if it was not measured."""
    wanted = f"{'>=' if target.at_least else '<='} {target.limit:g}{target.unit}"
    try:
        value = target.measured(results)
    except (KeyError, ZeroDivisionError):
        return None
    met = value >= target.limit if target.at_least else value <= target.limit
    shown = f"{value:.0f}" if value >= 100 else f"{value:.2f}"
    return f"{target.says:53} {wanted:>9} {shown:>7}  {'met' if met else 'MISSED'}"
