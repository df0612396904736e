"""The client of all servers: `bullpen load`."""

import json
import subprocess
from pathlib import Path

KEPT_CONNECTIONS = 64


class Client:
    def __init__(self, program, home, concurrency):
        self.program, self.home, self.concurrency = program, Path(home), concurrency

    def load(self, server, case, seconds):
        """What the client saw, as a dict of numbers; the latency is of the fast class. ValueError if it fails."""
        result = self.home / f"{server.port}.json"
        command = [self.program, "load", server.url, "--duration", str(seconds), "--json", str(result),
                   "--concurrency", str(KEPT_CONNECTIONS if case == "keep-alive" else self.concurrency)]
        if case == "keep-alive":
            command.append("--keep-alive")
        if case == "skewed":
            command += ["--request-file", str(self._requests(server))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 2 + 30, check=False)
        if done.returncode != 0 or not result.exists():
            raise ValueError((done.stderr.strip().splitlines() or ["bullpen load failed"])[-1])
        seen = json.loads(result.read_text())
        latency = seen["classes"]["fast"]["latency_us"] if case == "skewed" else seen["latency_us"]
        return {"requests_per_s": seen["requests_per_s"], "p50_us": latency["p50"], "p99_us": latency["p99"],
                "errors": seen["errors"], "client_cpu_s": seen["client_cpu_s"], "requests": seen["requests"]}

    def _requests(self, server):
        file = self.home / f"{server.port}.requests"
        file.write_text("")
        return file
