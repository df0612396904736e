"""A program of a Debian package that can't be installed beside another one."""

import subprocess
from pathlib import Path


def unpacked(package, home):
    """Where the package's files lie then, below the folder `home`. Its dependencies are the caller's affair."""
    root = Path(home, package)
    root.mkdir()
    subprocess.run(["apt-get", "-q", "download", package], cwd=root, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
    [archive] = root.glob("*.deb")
    subprocess.run(["dpkg", "-x", archive, root], check=True, timeout=60)
    return root
