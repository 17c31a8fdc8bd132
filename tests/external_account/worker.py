"""A process that binds accounts and uses a code while others do the same."""

from __future__ import annotations

from flask import Flask

from bot_linking.external_account import ExternalAccount, SecondFactorRefused
from bot_linking.external_account.accounts import Accounts
from bot_linking.external_account.errors import BoundToAnother
from tests.children import insisting
from tests.stores.processes import NOW, meet


def bind_and_pass(database: str, keys: str, user: int, code: str, processes: int) -> list[str]:
    """Bind forty pairs to one user, then use the code, once all processes have come so far. Returns what
    became of each."""
    app = Flask("worker", instance_path="/nonexistent")
    app.config.update(BOT_LINKING_DATABASE=database, BOT_LINKING_EXTERNAL_KEYS=keys)
    external = ExternalAccount(app, clock=lambda: NOW / 1000)
    app.register_blueprint(external.blueprint)
    accounts, store = external._here().accounts, external._here()._store
    try:
        meet(store, processes)
        said = [_bind(accounts, user, number) for number in range(40)]
        return [*said, _use(external, code)]
    finally:
        store.close()


def _bind(accounts: Accounts, user: int, number: int) -> str:
    try:
        insisting(lambda: accounts.bind("shop", user, "wechat", f"pair{number}", 1))
    except BoundToAnother:
        return f"refused {number}"
    return f"bound {number}"


def _use(external: ExternalAccount, code: str) -> str:
    try:
        insisting(lambda: external.check_second_factor("shop", 7, code))
    except SecondFactorRefused:
        return "turned away"
    return "passed"
