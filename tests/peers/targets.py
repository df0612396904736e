"""What issue 3 asks of Bullpen beside its peers, as ratios of what was measured."""

from dataclasses import dataclass
from statistics import median
from typing import Callable


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


def at_least(limit, says, measured, unit="x"):
    return Target(says, unit, True, limit, measured)


def at_most(limit, says, measured, unit="x"):
    return Target(says, unit, False, limit, measured)


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
    at_most(0.125, "skewed: prefork's p99 beside prefork-reuseport's",
            of("skewed", "p99_us", "bullpen/prefork", "bullpen/prefork-reuseport")),
    at_most(250, "PSS of an idle worker of 64", per_idle_worker_kb, " kB"),
    at_most(1.2, "CPU per connection with 1,000 workers beside 10's",
            of("pool", "cpu_us", "bullpen/prefork-of-1000", "bullpen/prefork-of-10")),
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
