"""inetd.conf as openbsd-inetd reads it: the services that Bullpen's parser finds are those that the other opens."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import TOP, end_with, wait_until
from unpacked import unpacked

SHOW = Path(os.environ.get("BULLPEN", TOP / "build/sanitized/bullpen")).with_name("show_inetd_conf")
LINES = Path(__file__).with_name("debian.conf")
PATIENCE = 60

LAST = 65000  # The port of a line after all others: once it is listened on, the others are, too.
STARTS_A_MINUTE = 256  # openbsd-inetd's default.
NO_GROUP = "(default)"

ADDED = re.compile(r"ADD: (?:(?P<address>.*):)?(?P<service>\S+) proto=(?P<protocol>\w+)\S*, "
                   r"wait\.max=(?P<waits>[01])\.(?P<starts>\d+) user:group=(?P<user>[^:]+):(?P<group>\S+) "
                   r"builtin=(?P<builtin>\S+) server=(?P<program>.*)")


def in_a_network_of_its_own(*command):
    """No port of the machine is bound, and no file in /run is written."""
    return ["unshare", "--mount", "--net", "sh", "-c",
            'mount -t tmpfs none /run && ip link set lo up && exec "$@"', "sh", *command]


def shown(text):
    """Our entries and complaints."""
    printed = subprocess.run([SHOW], input=text, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    rows = [json.loads(line) for line in printed.splitlines()]
    return ([row for row in rows if "sentence" not in row],
            [row for row in rows if "sentence" in row and not row["is_warning"]])


def bound(pid):
    """{("tcp", "tcp6", "udp" or "udp6", port)} of a process' network."""
    ports = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            ports.add((table, int(line.split()[1].rsplit(":", 1)[1], 16)))
    return ports


def opened(inetd_program, text):
    """What openbsd-inetd says that it adds, and the ports that it binds."""
    with tempfile.TemporaryDirectory() as home:
        conf = Path(home, "inetd.conf")
        conf.write_text(f"{text}\n*:{LAST} stream tcp4 nowait root /bin/true true\n")
        said = Path(home, "said")
        with open(said, "wb") as output:
            inetd = subprocess.Popen(in_a_network_of_its_own(inetd_program, "-d", str(conf)), stdout=output, stderr=output,
                                     stdin=subprocess.DEVNULL, preexec_fn=end_with(os.getpid()))
        try:
            def is_ready():
                if inetd.poll() is not None:
                    raise AssertionError(f"inetd ended: {said.read_text()}")
                return f"ADD: {LAST} " in said.read_text() and ("tcp", LAST) in bound(inetd.pid)
            wait_until(is_ready, "the last line's socket", PATIENCE)
            ports = bound(inetd.pid) - {("tcp", LAST)}
        finally:
            if inetd.poll() is None:
                inetd.send_signal(signal.SIGKILL)
            inetd.wait(PATIENCE)
        added = [ADDED.match(line) for line in said.read_text().splitlines() if line.startswith("ADD: ")]
        return [one for one in added if one["service"] != str(LAST)], ports


def families(entry, address):
    """openbsd-inetd has two services for each whose protocol is tcp or udp, unless its address is of one family."""
    protocol = entry["protocol"]
    if protocol not in ("tcp", "udp"):
        return [protocol]
    if address is None:
        return [protocol, protocol + "6"]
    return [protocol + "6" if ":" in address else protocol]


def as_added(entry):
    return {(address, entry["service"], protocol, entry["waits"], entry["max_a_minute"] or STARTS_A_MINUTE,
             entry["user"], entry["group"] or NO_GROUP, entry["internal"] != "", entry["program"] or "internal")
            for address in entry["addresses"] or [None] for protocol in families(entry, address)}


def as_bound(entry):
    tables = {"tcp4": "tcp", "tcp46": "tcp6", "udp4": "udp", "udp46": "udp6"}
    return {(tables.get(protocol, protocol), entry["port"])
            for address in entry["addresses"] or [None] for protocol in families(entry, address) if entry["port"]}


