"""The results as text of 80 columns."""

import textwrap
from statistics import median

HEAD = """\
                        requests           p50      p99   CPU µs          PSS
                            /s  ÷nginx      ms       ms     each  ÷nginx   MB"""


def figure(value, width, digits=3):
    """A number with as many digits as matter; "-" if there is none."""
    if value is None:
        return f"{'-':>{width}}"
    decimals = max(0, digits - len(str(int(value)))) if value >= 1 else digits
    return f"{value:{width},.{decimals}f}"


def line(name, measured, base):
    def shown(metric, scale=1.0):
        return median(measured[metric]) / scale

    def beside(metric):
        if not base or not median(base[metric]):
            return None
        return median(one / two for one, two in zip(measured[metric], base[metric]) if two)

    return (f"{name:25}{figure(shown('requests_per_s'), 7, 0)} {figure(beside('requests_per_s'), 6)} "
            f"{figure(shown('p50_us', 1000), 8)} {figure(shown('p99_us', 1000), 8)} {figure(shown('cpu_us'), 8)} "
            f"{figure(beside('cpu_us'), 6)} {figure(shown('pss_kb', 1000), 5, 2)}")


def of_case(title, results, absent):
    """results: {peer: {metric: [of each round]}}; absent: {peer: why}."""
    lines = ["", title, HEAD]
    lines += [line(name, measured, results.get("nginx")) for name, measured in results.items()]
    if "nginx" in results:
        rates = results["nginx"]["requests_per_s"]
        lines.append(f"nginx's rounds, to judge the noise: {min(rates):,.0f} to {max(rates):,.0f} requests/s")
    lines += [f"{name}: {sum(measured['errors']):,} errors" for name, measured in results.items()
              if any(measured["errors"])]
    for name, measured in results.items():
        if (waited_s := max(measured.get("longest_wait_us", [0])) / 1e6) > 1:
            lines.append(f"{name}: the longest wait was {waited_s:.1f} s")
    for name, why in absent.items():
        lines += textwrap.wrap(f"{name}: {why}", 80, subsequent_indent="    ")
    return "\n".join(lines)
