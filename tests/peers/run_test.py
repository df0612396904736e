"""The comparison with other servers: what it says and decides, without running any of them."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PEERS = Path(__file__).resolve().parent
sys.path.insert(0, str(PEERS))
from configured import HERE, configure  # noqa: E402
from peers import CASES, PEERS as ENTRIES  # noqa: E402
from table import of_case  # noqa: E402
from targets import TARGETS, at_least, at_most, of, verdict  # noqa: E402


def run(*arguments):
    return subprocess.run([str(PEERS / "run"), *arguments], capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "COLUMNS": "80"})


def measured(value=1000.0, **more):
    metrics = ("requests_per_s", "p50_us", "p99_us", "cpu_us", "pss_kb", "errors")
    return {metric: [more.get(metric, value)] * 3 for metric in metrics}


class Run(unittest.TestCase):
    def test_lists_its_peers_without_installing_anything(self):
        listed = run("--list")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertEqual([line.split()[0] for line in listed.stdout.splitlines()], [peer.name for peer in ENTRIES])
        self.assertLessEqual(max(map(len, listed.stdout.splitlines())), 80)

    def test_a_name_selects_its_variants_too(self):
        self.assertEqual([line.split()[0] for line in run("--list", "nginx").stdout.splitlines()],
                         ["nginx", "nginx/file-cache"])

    def test_the_help_fits_80_columns(self):
        self.assertLessEqual(max(map(len, run("--help").stdout.splitlines())), 80)

    def test_what_it_doesnt_know_is_named(self):
        for arguments, said in ((("ngnix",), "ngnix"), (("--cases", "shrot"), "shrot"), (("--repeat", "0"), "--repeat")):
            refused = run(*arguments)
            self.assertEqual(refused.returncode, 2)
            self.assertIn(said, refused.stderr)

    def test_each_peers_configuration_can_be_filled_in(self):
        names = ("port", "root", "case", "workers", "threads", "user", "group", "invoker", "respond")
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


class Targets(unittest.TestCase):
    results = {"short": {"nginx": measured(100.0), "bullpen/prefork": measured(120.0)}}

    def test_a_ratio_is_met_from_its_limit_on(self):
        for target, met in ((at_least(1.2, "", of("short", "cpu_us", "bullpen/prefork", "nginx")), True),
                            (at_least(1.3, "", of("short", "cpu_us", "bullpen/prefork", "nginx")), False),
                            (at_most(1.2, "", of("short", "cpu_us", "bullpen/prefork", "nginx")), True),
                            (at_most(1.1, "", of("short", "cpu_us", "bullpen/prefork", "nginx")), False)):
            self.assertTrue(verdict(target, self.results).endswith(" met" if met else "MISSED"))

    def test_what_was_not_measured_has_no_verdict(self):
        self.assertIsNone(verdict(at_most(1, "", of("short", "cpu_us", "node/cluster", "nginx")), self.results))

    def test_all_can_be_judged_by_what_is_measured(self):
        everything = {case: {peer.name: measured() for peer in ENTRIES if case in peer.cases} for case in CASES}
        lines = [verdict(target, everything) for target in TARGETS]
        self.assertNotIn(None, lines)
        self.assertLessEqual(max(map(len, lines)), 80)


if __name__ == "__main__":
    unittest.main()
