"""Starting up: `import flask` beside the same with linking, and what is not loaded yet (target 9).

Each start is a process of its own and counts its own processor time once the interpreter is up.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from .measure import Finding, Round, alternate
from .ours import our_app, settings

_TIMED = "import time; began = time.process_time()\n{}\nprint((time.process_time() - began) * 1e3)"
_APP = "app = flask.Flask('bot'); app.config.from_mapping({config!r})\n"
_OPTIONAL = {
    "pydantic", "psycopg", "redis", "celery", "prometheus_client", "pyotp", "segno", "cryptography"
}  # fmt: skip
_LOADED = "import sys\nprint(len({optional!r} & sys.modules.keys()))"
_JOIN = "linking = bot_linking.AccountLinking(app, authenticate=lambda name, password: None)\n"


def run(folder: Path, quick: bool) -> Iterator[Finding]:
    our_app(folder)  # creates the database: a start finds it up to date
    app = "import flask\n" + _APP.format(config=settings(folder))
    joined = "import flask, bot_linking\n" + _APP.format(config=settings(folder)) + _JOIN
    starts = {
        "flask": "import flask",
        "ours": "import flask, bot_linking",
        "app": app,
        "joined": joined,
        "sending": joined + "linking.bot\n",
        "pymessenger": app + "import pymessenger.bot\n",
    }
    # Everything compiled, as it is from the second start on, whatever this environment says of bytecode.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for code in starts.values():
        _start(code, environment)()
    took = alternate({name: _start(code, environment) for name, code in starts.items()}, 3 if quick else 25)
    for name, beside, what, bound in (
        ("ours", "flask", "import flask, bot_linking; beside import flask", 1.35),
        ("joined", "app", "an app joined to its SQLite store, beside the app", 1.35),
        ("sending", "app", "the same with pymessenger in use, beside the app", None),
        ("sending", "pymessenger", "... beside the app and pymessenger alone", None),
    ):
        yield Finding("9", what, took.of(name), took.of(beside), took.ratio(name, beside), bound, "ms")
    loaded = _output(joined + _LOADED.format(optional=_OPTIONAL), environment)
    yield Finding("9", "optional parts loaded by a start", loaded, 0, loaded, 0, "modules")


def _start(code: str, environment: Mapping[str, str]) -> Round:
    return partial(_output, _TIMED.format(code), environment)


def _output(code: str, environment: Mapping[str, str]) -> float:
    """The number that a process prints."""
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(ran.stdout)
