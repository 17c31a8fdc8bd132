"""Graph's message reaches the log on one line, without any value that the call had sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from bot_linking.messenger.graph import Graph, GraphError
from tests.bots import Bot
from tests.messenger.wire import Wire, always, reply
from tests.wire import APP_SECRET, PAGE_TOKEN, PSID, TOKEN

WORDS = "The confirmation that nobody else should read"


def error_text(call: Callable[[Graph], object], message: object, trace: object = "AbC_-1+/=") -> str:
    """The error of a call that is answered with this message."""
    error = {"message": message, "code": 100, "fbtrace_id": trace}
    wire = Wire(always(reply(json.dumps({"error": error}).encode(), "400 X")))
    try:
        with pytest.raises(GraphError) as caught:
            call(Graph(PAGE_TOKEN, APP_SECRET, url=wire.url, version="v26.0"))
    finally:
        wire.close()
    return str(caught.value)


@pytest.mark.parametrize(
    "mark", ["\n", "\r", "\r\n", "\x00", "\x1b[2J", "\x85", "\u2028", "\u202e", "\x7f", "\ud800"], ids=ascii
)
def test_no_mark_of_graphs_ends_a_line_or_moves_a_cursor(mark: str) -> None:
    text = error_text(Graph.page_id, f"before{mark}after", f"a{mark}b")
    assert text.isprintable()
    assert "before" in text
    assert "after" in text


@pytest.mark.parametrize(
    "form", [str, quote, lambda value: quote(value, safe=""), lambda value: f"<{value}>"]
)
def test_an_echoed_linking_token_is_cut_out(form: Callable[[str], str]) -> None:
    text = error_text(lambda graph: graph.owner_of(TOKEN), f"Bad token {form(TOKEN)}: it has ended")
    assert TOKEN not in text
    assert TOKEN[:16] not in text
    assert text.endswith(": Bad token ***: it has ended (fbtrace_id AbC_-1+/=)") or "***" in text


def test_a_page_token_is_cut_out_even_in_pieces() -> None:
    for echoed in (PAGE_TOKEN, PAGE_TOKEN[:-3], PAGE_TOKEN[2:], f"{PAGE_TOKEN[:14]}..."):
        text = error_text(Graph.page_id, f"Malformed access token {echoed}")
        assert ": Malformed access token ***" in text


def test_a_token_at_the_end_of_what_is_kept_is_not_cut_in_two() -> None:
    for padding in range(150, 210, 7):
        text = error_text(Graph.page_id, "x " * (padding // 2) + PAGE_TOKEN + " end")
        assert PAGE_TOKEN[:12] not in text


def test_the_trace_holds_no_token_either() -> None:
    assert "fbtrace_id ***" in error_text(Graph.page_id, "no", PAGE_TOKEN[:40])


def test_what_the_message_said_and_to_whom_stays_out_of_the_error() -> None:
    body = {
        "recipient": {"id": PSID},
        "message": {"text": WORDS, "quick_replies": [{"payload": "Order 1042"}]},
    }
    text = error_text(
        lambda graph: graph.send(body), f"({PSID}) may not get {WORDS} or Order 1042 as RESPONSE"
    )
    assert ": (***) may not get *** or *** as RESPONSE" in text


def test_a_psid_in_the_address_stays_out_of_the_error() -> None:
    text = error_text(
        lambda graph: graph.profile_name(PSID), f"Object with ID '{PSID}' does not exist (recipient)"
    )
    assert ": Object with ID '***' does not exist (recipient)" in text


@pytest.mark.parametrize("message", [None, 7, ["x"], {"a": "b"}, "", True], ids=repr)
def test_words_of_an_odd_shape_are_no_second_error(message: object) -> None:
    assert error_text(Graph.page_id, message).startswith("Graph answered 400, code 100")


def test_a_dead_letter_and_its_log_line_are_one_line_each(bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    bot.link()
    bot.graph.failures["me/messages"] = {"code": 551, "message": f"no\n2026-01-01 ERROR forged {PAGE_TOKEN}"}
    bot.linking.delivery.drain()
    (dead,) = bot.linking.store.list_dead()
    assert dead.last_error is not None
    assert dead.last_error.isprintable()
    assert PAGE_TOKEN not in dead.last_error
    ours = [record for record in caplog.records if record.name == "bot_linking.delivery"]
    assert len(ours) == 1
    assert ours[0].getMessage().isprintable()
