"""The models as the tests try them: a case is a model, and what else is worth trying with it. BULLPEN_MODELS, names
with slashes between, picks some."""

import functools
import os

CASES = {
    "iterative": [],
    "fork": [],
    "thread": [],
    "prefork-accept": [],
    "prefork-lock": [],
    "prefork-lock, by file": ["--accept-lock", "file"],
    "prefork-reuseport": [],
    "prefork": [],
    "prefork, 2 threads each": ["--threads", "2"],
    "prethread": [],
    "prethread-accept": [],
    "event": [],
    "prefork-event": ["--capacity", "4"],
    "select": [],
    "poll": [],
    "epoll": [],
    "signal": [],
    "inetd": [],
}
IN_TURNS = {"select", "poll", "epoll", "signal"}  # Turns in one process; they differ in a readiness source alone.
SHARE_ONE_PROCESS = {"thread", "prethread", "prethread-accept", "event"} | IN_TURNS
ONE_AT_A_TIME = {"iterative"}
HASHED = {"prefork-reuseport"}  # The kernel may give two clients to one worker while others idle.
WITHOUT_WORKERS_OF_OURS = {"inetd"}
FORK_FOR_EACH = {"fork", "inetd"}


def chosen(with_alike=False):
    """Of those that are alike only epoll, which stands for them, unless the test or the user wants all."""
    if names := os.environ.get("BULLPEN_MODELS", ""):
        return [case for case in CASES if case in names.split("/")]
    return [case for case in CASES if with_alike or case not in IN_TURNS - {"epoll"}]


def model_of(case):
    return case.partition(",")[0]


def flags_of(case):
    return ["--model", model_of(case), *CASES[case]]


def under(*models):
    """A test that is run once with each of these models."""
    def decorate(test):
        @functools.wraps(test)
        def run(self):
            for model in models:
                with self.subTest(model=model):
                    test(self, model)
        return run
    return decorate
