"""A receiver is called until it is disconnected, wherever it was defined."""

from __future__ import annotations

import gc
import re
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

import bot_linking
from bot_linking import account_linked, account_unlinked, signals
from bot_linking.core import events
from tests.bots import Bot, NewBot
from tests.wire import PSID


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Disconnect what the test has connected."""
    before = {signal: dict(signal.receivers) for signal in signals._BY_EVENT.values()}
    yield
    for signal, receivers in before.items():
        for receiver in [each for key, each in signal.receivers.items() if key not in receivers]:
            signal.disconnect(receiver)


def connect_in_a_factory(told: list[Any], app: Any = None) -> None:
    """Connect as a host's `create_app` does: afterwards only the signal holds these functions."""
    of_app = {} if app is None else {"sender": app}

    @account_linked.connect
    def greet(app: Any, event: Any) -> None:
        told.append(type(event).__name__)

    account_unlinked.connect(lambda app, event: told.append(type(event).__name__), **of_app)
    gc.collect()


def test_a_receiver_that_was_connected_in_a_factory_is_called(bot: Bot) -> None:
    told: list[Any] = []
    connect_in_a_factory(told, bot.app)
    bot.link()
    bot.linking.unlink(PSID)
    assert told == ["AccountLinked", "AccountUnlinked"]


def test_a_method_of_an_object_that_nothing_else_knows_is_called(bot: Bot) -> None:
    told: list[Any] = []

    class Watcher:
        def hear(self, app: Any, event: Any) -> None:
            told.append(event)

    account_linked.connect(Watcher().hear)
    gc.collect()
    bot.link()
    assert len(told) == 1


def test_a_receiver_of_every_app_outlives_the_app_that_it_is_connected_for_too(
    new_bot: NewBot, tmp_path: Any
) -> None:
    told: list[Any] = []

    def connect(app: Any) -> None:
        def hear(app: Any, event: Any) -> None:
            told.append(event)

        account_linked.connect(hear)
        account_linked.connect(hear, sender=app)

    connect(Flask("another"))
    gc.collect()
    new_bot().link()
    assert len(told) == 1


def test_an_app_keeps_no_receiver_that_was_disconnected(bot: Bot) -> None:
    for _ in range(3):
        heard = weakref.ref(listen_for_a_while(bot.app))
        gc.collect()
        assert heard() is None


def listen_for_a_while(app: Any) -> Any:
    def hear(app: Any, event: Any) -> None:
        raise AssertionError(event)

    account_linked.connect(hear, sender=app)
    account_linked.connect(hear, sender=app)
    account_linked.disconnect(hear)
    with account_linked.connected_to(hear, sender=app):
        pass
    return hear


def test_a_receiver_hears_of_its_own_app_only(new_bot: NewBot, tmp_path: Any) -> None:
    told: list[Any] = []
    one = new_bot()
    other = new_bot(DATABASE=f"sqlite:///{tmp_path}/other.db")
    account_linked.connect(lambda app, event: told.append(app), sender=other.app)
    gc.collect()
    one.link()
    assert told == []
    other.link()
    assert told == [other.app]


def test_a_receiver_can_be_disconnected_and_can_ask_to_be_held_weakly(bot: Bot) -> None:
    told: list[Any] = []

    def hear(app: Any, event: Any) -> None:
        told.append(event)

    account_linked.connect(hear)
    account_linked.disconnect(hear)
    account_linked.connect(lambda app, event: told.append(event), weak=True)
    gc.collect()
    bot.link()
    assert told == []


def test_every_signal_of_the_front_door_keeps_its_receivers() -> None:
    public = [
        value
        for name in bot_linking.__all__
        if isinstance(value := getattr(bot_linking, name), signals.Signal)
    ]
    assert len(public) == len(signals._BY_EVENT)
    for signal in public:
        signal.connect(lambda app, event: None)
        gc.collect()
        assert list(signal.receivers_for(None))


def test_each_event_is_carried_by_one_signal_and_exported_with_it() -> None:
    """A class of `core.events` and the line below it are all that a signal needs."""
    classes = [each for each in vars(events).values() if isinstance(each, type)]
    happenings = [
        each for each in classes if issubclass(each, events.Happening) and each is not events.Happening
    ]
    assert len(happenings) == len(signals._BY_EVENT) > 10
    for event in happenings:
        signal = signals._BY_EVENT[event]
        name = signal.name.replace("-", "_")
        assert getattr(bot_linking, event.__name__) is event
        assert getattr(bot_linking, name) is getattr(signals, name) is signal
        assert {name, event.__name__} <= set(bot_linking.__all__)
        assert name == re.sub(r"(?<!^)(?=[A-Z])", "_", event.__name__).lower()
