"""A webhook without our events costs the store nothing, or one indexed read, with all ways on."""

from __future__ import annotations

from typing import Any

import pytest

from bot_linking.stores.sqlite.engine import SQLiteEngine
from tests.bots import NewBot
from tests.ways.test_chat import Hosted, chat
from tests.wire import PAGE, message_event

ALL_WAYS = {"APP_ID": "42", "OFFER_WEB": True, "PAGE_USERNAME": "acme", "WAYS": "login,web"}


class Counted:
    """How often the store was read and written."""

    def __init__(self, hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads: list[tuple[str, dict[str, Any]]] = []
        self.writes = 0
        engine = hosted.bot.linking.store.engine
        read, read_link, write = engine.read, engine.read_link, engine.write

        def note_read(name: str, **values: Any) -> Any:
            self.reads.append((name, values))
            return read(name, **values)

        def note_link(page_id: str, psid: str) -> Any:
            self.reads.append(("find_link", {"page_id": page_id, "psid": psid}))
            return read_link(page_id, psid)

        def note_write(work: Any) -> Any:
            self.writes += 1
            return write(work)

        monkeypatch.setattr(engine, "read", note_read)
        monkeypatch.setattr(engine, "read_link", note_link)
        monkeypatch.setattr(engine, "write", note_write)


@pytest.fixture
def hosted(new_bot: NewBot) -> Hosted:
    return Hosted(new_bot, **ALL_WAYS)


@pytest.mark.parametrize(
    ("event", "reads"),
    [
        (message_event("hello"), 0),
        (message_event("my number is 123456"), 0),
        (message_event("123456"), 1),
        (message_event("123 456"), 1),
        (chat(referral={"ref": "summer-sale", "source": "SHORTLINK", "type": "OPEN_THREAD"}), 0),
        (chat(postback={"title": "Go", "payload": "START", "referral": {"ref": "summer-sale"}}), 0),
        (chat(message={"mid": "m", "text": "Red", "quick_reply": {"payload": "COLOUR_RED"}}), 0),
    ],
)
def test_an_event_that_is_not_ours_costs_at_most_one_read_and_no_write(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch, event: dict[str, Any], reads: int
) -> None:
    hosted.post(event)  # the first request looks around
    counted = Counted(hosted, monkeypatch)
    assert hosted.post(event) == 200
    assert len(counted.reads) == reads
    assert counted.writes == 0
    assert hosted.heard[-1] == event


def test_the_one_read_goes_by_indexes(hosted: Hosted) -> None:
    engine = hosted.bot.linking.store.engine
    assert isinstance(engine, SQLiteEngine)
    hosted.bot.linking.store.check()
    connection = engine._mine.handle.connection
    assert connection is not None
    values = {"page_id": PAGE, "psid": "1", "key": "typed:x", "now": 0}
    plan = connection.execute(f"explain query plan {engine.statements['find_typed']}", values).fetchall()
    tables = [str(row[-1]) for row in plan if str(row[-1]).startswith(("SCAN", "SEARCH"))]
    scans = [each for each in tables if each.startswith("SCAN") and "CONSTANT" not in each]
    assert [each for each in scans if "limited" not in each] == []  # which is one row
    assert any("codes_by_typed" in each for each in tables)
