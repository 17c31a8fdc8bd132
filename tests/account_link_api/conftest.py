"""What this room's tests share: a key, and a caller with that key."""

from __future__ import annotations

from typing import Any

import pytest

from bot_linking.account_link_api.keys import Keys
from tests.bots import NewBot

from .calls import Caller, MakeCaller


@pytest.fixture
def new_caller(new_bot: NewBot) -> MakeCaller:
    """Makes a bot as `new_bot` does, with a key for it; `pages` scopes the key."""

    def make(*, pages: tuple[str, ...] = (), **given: Any) -> Caller:
        bot = new_bot(**given)
        return Caller(bot, Keys(bot.linking.core).create("site", pages))

    return make


@pytest.fixture
def caller(new_caller: MakeCaller) -> Caller:
    return new_caller()
