"""`check` warns before a token or a Graph version ends and of an address that leads elsewhere; `setup`
explains each refusal."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask, request
from prometheus_client import CollectorRegistry

from bot_linking import metrics
from bot_linking.doors.findings import Finding
from bot_linking.messenger.graph import GraphError
from bot_linking.messenger.refusals import TABLE, About
from bot_linking.operators.address_checks import check_handshake
from bot_linking.operators.ends_checks import check_token, check_version
from bot_linking.operators.setup import _remedy
from bot_linking.operators.upkeep import _note
from bot_linking.testing import BotServer
from tests.bots import Bot, NewBot

from .test_commands import Shell, shell

__all__ = ["shell"]
NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("v26.0", None),
        ("v25.0", None),
        ("v99.0", None),
        ("v21.0", "ends on 2027-01-21, in 51 days"),
        ("v20.0", "ended on 2026-09-24"),
        ("v2.6", "v2.6 has ended"),
        ("v9.0", "v9.0 has ended"),
    ],
)
def test_a_graph_version_that_ends_within_ninety_days_is_wrong(version: str, said: str | None) -> None:
    findings = list(check_version(version, NOW.date()))
    assert [finding.state for finding in findings] == (["wrong"] if said else [])
    assert not said or (said in findings[0].what and "BOT_LINKING_GRAPH_VERSION" in findings[0].what)
    assert list(check_version("v21.0", date(2026, 10, 1))) == []


class App:
    """A Graph that says the same of every token."""

    def __init__(self, told: Any) -> None:
        self.told = told

    def get(self, path: str, **parameters: str) -> dict[str, Any]:
        assert (path, parameters) == ("debug_token", {"input_token": "EAAG-secret"})
        if isinstance(self.told, Exception):
            raise self.told
        return {"data": self.told}


def _in(days: float) -> int:
    return int((NOW + timedelta(days=days)).timestamp())


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"is_valid": True, "expires_at": 0, "data_access_expires_at": _in(60)}, None),
        ({"is_valid": True, "expires_at": _in(8)}, None),
        ({"is_valid": True, "expires_at": _in(6)}, "ends on 2026-12-07, in 6 days"),
        ({"is_valid": True, "expires_at": 0, "data_access_expires_at": _in(2)}, "ends on 2026-12-03"),
        ({"is_valid": True, "expires_at": _in(-1)}, "has ended"),
        ({"is_valid": False}, "is not good any more"),
        ({}, None),
        (None, None),
        (GraphError("refused", code=190), None),
    ],
)
def test_a_token_that_ends_within_seven_days_is_wrong_and_never_shown(told: Any, said: str | None) -> None:
    findings = list(check_token(App(told), "EAAG-secret", NOW))  # type: ignore[arg-type]
    assert [finding.state for finding in findings] == (["wrong"] if said else [])
    for finding in findings:
        assert said is not None
        assert said in finding.what
        assert "page rotate" in finding.what
        assert "EAAG" not in finding.what


def test_a_public_address_that_does_not_answer_our_handshake_is_wrong(
    shell: Shell, bot_server: BotServer
) -> None:
    assert "/linking/webhook answers Messenger's handshake" in shell.quick("check").out
    bot_server.serve(Flask("another"))
    elsewhere = shell.quick("check")
    assert elsewhere.status == 1
    assert "answers 404 and not Messenger's handshake" in elsewhere.out
    nowhere = shell.quick("check", BOT_LINKING_PUBLIC_URL="http://127.0.0.1:9")
    assert nowhere.status == 1
    assert "cannot be reached from here" in nowhere.out
    assert "start the bot" in nowhere.out
    assert "verify" not in nowhere.out + elsewhere.out


def test_the_handshake_is_asked_for_at_the_bots_own_webhook(new_bot: NewBot, bot_server: BotServer) -> None:
    bot = new_bot(PUBLIC_URL=bot_server.url)
    bot.app.add_url_rule("/messages", view_func=bot.linking.webhook(lambda: "ok"), methods=["POST"])
    public = Flask("public")
    public.add_url_rule("/messages", "webhook", lambda: request.args["hub.challenge"])
    bot_server.serve(public)
    (finding,) = check_handshake(bot.linking._here())
    assert finding == Finding("ok", f"{bot_server.url}/messages answers Messenger's handshake")


def test_what_a_watch_found_last_is_a_metric(bot: Bot) -> None:
    registry = CollectorRegistry()
    metrics.watch(bot.linking, registry)

    def wrong() -> float | None:
        return registry.get_sample_value("bot_linking_check_wrong")

    assert wrong() is None
    for found in (2, 0, 3):
        _note(lambda: bot.linking._here(), found)
        assert wrong() == found
        bot.clock.advance(60)
    bot.clock.advance(3600)
    assert wrong() is None


@pytest.mark.parametrize("what", ["the page's subscription", "the page's profile", "the app's subscription"])
def test_each_refusal_of_graph_names_what_is_missing_and_where_it_is_mended(what: str) -> None:
    """For every row of the table of refusals."""
    for row in TABLE:
        error = GraphError(
            f"refused: {row.says}", status=400, code=row.codes[0], subcode=row.subcode, message=row.says
        )
        remedy = _remedy(error, what)
        if row.about in (About.PAGE, About.PERSON):
            assert "dashboard" in remedy, row
        if row.cause in ("token", "secret") and what.startswith("the page"):
            assert "token" in remedy or "secret" in remedy, row
        if row.cause == "permission":
            assert "permission" in remedy, row
            assert "administrator of the page" in remedy, row
