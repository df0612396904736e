"""A user's own program, built from the library in build/."""

import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent


def build(source, program):
    """Compiles and links the file as pkg-config would have it; the library itself must have been built."""
    made = TOP / "build"
    includes = [f"-I{folder}" for folder in (TOP / "core/include", TOP / "servers/include", made / "include")]
    libraries = ["-Wl,--gc-sections", "-lspdlog", "-lfmt", "-lprometheus-cpp-core", "-lboost_json", "-pthread"]
    subprocess.run(["c++", "-std=c++20", "-O2", *includes, source, "-o", program, made / "servers/libbullpen.a", *libraries], check=True)
    return program
