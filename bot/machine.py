"""What this process takes of the machine, under the names that Prometheus's own clients use."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Final

from storage.metrics import sampled

_PROC: Final = Path("/proc/self")


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
