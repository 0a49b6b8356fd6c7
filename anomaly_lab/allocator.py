"""The C library's allocator, told to keep what is freed: the next training step needs the same again.

Left alone, glibc gives a step's tensors back to the system when they are freed, and each new one is made of pages that must be
fetched and cleared first: 15 to 20 % of a step of the quarter-width network, on a virtual machine.
"""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEPT = 2**31 - 1  # bytes free at the end of the heap before any are given back
FROM_HEAP = 2**28  # blocks of up to 256 MiB come from the heap; larger ones are mapped, and unmapped when they are freed


def keep_freed_memory() -> bool:
    """Once, at the start of a process that trains or tests. Whether the allocator could be told: glibc's can."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library; Windows
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, FROM_HEAP) and mallopt(M_TRIM_THRESHOLD, KEPT))
