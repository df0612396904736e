"""The comparison with other servers: what it says and decides, without running any of them."""

import os
import resource
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PEERS = Path(__file__).resolve().parent
sys.path.insert(0, str(PEERS))
import descriptors  # noqa: E402
import disturbances  # noqa: E402
import idle  # noqa: E402
import slow  # noqa: E402
from client import p99_of_all  # noqa: E402
from configured import HERE, configure  # noqa: E402
from peers import CASES, CONNECTIONS, DISTURBANCES, PEERS as ENTRIES, USUAL_CASES, WORKERS  # noqa: E402
from table import of_case  # noqa: E402
from targets import TARGETS, at_least, at_most, of, verdict  # noqa: E402


def run(*arguments):
    return subprocess.run([str(PEERS / "run"), *arguments], capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "COLUMNS": "80"})


def names_in(listed):
    return [line.split()[0] for line in listed.splitlines() if not line.startswith(" ")]


def measured(value=1000.0, **more):
    metrics = ("requests_per_s", "p50_us", "p99_us", "cpu_us", "pss_kb", "errors", "longest_wait_us")
    return {metric: [more.get(metric, value)] * 3 for metric in metrics}


def measured_idle(**more):
    of = {"kept": idle.CLIENTS, "alone_p99_us": 100.0, "beside_p99_us": 120.0, "master_cpu_percent": 0.5,
          "tree_cpu_percent": 0.7, "master_kib_each": 0.9, "tree_kib_each": 1.0, "errors": 0}
    return {metric: [more.get(metric, value)] * 3 for metric, value in of.items()}


def measured_slow(p99_us=1000.0):
    of_attack = {"p99_us": p99_us, "unanswered": 250, "attackers": 1_000}
    return {"alone_p99_us": [p99_us], "deaths": [16]} | {
        f"{attack}_{metric}": [value] for attack in slow.ATTACKS for metric, value in of_attack.items()}


def measured_deaths(**more):
    of = {"times": 91, "once": 252_700, "once_failed": 0, "kept": 25_000, "kept_failed": 0, "downloads": 90, "cut": 0,
          "longest_wait_us": 41_000.0}
    return {metric: [more.get(metric, value)] for metric, value in of.items()}


MEASURED = {**dict.fromkeys(DISTURBANCES, measured_deaths), "idle": measured_idle, "slow": measured_slow}


class Run(unittest.TestCase):
    def test_lists_its_peers_without_installing_anything(self):
        listed = run("--list")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertEqual(names_in(listed.stdout), [peer.name for peer in ENTRIES])
        self.assertLessEqual(max(map(len, listed.stdout.splitlines())), 80)

    def test_a_name_selects_its_variants_too(self):
        self.assertEqual(names_in(run("--list", "nginx").stdout), ["nginx", "nginx/file-cache"])

    def test_the_help_fits_80_columns(self):
        self.assertLessEqual(max(map(len, run("--help").stdout.splitlines())), 80)

    def test_what_it_doesnt_know_is_named(self):
        for arguments, said in ((("ngnix",), "ngnix"), (("--cases", "shrot"), "shrot"), (("--repeat", "0"), "--repeat")):
            refused = run(*arguments)
            self.assertEqual(refused.returncode, 2)
            self.assertIn(said, refused.stderr)

    def test_each_peers_configuration_can_be_filled_in(self):
        names = ("port", "root", "case", "workers", "threads", "user", "group", "invoker", "respond", "connections")
        for peer in ENTRIES:
            with self.subTest(peer=peer.name), tempfile.TemporaryDirectory() as temporary:
                home = Path(temporary, "home")
                configure(home, peer.folders, {"home": home, **{name: f"<{name}>" for name in names}})
                self.assertEqual(len(list(home.iterdir())), sum(len(list((HERE / f).iterdir())) for f in peer.folders))
                self.assertLessEqual(set(peer.cases), set(CASES))

    def test_a_table_fits_80_columns(self):
        results = {peer.name: measured(98_765.0, requests_per_s=987_654.0) for peer in ENTRIES}
        text = of_case("short", results, {"node/cluster": "skipped: " + "because " * 20})
        self.assertLessEqual(max(map(len, text.splitlines())), 80)

    def test_the_tables_of_crowds_fit_80_columns(self):
        absent = {"node/cluster": "skipped: " + "because " * 20}
        names = [peer.name for peer in ENTRIES if {"idle", "slow", "deaths"} & set(peer.cases)]
        for text in (idle.table("idle", {name: measured_idle(kept=9_999, errors=123_456) for name in names}, absent),
                     slow.table("slow", {name: measured_slow(4e6) for name in names}, absent),
                     slow.table("slow", {name: measured_slow(4e6 / 7000) for name in names}, absent),
                     disturbances.table("deaths", {name: measured_deaths(once_failed=99_999, kept_failed=99_999)
                                             for name in names}, absent)):
            self.assertLessEqual(max(map(len, text.splitlines())), 80, text)

    def test_what_idle_clients_cost_is_shown_where_all_were_kept(self):
        self.assertIn(" 0.900 ", idle.table("idle", {"bullpen": measured_idle()}, {}))
        self.assertNotIn(" 0.900 ", idle.table("idle", {"bullpen": measured_idle(kept=9_999)}, {}))

    def test_a_starved_client_is_told_of(self):
        text = of_case("busy", {"nginx": measured(longest_wait_us=0.9e6), "bullpen": measured(longest_wait_us=3e6)}, {})
        self.assertIn("bullpen: the longest wait was 3.0 s", text)
        self.assertNotIn("nginx: the longest", text)

    def test_each_case_has_what_it_needs(self):
        self.assertEqual(set(WORKERS), set(CASES))
        self.assertEqual(set(USUAL_CASES), set(CASES) - {"slow", *DISTURBANCES})
        self.assertGreater(CONNECTIONS["idle"], idle.CLIENTS)
        self.assertGreater(descriptors.NEEDED["idle"], idle.CLIENTS)


