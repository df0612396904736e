"""The last line of .ci/run: which tests needed a second try."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import TOP

PASSES = 'add_test(a/passes "true")'
FLAKY = 'add_test(b/flaky "sh" "-c" "echo 1/1 Test; test -e {home}/tried || {{ touch {home}/tried; exit 1; }}")'
FAILS = 'add_test(c/fails "false")'


class Retries(unittest.TestCase):
    def last_line_of(self, *tests):
        """After ctest ran these, as .ci/run runs it; and whether it failed."""
        with tempfile.TemporaryDirectory() as home:
            Path(home, "CTestTestfile.cmake").write_text("\n".join(tests).format(home=home))
            command = f"set -o pipefail; ctest --output-on-failure --repeat until-pass:2 | {TOP}/tests/retries"
            environment = {name: value for name, value in os.environ.items() if not name.startswith("CTEST_")}
            done = subprocess.run(["bash", "-c", command], cwd=home, env=environment, capture_output=True, text=True,
                                  timeout=60, check=False)
            lines = done.stdout.splitlines()
            self.assertTrue(any(line.startswith("Total Test time") for line in lines), done.stdout)
            return lines[-1], done.returncode

    def test_it_counts_and_names_the_tests_that_did_not_pass_at_once(self):
        for tests, said, failed in (
                ((PASSES,), "0", False),
                ((PASSES, FLAKY), "1: b/flaky (failed 1x)", False),
                ((PASSES, FLAKY, FAILS), "2: b/flaky (failed 1x), c/fails (failed 2x)", True)):
            with self.subTest(said):
                line, status = self.last_line_of(*tests)
                self.assertEqual(line, "bullpen: tests that did not pass at the first try: " + said)
                self.assertEqual(status != 0, failed)


if __name__ == "__main__":
    unittest.main()
