"""Stops a process at one exact system call, or watches which paths its system
calls name, by ptrace(2)."""

import contextlib
import ctypes
import os
import signal
import threading

PTRACE_SYSCALL = 24
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
PTRACE_GET_SYSCALL_INFO = 0x420e
TRACESYSGOOD = 1  # system calls stop with SYSCALL_TRAP
SYSCALL_TRAP = signal.SIGTRAP | 0x80
SYSCALL_ENTRY = 1
WALL = 0x40000000
PATH_BYTES_MAX = 4096

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class _SyscallInfo(ctypes.Structure):
    """struct ptrace_syscall_info, at the beginning of a system call; the same
    on every architecture."""
    _fields_ = [("op", ctypes.c_uint8), ("pad", ctypes.c_uint8 * 3),
                ("arch", ctypes.c_uint32), ("instruction_pointer", ctypes.c_uint64),
                ("stack_pointer", ctypes.c_uint64), ("number", ctypes.c_uint64),
                ("args", ctypes.c_uint64 * 6)]


def _ptrace(request, pid, data=0, addr=0):
    if _libc.ptrace(request, pid, addr, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace({request}): {os.strerror(error)}")


class Traced:
    """The process is stopped from the beginning of the block until run() or
    paths()."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        _ptrace(PTRACE_SEIZE, self.pid, TRACESYSGOOD)
        _ptrace(PTRACE_INTERRUPT, self.pid)
        os.waitpid(self.pid, WALL)
        return self

    def __exit__(self, *_):
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, WALL)
        except (ProcessLookupError, ChildProcessError):
            pass

    def _stops(self):
        """Lets it go on until it exits; yields at the beginning and at the end
        of each system call."""
        request_signal = 0
        while True:
            _ptrace(PTRACE_SYSCALL, self.pid, request_signal)
            _, status = os.waitpid(self.pid, WALL)
            if not os.WIFSTOPPED(status):
                return
            number = os.WSTOPSIG(status)
            request_signal = 0
            if number == SYSCALL_TRAP:
                yield
            elif number != signal.SIGTRAP:
                request_signal = number

    def run(self, kill_at=None):
        """Lets it go on until it exits, or kills it at the beginning or end of
        a system call: the kill_at'th such stop. Returns how many there were."""
        stops = 0
        for _ in self._stops():
            stops += 1
            if stops == kill_at:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, WALL)
                break
        return stops

    def paths(self, part):
        """Lets it go on until it exits. Returns the paths with that part which
        its system calls named, in their order: whatever calls that were, and
        also if there was no such file."""
        return [path for _ in self._stops() for path in self._paths()
                if part in path]

    def run_to_path(self, part, seconds=20):
        """Lets it go on until a system call names a path with that part, and
        stops it there; fails if none does in that time."""
        with contextlib.closing(self._stops()) as stops:
            killer = threading.Timer(seconds, os.kill, (self.pid, signal.SIGKILL))
            killer.start()
            try:
                found = any(part in path for _ in stops for path in self._paths())
            finally:
                killer.cancel()
        assert found, f"no system call named a path with {part}"

    def _paths(self):
        """What may be paths at the beginning of a system call: they are its
        first or its second argument (openat)."""
        info = _SyscallInfo()
        _ptrace(PTRACE_GET_SYSCALL_INFO, self.pid, ctypes.addressof(info),
                ctypes.sizeof(info))
        if info.op != SYSCALL_ENTRY:
            return
        # opened each time, since exec replaces it
        with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:
            for address in info.args[:2]:
                try:
                    text = os.pread(memory.fileno(), PATH_BYTES_MAX, address)
                except (OSError, OverflowError):  # it is no address
                    continue
                if text.startswith(b"/"):
                    yield text.partition(b"\0")[0].decode(errors="replace")
