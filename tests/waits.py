"""How long a store waits for a lock, a connection or an answer. The product waits no longer than a webhook
may take, which beside other work is too short even for what nothing holds up. So the stores of the tests
wait longer, unless a test is about the product's own waits or shortens them for what is to fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pytest

from bot_linking.stores import opening
from bot_linking.stores.sqlite import engine, file, files, threads

LONG_S = 60.0
_SQLITE = (engine, file, threads)
_long: list[tuple[Any, str, Any]] = [(module, "BUSY_TIMEOUT_S", LONG_S) for module in _SQLITE]
_long += [(files, "_WAIT_S", LONG_S), (opening, "PATIENCE_S", LONG_S)]
if find_spec("psycopg") is not None:
    from bot_linking.stores.postgres import engine as postgres
    from bot_linking.stores.postgres import pool, sessions

    def _settings(**seconds: float) -> dict[str, str]:
        return sessions._SETTINGS | {name: f"'{int(1000 * given)}'" for name, given in seconds.items()}

    def _of_a_session(settings: dict[str, str]) -> bytes:
        return sessions._set(settings | sessions._DEFAULTS, local=False)

    _patient = _settings(statement_timeout=LONG_S, lock_timeout=LONG_S)
    _begin, _ = sessions.BEGIN_WITH_SETTINGS
    _long += [
        (pool, "OF_A_SESSION", _of_a_session(_patient)),
        (pool, "BEGIN_WITH_SETTINGS", (_begin, sessions._set(_patient, local=True))),
        (pool, "STATEMENT_S", LONG_S),
        (pool, "PATIENCE_S", LONG_S + 10),
        (postgres, "LONGEST_TRY_S", LONG_S),
    ]
if find_spec("redis") is not None:
    from bot_linking.stores import redis_counters

    _long += [(redis_counters, "ANSWER_S", LONG_S / 4)]
_own = [(module, name, getattr(module, name)) for module, name, _ in _long]


@contextmanager
def long_waits() -> Iterator[None]:
    """In this block the stores of this process wait a minute, and for Redis a quarter of one."""
    with pytest.MonkeyPatch.context() as patch:
        _set(_long, patch)
        yield


def product_waits(patch: pytest.MonkeyPatch) -> None:
    """Let stores that connect from now on wait as the product does."""
    _set(_own, patch)


def short_waits(kind: str, patch: pytest.MonkeyPatch, seconds: float = 0.5) -> None:
    """Let stores of this kind that connect from now on wait so long for a lock, and no longer."""
    if kind == "sqlite":
        _set([(module, "BUSY_TIMEOUT_S", seconds) for module in _SQLITE], patch)
    else:
        _set([(pool, "OF_A_SESSION", _of_a_session(_settings(lock_timeout=seconds)))], patch)


def _set(values: list[tuple[Any, str, Any]], patch: pytest.MonkeyPatch) -> None:
    for module, name, value in values:
        patch.setattr(module, name, value)
