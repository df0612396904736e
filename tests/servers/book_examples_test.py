"""servers/examples/books: each program is built without a warning, and each of its sentences is true here."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import TOP

BOOKS = TOP / "servers/examples/books"
PROGRAMS = sorted(BOOKS.glob("*.cpp"))
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wold-style-cast", "-Werror")


class Books(unittest.TestCase):
    def test_each_is_built_and_true(self):
        with tempfile.TemporaryDirectory() as home:
            for source in PROGRAMS:
                with self.subTest(program=source.name):
                    program = Path(home) / source.stem
                    subprocess.run(["clang++-14", "-std=c++20", *WARNINGS, "-fsyntax-only", source], timeout=100, check=True)
                    subprocess.run(["g++-12", "-std=c++20", *WARNINGS, source, "-o", program, "-pthread"], timeout=100, check=True)
                    done = subprocess.run([program], capture_output=True, text=True, timeout=100, check=False)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                    self.assertGreaterEqual(len(re.findall("(?m)^yes  ", done.stdout)), 3)

    def test_each_names_its_source_and_stands_in_the_table(self):
        table = (TOP / "servers/examples/README.md").read_text()
        for source in PROGRAMS:
            text = source.read_text()
            self.assertRegex(text, "(?m)^/// Source: (TLPI|APUE|UNP)", source.name)
            self.assertLess(len(text.splitlines()), 100, source.name)
            self.assertIn(f"`books/{source.name}`", table)
        for source in (TOP / "servers/examples").glob("*.cpp"):
            self.assertIn(f"`{source.name}`", table)


if __name__ == "__main__":
    unittest.main()