class Unanswered(unittest.TestCase):
    seen = {"requests": 100, "failed": 0, "latency_distribution": [[0, 1], [0.5, 5], [0.99, 7], [0.995, 8], [1, 9]]}

    def test_p99_is_that_of_the_answers_if_all_were_answered(self):
        self.assertEqual(p99_of_all(self.seen, 1000), 7)

    def test_a_request_that_was_not_answered_is_slower_than_all(self):
        self.assertEqual(p99_of_all({**self.seen, "requests": 1000, "failed": 5}, 1000), 8)  # 995th of 1005.
        self.assertEqual(p99_of_all({**self.seen, "failed": 1}, 1000), 9)
        self.assertEqual(p99_of_all({**self.seen, "failed": 2}, 1000), 1000)
        self.assertEqual(p99_of_all({"requests": 0, "failed": 5, "latency_distribution": []}, 1000), 1000)


class Attack(unittest.TestCase):
    def test_the_most_attackers_at_once_are_read_from_slowhttptests_statistics(self):
        head = "Seconds,Closed,Pending,Connected,Service Available\n"
        self.assertEqual(slow.most_connected(head + "0,0,1,0,50\n1,0,0,950,50\n2,400,0,600,0\n"), 950)
        self.assertEqual(slow.most_connected(head), 0)


class Descriptors(unittest.TestCase):
    def setUp(self):
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))

    def test_a_case_has_as_many_as_it_needs_while_it_runs(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        with descriptors.enough("short"):
            self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 256)
        if not descriptors.lacking("busy"):
            with descriptors.enough("busy"):
                self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE)[0], descriptors.NEEDED["busy"])
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (256, hard))

    def test_what_is_lacking_is_said(self):
        asked = "import descriptors, resource; resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99)); " \
                "print(descriptors.lacking('idle'), descriptors.lacking('short'))"
        said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, cwd=PEERS, check=True).stdout
        self.assertEqual(said, "needs 12,000 descriptors a process; ulimit -Hn is 99 None\n")


class Targets(unittest.TestCase):
    results = {"short": {"nginx": measured(100.0), "bullpen/prefork": measured(120.0)}}

    def test_a_ratio_is_met_from_its_limit_on(self):
        for target, met in ((at_least(1.2, "", of("short", "cpu_us", "bullpen/prefork", "nginx")), True),
                            (at_least(1.3, "", of("short", "cpu_us", "bullpen/prefork", "nginx")), False),
                            (at_most(1.2, "", of("short", "cpu_us", "bullpen/prefork", "nginx")), True),
                            (at_most(1.1, "", of("short", "cpu_us", "bullpen/prefork", "nginx")), False)):
            self.assertTrue(verdict(target, self.results).endswith(" met" if met else "MISSED"))

    def test_a_server_that_drops_its_idle_clients_meets_nothing(self):
        cheap = {"idle": {"bullpen/prefork": measured_idle(kept=9_999)}}
        kept = {"idle": {"bullpen/prefork": measured_idle()}}
        of_idle = [target for target in TARGETS if target.says.startswith("idle")]
        self.assertEqual(len(of_idle), 4)
        for target in of_idle:
            self.assertTrue(verdict(target, cheap).endswith("MISSED"), target.says)
            self.assertTrue(verdict(target, kept).endswith(" met"), target.says)

    def test_the_worst_of_all_rounds_and_attacks_counts(self):
        starved = {"busy": {"bullpen/prefork": measured()}}
        starved["busy"]["bullpen/prefork"]["longest_wait_us"] = [5, 2e6, 5]
        [target] = [target for target in TARGETS if "longest wait" in target.says]
        self.assertIn("2.00  MISSED", verdict(target, starved))
        limited = {"slow": {"bullpen/prefork+limit": measured_slow() | {"body_p99_us": [251e3]}}}
        [target] = [target for target in TARGETS if "the worst p99" in target.says]
        self.assertIn("251  MISSED", verdict(target, limited))

    def test_what_was_not_measured_has_no_verdict(self):
        self.assertIsNone(verdict(at_most(1, "", of("short", "cpu_us", "node/cluster", "nginx")), self.results))

    def test_all_can_be_judged_by_what_is_measured(self):
        everything = {case: {peer.name: MEASURED.get(case, measured)() for peer in ENTRIES if case in peer.cases}
                      for case in CASES}
        lines = [verdict(target, everything) for target in TARGETS]
        self.assertNotIn(None, lines)
        self.assertLessEqual(max(map(len, lines)), 80)


if __name__ == "__main__":
    unittest.main()
