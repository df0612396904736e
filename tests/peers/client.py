"""The client of all servers: `bullpen load`."""

import json
import subprocess
from pathlib import Path

KEPT_CONNECTIONS = 64


class Client:
    def __init__(self, program, home, concurrency):
        self.program, self.home, self.concurrency = program, Path(home), concurrency

    def load(self, server, case, paths, seconds):
        """What the client saw, as a dict of numbers; of two paths the first is 99 % of the requests, and the
        latency is that of its answers. ValueError if there were none."""
        result = self.home / f"{server.port}.json"
        result.unlink(missing_ok=True)
        command = [self.program, "load", server.url + paths[0], "--duration", str(seconds), "--json", str(result),
                   "--concurrency", str(KEPT_CONNECTIONS if case == "keep-alive" else self.concurrency)]
        if case == "keep-alive":
            command.append("--keep-alive")
        if len(paths) > 1:
            fast, slow = paths
            requests = self.home / f"{server.port}.requests"
            requests.write_text(f"{fast} weight=99 class=fast\n{slow} weight=1 class=slow\n")
            command += ["--request-file", str(requests)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 2 + 30, check=False)
        seen = json.loads(result.read_text()) if result.exists() else {}
        if not seen.get("requests"):
            raise ValueError((done.stderr.strip().splitlines() or ["it answered nothing"])[-1])
        latency = (seen["classes"]["fast"] if len(paths) > 1 else seen)["latency_us"]
        return {"requests": seen["requests"], "requests_per_s": seen["requests_per_s"], "p50_us": latency["p50"],
                "p99_us": latency["p99"], "errors": seen["failed"], "connections": seen["connections"],
                "client_cpu_s": seen["client_cpu_s"]}
