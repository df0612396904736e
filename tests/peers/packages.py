"""The peers' Debian packages: installed without their services, which then stay off."""

import hashlib
import os
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
CONFIGURATION = ("nginx", "apache2", "uwsgi", "uwsgi-emperor", "xinetd.conf", "xinetd.d", "unicorn", "puma", "gunicorn",
                 "default", "init.d", "systemd/system")


def installed():
    listed = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package} ${Version}\n"],
                            capture_output=True, text=True, check=True).stdout
    return {name: version for status, name, version in map(str.split, listed.splitlines()) if status == "ii"}


def shell(command, *arguments):
    """With the functions of deploy/packages."""
    subprocess.run(["bash", "-c", f'. "$0" && {command} "$@"', str(TOP / "deploy/packages"), *arguments], check=True)


def install(wanted):
    """Only what is missing. Services that come with it are neither started now nor at the next boot."""
    before = installed()
    if set(wanted) <= set(before):
        return
    shell("install_missing", *wanted)
    for service in sorted(services(set(installed()) - set(before))):
        shell("2>/dev/null as_root update-rc.d", service, "disable")  # It complains if systemd doesn't know it.


def services(packages):
    files = subprocess.run(["dpkg", "-L", *packages], capture_output=True, text=True, check=True).stdout.splitlines()
    return {Path(file).name for file in files if file.startswith("/etc/init.d/")}


def configuration():
    """A digest of each file of the system's own configuration of the peers."""
    files = [file for name in CONFIGURATION for home in [Path("/etc", name)] for file in [home, *home.rglob("*")]]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
            if file.is_file() and not file.is_symlink() and os.access(file, os.R_OK)}
