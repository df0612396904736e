"""How ps shows the processes of a user's program, and what the program still finds in its arguments and environment."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from faults import HOSTILE
from harness import end_with, processes, wait_until

ENOUGH = {"TOLD": "what was set", "ROOM": "x" * 64}


def shown(pid):
    """What ps reads: the command line, and the name."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0"), Path(f"/proc/{pid}/comm").read_bytes().strip()
    except OSError:
        return None


class Titles(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.home = Path(holder.name)
        shutil.copy(HOSTILE, self.home / "a")

    def start(self, *arguments, env):
        process = subprocess.Popen(["./a", "tells", "listen=unix:s", *arguments], cwd=self.home, env=env,
                                   preexec_fn=end_with(os.getpid()))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def told(self):
        """What a handler finds."""
        def ask():
            with socket.socket(socket.AF_UNIX) as client:
                try:
                    client.connect(str(self.home / "s"))
                except OSError:
                    return None
                return b"".join(iter(lambda: client.recv(4096), b"")).decode()
        return wait_until(ask, "an answer")

    def family(self, process):
        return [process.pid, *(pid for pid, state, parent, _, _ in processes() if parent == process.pid and state != "Z")]

    def end(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(60), 0)

    def check_titles(self, process, *expected):
        def all_there():
            titles = {title for pid in self.family(process) if (title := shown(pid))}
            return titles >= set(expected) and titles
        titles = wait_until(all_there, expected)
        self.assertTrue(all(line.startswith(b"bullpen: ") for line, _ in titles), titles)

    def test_titles_are_whole_whatever_the_length_of_the_command_line(self):
        process = self.start(env=ENOUGH)
        self.assertEqual(self.told(), "./a\ntells\nlisten=unix:s\nwhat was set")
        self.check_titles(process, (b"bullpen: keeper", b"bullpen: keeper"), (b"bullpen: master", b"bullpen: master"),
                          (b"bullpen: worker [default/0]", b"bullpen: worker"))
        self.end(process)

    def test_without_an_environment_they_are_cut_and_nothing_else(self):
        process = self.start(env={})
        self.assertEqual(self.told(), "./a\ntells\nlisten=unix:s\nnone")
        line = b"./a tells listen=unix:s"
        self.check_titles(process, (b"bullpen: worker [default/0]"[:len(line)], b"bullpen: worker"))
        self.end(process)

    def test_where_the_program_wants_none_nothing_is_touched(self):
        process = self.start("titles=off", env=ENOUGH)
        self.assertEqual(self.told(), "./a\ntells\nlisten=unix:s\ntitles=off\nwhat was set")
        self.assertEqual({shown(pid) for pid in self.family(process)}, {(b"./a\0tells\0listen=unix:s\0titles=off", b"a")})
        self.end(process)


if __name__ == "__main__":
    unittest.main()
