"""The peers' Debian packages: installed without their services, which then stay off."""

import hashlib
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
CONFIGURATION = ("nginx", "apache2", "uwsgi", "uwsgi-emperor", "xinetd.conf", "xinetd.d", "unicorn", "puma", "gunicorn",
                 "default", "init.d", "systemd/system")


def installed():
    listed = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package} ${Version}\n"],
                            capture_output=True, text=True, check=True).stdout
    return {name: version for status, name, version in map(str.split, listed.splitlines()) if status == "ii"}


def install(wanted):
    """Only what is missing. Services that a package brings are neither started now nor at the next boot."""
    before = installed()
    if not set(wanted) - set(before):
        return
    subprocess.run(["bash", "-c", '. "$0" && shift 0 && install_missing "$@"', str(TOP / "deploy/packages"), *wanted],
                   check=True)
    for unit in sorted(services(set(installed()) - set(before))):
        subprocess.run(["bash", "-c", '. "$0" && as_root systemctl --quiet disable "$1"', str(TOP / "deploy/packages"),
                        unit], check=False)


def services(packages):
    if not packages:
        return set()
    files = subprocess.run(["dpkg", "-L", *packages], capture_output=True, text=True, check=True).stdout.splitlines()
    return {Path(file).name for file in files if "/lib/systemd/system/" in file and file.endswith(".service")
            and "@" not in file}


def configuration():
    """A digest of each file of the system's own configuration of the peers."""
    files = [file for name in CONFIGURATION for home in [Path("/etc", name)] for file in [home, *home.rglob("*")]]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
            if file.is_file() and not file.is_symlink()}
