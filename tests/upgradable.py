"""A server that is upgraded by a test."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness import TOP, Bullpen

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))

GUARD = """
import os, sys, signal
sys.stdin.read()
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        if os.getsid(int(pid)) == int(sys.argv[1]):
            os.kill(int(pid), signal.SIGKILL)
    except OSError:
        pass
"""


class Upgradable(Bullpen):
    """A server whose program can be replaced. Its keepers have other pids one after the other, and one session."""

    def __init__(self, home, *arguments, **options):
        self.program = Path(home, "program")
        self.install(PROGRAM)
        super().__init__(*arguments, program=self.program, **options)

    def install(self, program):
        new = self.program.with_suffix(".new")
        shutil.copy2(program, new)
        new.rename(self.program)

    def __enter__(self):
        super().__enter__()
        # If this test is killed nobody else ends the later keepers, whose parent has ended.
        self._guard = subprocess.Popen([sys.executable, "-c", GUARD, str(self.pid)], stdin=subprocess.PIPE)
        return self

    def ctl(self, *arguments):
        done = subprocess.run([PROGRAM, "ctl", "--control", str(self.control), *arguments], text=True,
                              capture_output=True, timeout=120, check=False)
        return done.returncode, done.stdout, done.stderr

    @property
    def keeper(self):
        return json.loads(self.ctl("--json", "status")[1])["server"]["pid"]

    def upgrade(self):
        """Returns the new keeper's pid."""
        before = self.keeper
        status, out, err = self.ctl("upgrade")
        assert (status, err) == (0, ""), (status, out, err)
        assert f"pid {self.keeper})" in out and self.keeper != before, out
        return self.keeper

    def _check_orderly_end(self):
        self.check_conservation()
        keeper = self.keeper
        status, out, err = self.ctl("stop")
        assert (status, out, err) == (0, "the server has stopped\n", ""), (status, out, err)
        assert keeper not in self.left_behind(), "ctl stop ends when the server has"
        self.exit_status = self._process.wait(60)
        assert self.exit_status == 0, self.exit_status
        super()._check_orderly_end()

    def _clean_up(self):
        super()._clean_up()
        self._guard.communicate()
