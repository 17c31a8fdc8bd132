"""What this room's tests share: a shop with ExternalAccount and without a bot, over HTTP, and its callers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from bot_linking.external_account import ExternalAccount
from bot_linking.testing import BotServer
from tests.bots import Clock
from tests.stores.given import DATABASES

from .shop import KEYS, OTHER_USER, USER, MakeShop, Shop


@pytest.fixture
def new_shop(tmp_path: Path, clock: Clock) -> Iterator[MakeShop]:
    """Makes sites: `new_shop(EXTERNAL_TOKEN_AGE=60, may_bind=...)`. Keys in capitals are settings."""
    made: list[tuple[Shop, BotServer]] = []

    def make(database: str | None = None, **given: Any) -> Shop:
        app = Flask(f"tests.shop{len(made)}", instance_path=str(tmp_path))
        app.config["BOT_LINKING_DATABASE"] = database or f"sqlite:///{tmp_path}/shop.db"
        app.config["BOT_LINKING_EXTERNAL_KEYS"] = KEYS
        app.config.update({f"BOT_LINKING_{key}": value for key, value in given.items() if key.isupper()})
        arguments = {key: value for key, value in given.items() if not key.isupper()}
        external = ExternalAccount(app, clock=clock, **arguments)
        app.register_blueprint(external.blueprint)
        server = BotServer()
        server.serve(app)
        back_end = external.create_app("shop")
        user, other = (external.create_token("shop", user_id) for user_id in (USER, OTHER_USER))
        shop = Shop(app, external, server.url, clock, back_end, user, other)
        shop.session.trust_env = False
        made.append((shop, server))
        return shop

    yield make
    for shop, server in made:
        shop.session.close()
        server.close()
        shop.external._here()._store.close()


@pytest.fixture
def shop(new_shop: MakeShop) -> Shop:
    return new_shop()


@pytest.fixture(params=sorted(DATABASES))
def any_shop(request: pytest.FixtureRequest, new_shop: MakeShop, tmp_path: Path) -> Iterator[Shop]:
    """A shop on a database of each kind in turn."""
    with DATABASES[request.param](tmp_path) as address:
        yield new_shop(address)
