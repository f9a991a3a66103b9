"""This process on its machine: what it takes of it, under the names of Prometheus's own clients, and how it is told to stop."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from storage.metrics import sampled

_PROC: Final = Path("/proc/self")


@contextmanager
def stopped_gently() -> Iterator[None]:
    """Makes SIGTERM end the block as an exit with status 0, so that what is open is closed and what waits is written.

    uvicorn finishes its requests, and then gives the signal on to whoever handled it before: by itself that kills the process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # a signal is the main thread's
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def exposed() -> str:
    """Processor time, and where the system has a `/proc` memory and open files."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = used.ru_utime + used.ru_stime
    text = sampled("process_cpu_seconds_total", "Processor time, user and system.", [({}, seconds)], "counter")
    try:
        pages = int((_PROC / "statm").read_text("ascii").split()[1])
        opened = len(os.listdir(_PROC / "fd"))
    except OSError:  # no Linux
        return text
    resident = float(pages * os.sysconf("SC_PAGE_SIZE"))
    text += sampled("process_resident_memory_bytes", "Resident memory.", [({}, resident)])
    return text + sampled("process_open_fds", "Open file descriptors.", [({}, float(opened))])
