"""The pytest plugin: each fixture is a plain object that works without pytest, too.

`bot_linking.testing` shows a whole test. A fixture imports what it needs when it is first used, so that other
test runs stay as quick as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask import Flask

    from bot_linking.simulator import Simulator
    from bot_linking.testing.server import BotServer
    from bot_linking.testing.walk import LinkingWalk


@pytest.fixture
def messenger() -> Iterator[Simulator]:
    """A running `bot_linking.simulator.Simulator` on a free port of this machine.

    `messenger.settings_for_bot()` configures the bot, `messenger.webhook_url = ...` says where it listens,
    `messenger.say(psid, text)` talks to it, `messenger.messages(psid)` is what it answered, and
    `messenger.switches` makes Messenger fail.

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
    """A `bot_linking.testing.BotServer`: `url` is known at once, `serve(app)` comes when there is an app."""
    from bot_linking.testing.server import BotServer

    with BotServer() as server:
        yield server


@pytest.fixture
def module_bot(messenger: Simulator, bot_server: BotServer, tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """A function that serves a bot of a module with `app = Flask(__name__)`, set up for `messenger`.

        def test_the_bot_greets(module_bot, messenger):
            module_bot("shop.bot")                       # or "shop.bot:the_app", or with webhook="/hook"
            messenger.say(messenger.people[0].psid, "hello")
            ...

    The module is imported afresh in each test, with its settings in the environment and a database of its
    own. `also=["shop_linking"]` names top-level modules to import afresh with it; `settings={...}` are
    further environment variables. The function returns the app.
    """
    from bot_linking.testing.module import app_of, fresh_module

    with ExitStack() as modules:

        def serve(
            name: str,
            *,
            webhook: str = "/webhook",
            also: Sequence[str] = (),
            settings: Mapping[str, str] | None = None,
        ) -> Flask:
            module_name, _, app_name = name.partition(":")
            database = {"BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/links.db"}
            wanted = {**messenger.settings_for_bot(bot_server.url), **database, **(settings or {})}
            module = modules.enter_context(fresh_module(module_name, wanted, also=also))
            app: Flask = app_of(module, app_name or None)
            bot_server.serve(app)
            messenger.webhook_url = bot_server.url + webhook
            return app

        yield serve


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
