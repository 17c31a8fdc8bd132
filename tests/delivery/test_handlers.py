"""A kind of entry is one method under `@handles`, and one row in the guide of the room."""

from __future__ import annotations

import re

from bot_linking.delivery.handlers import handlers_of
from bot_linking.messenger.deliveries import Deliveries
from tests.bots import Bot
from tests.house.tree import PACKAGE, ROOT

GUIDE = ROOT / PACKAGE / "delivery" / "README.md"


def test_each_kind_that_an_app_handles_has_a_row_in_the_guide(bot: Bot) -> None:
    handled = bot.linking.delivery.handlers
    rows = re.findall(r"^\| `(\w+)` \|", GUIDE.read_text("utf-8").split("## Who sends")[0], re.MULTILINE)
    assert sorted(rows) == sorted(handled)
    owners = {handler.__self__ for handler in handled.values()}  # type: ignore[attr-defined]
    assert sum(len(handlers_of(owner)) for owner in owners) == len(handled), "two methods handle one kind"


def test_a_handler_is_the_method_of_its_own_object(bot: Bot) -> None:
    (one, other) = (object.__new__(Deliveries), object.__new__(Deliveries))
    assert handlers_of(one)["sorry"] == one.say_sorry != other.say_sorry
