"""servers/TUTORIAL.md is true: its files and commands, from top to bottom, in an empty home."""

import os
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import TOP, end_with

PAGE = TOP / "servers/TUTORIAL.md"
PORTS = (8080, 9464)
COMMENT = re.compile(r"^(?://|#) (\S+)\n")


def blocks():
    return re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def script():
    """The page as a shell script, and what it is to say. A block that isn't commands is the file that its first line
    names."""
    lines, expected = ["set -eo pipefail"], []
    for language, text in blocks():
        if language == "sh":
            lines.append(text)
        elif language == "text":
            expected += text.splitlines()
        else:
            name = COMMENT.match(text)[1]
            lines.append(f"printf %s {shlex.quote(text)} > {name}")
    return "\n".join(lines), expected


class Tutorial(unittest.TestCase):
    def test_each_file_and_command_works_in_their_order(self):
        for port in PORTS:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    self.skipTest(f"port {port} is taken by another program on this machine")
        commands, expected = script()
        with tempfile.TemporaryDirectory() as home:
            shell = subprocess.Popen(["bash", "-c", commands], cwd=TOP, env={**os.environ, "HOME": home, "BULLPEN_WERROR": "OFF"},
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                     start_new_session=True, preexec_fn=end_with(os.getpid()))
            try:
                output, _ = shell.communicate(timeout=300)
            finally:
                try:
                    os.killpg(shell.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.assertEqual(shell.returncode, 0, output)
            for line in expected:
                self.assertIn(line, output.splitlines(), output)
            self.assertEqual([path.name for path in Path(home, "shop/run").iterdir()], [])

    def test_the_unit_is_one(self):
        [unit] = [text for language, text in blocks() if language == "ini"]
        with tempfile.TemporaryDirectory() as home:
            path = Path(home, COMMENT.match(unit)[1])
            path.write_text(unit.replace("/srv/shop/build/shop", "/bin/true").replace("/srv/shop", "/"))
            checked = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual([line for line in checked.stderr.splitlines() if "shop" in line], [], checked.stderr)
            self.assertEqual(checked.returncode, 0, checked.stderr)


if __name__ == "__main__":
    unittest.main()
