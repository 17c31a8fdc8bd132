"""The pytest plugin: fixtures only, each a plain object that works without pytest, too.

See `bot_linking.testing` for how a test looks. What a fixture needs is imported when it is first used, so
that test runs which do not use it are not slowed down.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bot_linking.simulator import Simulator
    from bot_linking.testing.server import BotServer
    from bot_linking.testing.walk import LinkingWalk


@pytest.fixture
def messenger() -> Iterator[Simulator]:
    """A running `bot_linking.simulator.Simulator` on a free port of this machine.

    `messenger.settings_for_bot()` configures the bot, `messenger.webhook_url = ...` says where it listens,
    `messenger.say(psid, text)` talks to it, `messenger.messages(psid)` is what it answered, and
    `messenger.switches` makes Messenger misbehave.

        def test_the_bot_offers_help(messenger, bot_server):
            bot_server.serve(create_app(messenger.settings_for_bot() | {...}))
            messenger.webhook_url = bot_server.url + "/webhook"
            ada = messenger.people[0].psid
            messenger.say(ada, "help")
            assert messenger.wait_until(lambda: messenger.messages(ada))
    """
    from bot_linking.simulator import Simulator

    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def bot_server() -> Iterator[BotServer]:
    """A `bot_linking.testing.BotServer`: `url` is good at once, `serve(app)` when there is an app."""
    from bot_linking.testing.server import BotServer

    with BotServer() as server:
        yield server


@pytest.fixture
def linking_walk(messenger: Simulator) -> Iterator[LinkingWalk]:
    """A `bot_linking.testing.LinkingWalk`: a person who walks the linking pages of the bot.

    def test_cancelling_links_nobody(messenger, bot_server, linking_walk):
        ...
        linking_walk.open(ada)
        linking_walk.cancel()
        assert not messenger.is_linked(ada)
    """
    from bot_linking.testing.walk import LinkingWalk

    with LinkingWalk(messenger) as walk:
        yield walk
