"""Stops a process at one exact system call, by ptrace(2)."""

import ctypes
import os
import signal

PTRACE_SYSCALL = 24
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
WALL = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def _ptrace(request, pid, data=0):
    if _libc.ptrace(request, pid, 0, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace({request}): {os.strerror(error)}")


class Traced:
    """The process is stopped from the beginning of the block until run()."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        _ptrace(PTRACE_SEIZE, self.pid)
        _ptrace(PTRACE_INTERRUPT, self.pid)
        os.waitpid(self.pid, WALL)
        return self

    def __exit__(self, *_):
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, WALL)
        except (ProcessLookupError, ChildProcessError):
            pass

    def run(self, kill_at=None):
        """Lets it go on until it exits, or kills it at the beginning or end of
        a system call: the kill_at'th such stop. Returns how many there were."""
        stops = 0
        request_signal = 0
        while True:
            _ptrace(PTRACE_SYSCALL, self.pid, request_signal)
            _, status = os.waitpid(self.pid, WALL)
            if not os.WIFSTOPPED(status):
                return stops
            number = os.WSTOPSIG(status)
            if number == signal.SIGTRAP:
                stops += 1
                request_signal = 0
            else:
                request_signal = number
            if stops == kill_at:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, WALL)
                return stops
