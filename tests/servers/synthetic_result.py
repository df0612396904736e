"""A result of `bullpen compare --json` that nobody measured: as many models, workloads and runs as a test needs."""

import math

MODELS = ["iterative", "fork", "thread", "prefork-accept", "prefork-lock", "prefork-reuseport", "prefork",
          "prefork-threads", "prethread", "prethread-accept", "event", "prefork-event", "inetd"]
WORKLOADS = ["short", "keep-alive", "skewed", "cpu", "io", "large", "slow"]
QUANTILES = [i / 100 for i in range(1, 91)] + [1 - 10 ** -(1 + i / 10) for i in range(1, 41)] + [1]


def latency_us(place, quantile, noise):
    """Models part in the tail."""
    tail = -math.log10(max(1e-6, 1 - quantile))
    return (90 + 25 * place) * (1 + 0.5 * quantile + tail * (0.4 + 0.11 * (place % 5))) * noise


def run(place, number, workers):
    noise = 1 + 0.01 * ((number * 7 + place * 3) % 5)
    requests = round(100_000 / (1 + place * 0.35) / noise)
    at = lambda quantile: latency_us(place, quantile, noise)
    summary = {"mean_us": at(0.5), "p50_us": at(0.5), "p90_us": at(0.9), "p99_us": at(0.99), "p999_us": at(0.999),
               "max_us": at(0.99999)}
    usage = {"user_s": requests * 2e-6 * (1 + place), "system_s": requests * 8e-6 * (1 + place / 2) * noise,
             "voluntary_switches": requests * (place % 3), "involuntary_switches": requests // 10}
    shares = [round(requests * 2 ** -(slot / (1 + place))) for slot in range(1 if place == 0 else workers)]
    return {"connections": requests, "requests": requests, "reconnects": 0, "other_requests": 500, "cut_short": False,
            "errors": [{"name": "reset", "count": 3}] if place == 4 else [],
            "latency": [{"name": "all", "requests": requests, "summary": summary,
                         "distribution": [{"quantile": q, "us": at(q)} for q in QUANTILES]}],
            "wall_s": 2.0, "client_cpu_s": 1.0, "machine_busy": 0.6, "server": usage,
            "start_stop": {"user_s": 0.0, "system_s": 0.0, "voluntary_switches": 0, "involuntary_switches": 0},
            "memory": {"master_kb": 900 + number, "workers_kb": 250 * workers * (place % 4 + 1), "workers": workers},
            "connections_by_slot": shares, "lost": 0, "unaccounted": 0}


def workload(name):
    return {"name": name, "service": "work", "path": "/bytes/128", "answer_bytes": 128, "concurrency": 16,
            "requests_per_connection": 100 if name == "keep-alive" else 1, "rate": 0.0, "connections": 0,
            "duration_s": 2.0, "rare_path": "/sleep/20" if name == "skewed" else "",
            "rare_share": 0.01 if name == "skewed" else 0.0, "send_over_ms": 100 if name == "slow" else 0}


def comparison(models=MODELS, workloads=WORKLOADS, repeat=3, workers=8):
    return {"schema": 1, "began": "2026-11-21T12:00:00Z", "version": "0.1.0",
            "command": "bullpen compare --workload all", "workers": workers, "repeat": repeat, "interrupted": False,
            "machine": {"kernel": "Linux 6.1.0", "processor": "A <processor> & more", "cpus": 2, "memory_mib": 4096},
            "workloads": [{"workload": workload(name), "left_out": [],
                           "measurements": [{"model": model, "failure": "",
                                             "worker_per_client": model in ("fork", "thread", "inetd"),
                                             "runs": [run(place, number, workers) for number in range(repeat)]}
                                            for place, model in enumerate(models)]}
                          for name in workloads]}


def transports():
    """Of the workload transports."""
    made = comparison(models=["tcp-kept", "tcp-each", "udp", "unix-kept", "unix-each", "unixgram"], workloads=["transports"])
    [result] = made["workloads"]
    result["workload"] |= {"transport": "all", "model": "prefork", "service": "echo", "requests_per_connection": 100, "idle": 0}
    for measurement in result["measurements"]:
        for each in measurement["runs"]:
            each["datagrams"] = dict.fromkeys(("sent", "retransmissions", "answers", "dropped"), 0)
            if measurement["model"] in ("udp", "unixgram"):
                each["datagrams"] |= {"sent": each["requests"] + 9, "retransmissions": 9, "answers": each["requests"]}
    result["full_buffers"] = [{"transport": name, "first_read": 3, "sent": 10_000, "would_block": name != "udp",
                               "waits": name != "udp", "received": 157, "dropped": 9_843}
                              for name in ("tcp", "udp", "unix", "unixgram")]
    return made
