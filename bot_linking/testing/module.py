"""A bot that is a module with `app = Flask(__name__)`, imported afresh for each test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

_PREFIX = "BOT_LINKING_"


@contextmanager
def fresh_module(name: str, settings: Mapping[str, str], *, also: Sequence[str] = ()) -> Iterator[ModuleType]:
    """Import a module with these settings in the environment, as if for the first time.

    Its whole package is imported afresh, and the top-level modules in `also`. No other `BOT_LINKING_`
    variable reaches the bot. Leaving the context puts the environment and the modules back.
    """
    tops = {name.partition(".")[0], *also}
    environment, modules = dict(os.environ), _take_out(tops)
    _set_environment({**_without_ours(environment), **settings})
    try:
        yield import_module(name)
    finally:
        _take_out(tops)
        sys.modules.update(modules)
        _set_environment(environment)


def app_of(module: ModuleType, name: str | None = None) -> Any:
    """The Flask app of a module: the attribute of this name, else `app`, `application` or `create_app()`.

    Raises `LookupError` when there is none.
    """
    for each in [name] if name else ["app", "application", "create_app"]:
        found = getattr(module, each, None)
        if found is not None:
            return found if hasattr(found, "wsgi_app") else found()
    raise LookupError(f"{module.__name__} has no {name or 'app'}")


def _take_out(tops: set[str]) -> dict[str, ModuleType]:
    names = [each for each in sys.modules if each in tops or each.partition(".")[0] in tops]
    return {each: sys.modules.pop(each) for each in names}


def _without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(_PREFIX)}


def _set_environment(wanted: Mapping[str, str]) -> None:
    for name in [each for each in os.environ if each not in wanted]:
        del os.environ[name]
    os.environ.update(wanted)
