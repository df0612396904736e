#!/usr/bin/env python3
"""The real program's metrics, as promtool, a real Prometheus and rude clients meet them."""

import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from harness import TOP, Bullpen, end_with, free_port, title, total, wait_until

SHIPPED = TOP / "deploy/prometheus"
PATIENCE_S = 60


def get(port, path, timeout=PATIENCE_S):
    """The status and the text, whatever the status is."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def exporter_of(server):
    """The pid of the process called "bullpen: metrics"; None between two of them."""
    children = pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return next((int(child) for child in children if title(child).startswith("bullpen: metrics")), None)


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


class Text(unittest.TestCase):
    def test_promtool_has_nothing_to_say_against_a_real_scrape(self):
        with Bullpen("echo") as server:
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(b"hello")
                self.assertEqual(client.recv(5), b"hello")
            _, text = get(server.metrics_port, "/metrics")
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))

    def test_counts_slots_and_histograms_agree_once_all_connections_have_ended(self):
        with Bullpen("echo") as server:
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", server.port)) as client:
                    client.sendall(b"hello")
                    client.shutdown(socket.SHUT_WR)
                    self.assertEqual(client.recv(5), b"hello")
                    self.assertEqual(client.recv(1), b"")

            def finished():
                samples = server.metrics()
                return samples if total(samples, "bullpen_slot_connections_total") == 20 else None

            samples = wait_until(finished, "the end of all connections")
        self.assertEqual(total(samples, "bullpen_connections_accepted_total"), 20)
        self.assertEqual(total(samples, "bullpen_connections_completed_total", outcome="ok"), 20)
        self.assertEqual(total(samples, "bullpen_service_seconds_count"), 20)
        self.assertEqual(total(samples, "bullpen_queue_wait_seconds_count"), 20)
        self.assertEqual(total(samples, "bullpen_connections_in_flight"), 0)


class ShippedFiles(unittest.TestCase):
    def test_promtool_accepts_the_configuration_with_its_rules(self):
        checked = subprocess.run(
            ["promtool", "check", "config", SHIPPED / "prometheus.yml"], text=True, capture_output=True
        )
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.assertIn("1 rule files found", checked.stdout)

    def test_a_real_prometheus_with_the_shipped_configuration_scrapes_and_evaluates_the_rules(self):
        with Bullpen("echo", "--workers", "3") as server, tempfile.TemporaryDirectory() as home:
            for file in SHIPPED.glob("*.yml"):
                shutil.copy(file, home)
            config = pathlib.Path(home) / "prometheus.yml"
            shipped = config.read_text()
            self.assertEqual(shipped.count("127.0.0.1:9464"), 1)
            config.write_text(shipped.replace("127.0.0.1:9464", f"127.0.0.1:{server.metrics_port}"))
            port = free_port()
            prometheus = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={config}",
                    f"--storage.tsdb.path={home}/data",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                preexec_fn=end_with(os.getpid()),
            )
            try:

                def query(expression):
                    url = "/api/v1/query?query=" + urllib.request.quote(expression)
                    try:
                        status, text = get(port, url)
                    except OSError:
                        return None  # It is still starting.
                    result = json.loads(text)["data"]["result"] if status == 200 else []
                    return float(result[0]["value"][1]) if result else None

                def rules():
                    groups = json.loads(get(port, "/api/v1/rules")[1])["data"]["groups"]
                    found = [rule for group in groups for rule in group["rules"]]
                    return None if any(rule["health"] == "unknown" for rule in found) else found

                wait_until(lambda: query('up{job="bullpen"}') is not None, "a first scrape", PATIENCE_S)
                self.assertEqual(query('up{job="bullpen"}'), 1)
                self.assertEqual(query("bullpen_workers_max"), 3)
                evaluated = wait_until(rules, "all rules evaluated", PATIENCE_S)
                self.assertGreater(len(evaluated), 6)
                self.assertEqual([rule for rule in evaluated if rule["health"] != "ok"], [])
            finally:
                prometheus.kill()
                prometheus.wait()


class Exporter(unittest.TestCase):
    def test_it_is_restarted_when_it_is_killed_and_no_scrape_is_lost(self):
        with Bullpen("echo") as server:
            for _ in range(3):
                before = wait_until(lambda: exporter_of(server), "an exporter")
                os.kill(before, signal.SIGKILL)
                self.assertEqual(get(server.metrics_port, "/healthz"), (200, "ok\n"))
                self.assertNotEqual(exporter_of(server), before)

    def test_it_answers_while_the_pool_is_saturated(self):
        with Bullpen("echo", "--workers", "1", "--queue-ahead", "0") as server:
            at = ("127.0.0.1", server.port)
            with socket.create_connection(at) as served, socket.create_connection(at):
                served.sendall(b"x")
                self.assertEqual(served.recv(1), b"x")
                listener = f"127.0.0.1:{server.port}"
                wait_until(
                    lambda: server.total("bullpen_listen_queue_length", listener=listener) == 1,
                    "the second client in the kernel's queue",
                )
                wait_until(lambda: server.total("bullpen_saturated_seconds_total") > 0, "saturated time")
                samples = server.metrics()
                self.assertEqual(total(samples, "bullpen_workers", state="busy"), 1)
                self.assertEqual(total(samples, "bullpen_workers", state="idle"), 0)
                self.assertEqual(total(samples, "bullpen_connections_in_flight", where="begun"), 1)
                self.assertEqual(get(server.metrics_port, "/healthz")[0], 200)
                self.assertEqual(get(server.metrics_port, "/readyz")[0], 200)

    def test_silent_clients_delay_no_scrape(self):
        with Bullpen("echo") as server:
            silent = [socket.create_connection(("127.0.0.1", server.metrics_port)) for _ in range(10)]
            self.assertEqual(get(server.metrics_port, "/metrics")[0], 200)
            silent += [socket.create_connection(("127.0.0.1", server.metrics_port)) for _ in range(500)]
            self.assertEqual(get(server.metrics_port, "/metrics")[0], 200)
            for client in silent:
                client.close()

    def test_readiness_follows_the_model(self):
        for model in ("iterative", "fork", "prefork"):
            with self.subTest(model=model), Bullpen("echo", "--model", model) as server:
                wait_until(lambda: get(server.metrics_port, "/readyz") == (200, "ok\n"), "ready")

    def test_a_pool_that_stops_is_not_ready_but_healthy(self):
        with Bullpen("echo") as server:
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(b"x")
                self.assertEqual(client.recv(1), b"x")
                os.kill(server.pid, signal.SIGTERM)
                draining = (503, "Pool default is draining.\n")
                wait_until(lambda: get(server.metrics_port, "/readyz") == draining, "draining")
                self.assertEqual(get(server.metrics_port, "/healthz")[0], 200)
            self.assertEqual(server.wait(), 0)


class WithoutDescriptors(unittest.TestCase):
    """With the optimised program: UBSan's check of virtual tables needs descriptors itself."""

    def start(self):
        program = os.environ.get("BULLPEN_OPTIMISED", "")
        if not os.access(program, os.X_OK):
            self.skipTest("there is no optimised build")
        server = self.enterContext(Bullpen("echo", program=program))
        self.assertEqual(get(server.metrics_port, "/healthz")[0], 200)
        return server, exporter_of(server)

    def test_it_makes_room_by_closing_silent_clients(self):
        server, exporter = self.start()
        resource.prlimit(exporter, resource.RLIMIT_NOFILE, (30, 30))
        silent = [socket.create_connection(("127.0.0.1", server.metrics_port)) for _ in range(60)]
        self.assertEqual(get(server.metrics_port, "/metrics")[0], 200)
        for client in silent:
            client.close()

    def test_it_waits_without_spinning_and_goes_on_when_there_is_one(self):
        server, exporter = self.start()
        before = resource.prlimit(exporter, resource.RLIMIT_NOFILE)
        resource.prlimit(exporter, resource.RLIMIT_NOFILE, (3, before[1]))
        with socket.create_connection(("127.0.0.1", server.metrics_port)) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            ticks = cpu_ticks(exporter)
            time.sleep(1)
            self.assertLess(cpu_ticks(exporter) - ticks, 0.2 * os.sysconf("SC_CLK_TCK"))
            client.setblocking(False)
            self.assertRaises(BlockingIOError, client.recv, 1)
            resource.prlimit(exporter, resource.RLIMIT_NOFILE, before)
            client.settimeout(PATIENCE_S)
            self.assertTrue(client.recv(1000).startswith(b"HTTP/1.1 200 "))


if __name__ == "__main__":
    unittest.main()
