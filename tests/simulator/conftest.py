"""A simulator that posts to a small bot, both over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot_linking.simulator import Simulator

from .receiving_bot import Clock, GraphClient, ReceivingBot


@pytest.fixture
def bot() -> Iterator[ReceivingBot]:
    receiver = ReceivingBot()
    yield receiver
    receiver.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sim(bot: ReceivingBot, clock: Clock) -> Iterator[Simulator]:
    with Simulator(bot.webhook_url, clock=clock, retry_pauses=(0.02, 0.02)) as simulator:
        bot.verify_token = simulator.verify_token
        yield simulator


@pytest.fixture
def graph(sim: Simulator) -> GraphClient:
    return GraphClient(sim)
