"""Where a link is saved. `open_store("sqlite:////var/lib/bot/links.db")` chooses the engine by its scheme.

Begin with `store`, which composes the families, and `links`, the largest of them. To add a store: an engine
that keeps the contract in `engine`, its scheme here, and its address in `DATABASES` and `PLACES` of
`tests/stores/given.py`; the contract suite then runs over it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bot_linking.core.errors import ConfigurationError

if TYPE_CHECKING:
    from bot_linking.core.ports import Counters
    from bot_linking.stores.engine import Engine
    from bot_linking.stores.opening import Command
    from bot_linking.stores.store import SQLStore


def open_store(
    url: str, *, create: bool = True, only_look: bool = False, command: Command | None = None
) -> SQLStore:
    """The store at this address, with its tables brought up to date. Drivers are imported late. A missing
    database is made, unless `create` is false. With `only_look` nothing is changed before the store is used.
    `command` is the one that this process runs, if it is one of ours.

    `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://user:password@host/name`. Raises
    `ConfigurationError` for another scheme, a missing driver, or a database that needs a newer release. A
    database that is away raises nothing here: the store's methods raise `StoreUnavailable` until it is back,
    and then bring its tables up to date.
    """
    from bot_linking.stores.store import SQLStore

    engine = _engine(url, create=create)
    engine.opening.command = command
    engine.opening.start(only_look=only_look)
    return SQLStore(engine)


def sqlite_file(url: str) -> Path | None:
    """The file of a `sqlite:///` address; None for another database's address."""
    path = url.removeprefix("sqlite:///")
    return Path(path) if path and path != url else None


def _engine(url: str, *, create: bool) -> Engine:
    if (path := sqlite_file(url)) is not None:
        from bot_linking.stores.sqlite.engine import SQLiteEngine

        return SQLiteEngine(path, create=create)
    if url.startswith(("postgresql://", "postgres://")):
        return _postgres(url, create=create)
    raise ConfigurationError("BOT_LINKING_DATABASE", "must be sqlite:///path or postgresql://...")


def open_counters(url: str | None, store: SQLStore) -> Counters:
    """Throttle counters in the Redis at this address, with the store behind them; without an address, the
    store itself. The first count connects. Raises `ConfigurationError` for a missing driver."""
    if url is None:
        return store
    try:
        from bot_linking.stores.redis_counters import RedisCounters
    except ImportError:
        problem = "needs Redis's driver: the extra bot-linking[redis]"
        raise ConfigurationError("BOT_LINKING_THROTTLE", problem) from None
    return RedisCounters(url, store)


def _postgres(url: str, *, create: bool) -> Engine:
    try:
        import psycopg as _driver  # noqa: F401
    except ImportError:
        problem = "needs PostgreSQL's driver: the extra bot-linking[postgres]"
        raise ConfigurationError("BOT_LINKING_DATABASE", problem) from None
    from bot_linking.stores.postgres.engine import PostgresEngine

    return PostgresEngine(url, create=create)
