"""Where a file really is."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def real_path(path: Path) -> Path:
    """The path without symbolic links: SQLite keeps its log beside the file itself. Raises `OSError` for
    links that lead in a circle, in every release of Python."""
    real = os.path.realpath(path)
    try:
        os.stat(real)
    except OSError as problem:
        if problem.errno == errno.ELOOP:
            raise
    return Path(real)