def key_of(line):
    """A file has one line for each."""
    service, _, protocol = line.split()[:3]
    transport = protocol[:3]
    name = service.rsplit(":", 1)[-1]
    try:
        return transport, int(name) if name.isdigit() else socket.getservbyname(name, transport)
    except OSError:
        return transport, name


def files_of(lines):
    """The lines in as few files as they fit in."""
    files = []
    for line in lines:
        file = next((file for file in files if key_of(line) not in map(key_of, file)), None)
        if file is None:
            file = []
            files.append(file)
        file.append(line)
    return files


def services(text):
    """Each line with those that continue it."""
    found = []
    for line in text.splitlines():
        if line[:1].isspace():
            found[-1] += "\n" + line
        elif line and line[0] != "#":
            found.append(line)
    return found


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare") and shutil.which("ip"), "needs root, unshare and ip")
class SameServices(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(home.cleanup)
        cls.inetd = unpacked("openbsd-inetd", home.name) / "usr/sbin/inetd"

    def compare(self, text):
        entries, complaints = shown(text)
        added, ports = opened(self.inetd, text)
        said = {(one["address"] if one["protocol"] != "unix" else None, one["service"], one["protocol"], one["waits"] == "1", int(one["starts"]), one["user"],
                 one["group"], one["builtin"] != "0", one["program"]) for one in added}
        self.assertEqual(set().union(*map(as_added, entries)), said)
        self.assertEqual(set().union(*map(as_bound, entries)), ports)
        return entries, complaints

    def test_a_hundred_lines_of_debian_packages_are_the_same_services(self):
        lines = services(LINES.read_text())
        self.assertGreaterEqual(len(lines), 100)
        known = [line for line in lines if isinstance(key_of(line)[1], int)]
        seen = 0
        for file in files_of(known):
            with self.subTest(file=file):
                entries, complaints = self.compare("\n".join(file))
                self.assertEqual(complaints, [])
                seen += len(entries)
        self.assertEqual(seen, len(known))

    def test_a_service_that_the_machine_does_not_know_is_opened_by_neither(self):
        unknown = [line for line in services(LINES.read_text()) if isinstance(key_of(line)[1], str)]
        self.assertGreaterEqual(len(unknown), 5)
        entries, complaints = shown("\n".join(unknown))
        self.assertEqual(entries, [])
        self.assertEqual(len(complaints), len(unknown))
        for complaint in complaints:
            self.assertIn("is not a service of /etc/services", complaint["sentence"])
        self.assertEqual(opened(self.inetd, "\n".join(unknown))[1], set())

    def test_lines_that_depend_on_others_are_the_same_services(self):
        entries, complaints = self.compare(
            "#<off># ftp stream tcp nowait root /bin/x\n"
            "1001 stream tcp nowait\n  root\n\n"
            "1001 stream tcp4\n\tnowait.5 root\n \n  /bin/x x\n  -y\n"
            "127.0.0.1,::1:\n"
            "1002 stream tcp nowait root /bin/x\n"
            "127.0.0.2:1002 stream tcp nowait a.b /bin/x\n"
            "*:1003 dgram udp wait root:adm /bin/x x\n"
            "/run/x.socket stream unix nowait root /bin/x\n"
            "*:\n"
            "1004 stream tcp nowait root /bin/x\n")
        self.assertEqual([entry["service"] for entry in entries],
                         ["1001", "1002", "1002", "1003", "/run/x.socket", "1004"])
        self.assertEqual([complaint["line"] for complaint in complaints], [2])

    def test_what_is_no_service_is_none_for_both(self):
        entries, complaints = self.compare(
            "\n# 2121 stream tcp nowait root /bin/x\n"
            "2121\n"
            "2122 stream tcp nowait\n"
            "2123 stream tcp nowait root\n\n"
            "2124 strem tcp nowait root /bin/x\n"
            "2125 stream tcp nowait root internal\n"
            "127.0.0.1:2126 stream tcp6 nowait root /bin/x\n")
        self.assertEqual(entries, [])
        self.assertEqual([complaint["line"] for complaint in complaints], [3, 4, 5, 7, 8, 9])


if __name__ == "__main__":
    unittest.main()
