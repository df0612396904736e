"""Leads a process from one system call to the next, and ends it at the one that a test has chosen (ptrace(2))."""

import ctypes
import os
import platform
import signal
import struct
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long

CONT, DETACH, SYSCALL, SEIZE, INTERRUPT, LISTEN, SYSCALL_INFO = 7, 17, 24, 0x4206, 0x4207, 0x4208, 0x420e
TRACE_SYSGOOD, TRACE_CHILDREN = 1, 2 | 4 | 8  # Fork, vfork and clone.
EVENT_STOP = 128
WNOTHREAD, WALL = 0x20000000, 0x40000000
SENDING = {1: "write", 16: "ioctl", 20: "writev", 40: "sendfile", 44: "sendto", 46: "sendmsg"}  # Of x86-64.
NAMES = {**SENDING, 0: "read", 3: "close", 5: "fstat", 7: "poll", 45: "recvfrom", 47: "recvmsg", 48: "shutdown",
         54: "setsockopt", 55: "getsockopt", 17: "pread64", 232: "epoll_wait", 233: "epoll_ctl", 257: "openat",
         262: "newfstatat", 271: "ppoll", 281: "epoll_pwait", 286: "timerfd_settime", 437: "openat2"}
RECVMSG = 47


def ptrace(request, pid, address=0, data=0):
    result = LIBC.ptrace(request, pid, address, data)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def is_possible():
    """Whether this process may lead others, and knows their calls' numbers."""
    if platform.machine() != "x86_64":
        return False
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        ptrace(SEIZE, child)
        return True
    except OSError:
        return False
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


class Stop:
    """A system call is about to begin, or has just ended."""

    def __init__(self, pid):
        buffer = ctypes.create_string_buffer(88)
        ptrace(SYSCALL_INFO, pid, len(buffer), ctypes.addressof(buffer))
        kind, = struct.unpack_from("B", buffer, 0)
        self.begins = kind == 1
        self.call = struct.unpack_from("Q", buffer, 24)[0] if self.begins else None
        self.result = None if self.begins else struct.unpack_from("q", buffer, 24)[0]


class Steps(threading.Thread):
    """Within the with-block the processes (all their threads), or with `children` those that they fork, are led.
    `strike(pid, stop)` is asked at the beginning and the end of each of their system calls: it returns whether it has
    ended the process, which is then left alone. Children of those led are not led themselves."""

    def __init__(self, pids, strike, children=False):
        super().__init__()
        self.pids, self.strike, self.children = pids, strike, children
        self.ready, self.over = threading.Event(), threading.Event()
        self.failure = None
        self.led = set()
        self.to_report = set()  # Those that haven't stopped for the first time yet.
        self.interrupted = set()  # Those that were asked to stop, to be let go.
        self.calls = {}  # Of each thread the call that it is in.

    def __enter__(self):
        self.start()
        self.ready.wait()
        if self.failure:
            self.join()
            raise self.failure
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()
        if self.failure:
            raise self.failure

    def run(self):
        try:
            self._seize()
            while self.led:
                if not self.to_report & self.led:
                    self.ready.set()  # Before that, a call that ends wouldn't be seen.
                self._attend()
        except ChildProcessError:
            pass  # All have ended.
        except Exception as error:  # Shown by the test's own thread.
            self.failure = error
        finally:
            self.ready.set()

    def _seize(self):
        options = TRACE_SYSGOOD | (TRACE_CHILDREN if self.children else 0)
        for pid in self.pids:
            for task in os.listdir(f"/proc/{pid}/task"):
                ptrace(SEIZE, int(task), 0, options)
                self.led.add(int(task))
                if not self.children:
                    self.to_report.add(int(task))
                    ptrace(INTERRUPT, int(task))

    def _interrupt_all(self):
        for pid in self.led - self.interrupted:
            self.interrupted.add(pid)
            try:
                ptrace(INTERRUPT, pid)
            except OSError:
                pass  # It is about to report anyway.

    def _attend(self):
        pid, status = os.waitpid(-1, WALL | WNOTHREAD | os.WNOHANG)
        if pid == 0:
            if self.over.is_set():
                self._interrupt_all()
            time.sleep(0.0002)  # Nothing else can wake a thread that waits for a child.
            return
        if not os.WIFSTOPPED(status):
            self.led.discard(pid)
            return
        self.led.add(pid)
        self.to_report.discard(pid)
        number, event = os.WSTOPSIG(status), status >> 16
        try:
            if self.over.is_set():
                self.led.discard(pid)
                ptrace(DETACH, pid, 0, 0 if event or number == (signal.SIGTRAP | 0x80) else number)
                return
            leads = not self.children or pid not in self.pids
            if number == (signal.SIGTRAP | 0x80):
                stop = Stop(pid)
                if stop.begins:
                    self.calls[pid] = stop.call
                else:
                    stop.call = self.calls.get(pid)
                if self.strike(pid, stop):
                    self.led.discard(pid)
                    return
                number = 0
            elif event == EVENT_STOP and number in (signal.SIGSTOP, signal.SIGTSTP):
                ptrace(LISTEN, pid)
                return
            elif event:
                number = 0
            ptrace(SYSCALL if leads else CONT, pid, 0, number)
        except ProcessLookupError:
            pass  # It was killed meanwhile.


class Kill:
    """Kills whoever comes to the n-th beginning or end of a system call, counted over all that are led together."""

    def __init__(self, at):
        self.at, self.count, self.place = at, 0, None

    def __call__(self, pid, stop):
        self.count += 1
        if self.count != self.at:
            return False
        self.call, self.begins = stop.call, stop.begins
        self.place = f"{'before' if stop.begins else 'after'} {NAMES.get(stop.call, stop.call)}"
        os.kill(pid, signal.SIGKILL)
        return True


class StandStill:
    """Has whoever ends this call with success stand still (SIGSTOP) before it does anything else."""

    def __init__(self, call):
        self.call, self.pid = call, None

    def __call__(self, pid, stop):
        if self.pid is not None or stop.begins or stop.call != self.call or stop.result < 0:
            return False
        self.pid = pid
        ptrace(DETACH, pid, 0, signal.SIGSTOP)
        return True
