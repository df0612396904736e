"""How many descriptors a process may open: some cases need more than a shell gives."""

import contextlib
import resource

from peers import DISTURBANCES

# Of the cases with many connections at once.
NEEDED = {"idle": 12_000, "busy": 4_000, "steady": 4_000, "slow": 4_000,
          **dict.fromkeys(DISTURBANCES, 4_000)}


def lacking(case):
    """Why the case can't run here, or None."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = NEEDED.get(case, 0)
    if hard != resource.RLIM_INFINITY and hard < needed:
        return f"needs {needed:,} descriptors a process; ulimit -Hn is {hard:,}"
    return None


@contextlib.contextmanager
def enough(case):
    """For us and for what we start in the with-block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = NEEDED.get(case, 0)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
