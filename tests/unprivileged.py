"""What the system forbids every other user, it forbids root, too."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION = 0x20080522  # of Linux's capget and capset, in linux/capability.h
_PASSES_OVER_MODES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_Header = ctypes.c_uint32 * 2  # version, process
_Sets = ctypes.c_uint32 * 6  # effective, permitted, inheritable; and the upper half of each


@contextmanager
def bound_by_modes() -> Iterator[None]:
    """In this `with` block the modes of files and folders hold for this thread, also where it is root's."""
    if os.geteuid() != 0:
        yield
        return
    libc, header, sets = ctypes.CDLL(None, use_errno=True), _Header(_VERSION, 0), _Sets()
    assert libc.capget(header, sets) == 0
    effective = sets[0]
    sets[0] &= ~_PASSES_OVER_MODES
    assert libc.capset(header, sets) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        sets[0] = effective
        assert libc.capset(header, sets) == 0, os.strerror(ctypes.get_errno())
