"""The policy holds at every door: a chat of Ada's account is to be linked to Grace's, by each way in turn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from bot_linking import Account
from bot_linking.account_link_api.keys import Keys
from bot_linking.core.conflicts import Conflict
from bot_linking.core.events import AccountLinked
from tests.bots import Bot, NewBot
from tests.people import ADA, GRACE, Site
from tests.stores.given import link
from tests.ways.test_chat import payloads, quick_reply
from tests.ways.test_pages import digits_on, enter, path_of, say, signed_request
from tests.wire import PAGE, PSID, TOKEN, batch, linked_event

MAC_PSID = "24680135799999"  # another chat of Grace's
Door = Callable[[Bot, Path], int]


def _consent(bot: Bot, browser: Any) -> int:
    """The status of the page that asks, or of the button that links."""
    page = browser.sign_in("grace", "hopper-1906")
    return int(page.status_code if page.status_code != 200 else browser.submit("consent").status_code)


def by_login(bot: Bot, _: Path) -> int:
    browser = bot.browser()
    browser.open(TOKEN)
    page = browser.sign_in("grace", "hopper-1906")
    if page.status_code != 200:
        return page.status_code
    code = browser.consent().rpartition("authorization_code=")[2]
    return bot.post(batch(linked_event(code, at=bot.clock.ms))).status_code


def by_web(bot: Bot, _: Path) -> int:
    browser = bot.browser()
    browser.get(path_of(bot.linking.web_link(PSID)))
    if (status := _consent(bot, browser)) == 303:
        say(bot, digits_on(browser.follow()))
    return status


def by_menu(bot: Bot, _: Path) -> int:
    return _consent(bot, enter(bot, signed_request(bot.clock())))


def by_chat(bot: Bot, _: Path) -> int:
    bot.linking.delivery.drain()
    bot.graph.calls.clear()
    status = bot.post(batch(_text(bot.linking.chat_link(GRACE).code))).status_code
    bot.linking.delivery.drain()
    asked = [body["message"] for body in bot.graph.sent if "quick_replies" in body["message"]]
    if asked:
        status = bot.post(batch(quick_reply(payloads(asked[-1])["Connect"]))).status_code
    return status


def _text(text: str) -> dict[str, Any]:
    return {"sender": {"id": PSID}, "recipient": {"id": PAGE}, "message": {"mid": "m", "text": text}}


def by_api(bot: Bot, _: Path) -> int:
    key = Keys(bot.linking.core).create(f"site at {bot.clock.ms}")
    body = {
        "request": {"method": "account_link", "id": "1", "meta": ""},
        "recipient": {"id": PSID},
        "account_linking": {"status": "linked", "username": "grace"},
    }
    return bot.client().post("/linking/api", json=body, headers={"APIKEY": key}).status_code


def by_command(bot: Bot, _: Path, *more: str) -> int:
    command = ["linking", "link", PSID, "--username", "grace", *more]
    return bot.app.test_cli_runner().invoke(args=command).exit_code


def by_import(bot: Bot, folder: Path, *more: str) -> int:
    listed = folder / "links.jsonl"
    listed.write_text(json.dumps({"page_id": PAGE, "psid": PSID, "account_id": GRACE.id}))
    return bot.app.test_cli_runner().invoke(args=["linking", "import", str(listed), *more]).exit_code


DOORS: dict[str, Door] = {
    "login": by_login, "web": by_web, "menu": by_menu, "chat": by_chat, "api": by_api, "cli": by_command,
    "import": by_import,
}  # fmt: skip
COMMANDS = ("cli", "import")


@pytest.fixture
def make(new_bot: NewBot, site: Site) -> Callable[..., Bot]:
    """A bot with this policy, Ada's chat linked, and a second chat of Grace."""

    def resolve(username: str | None, _email: str | None, _phone_number: str | None) -> Account | None:
        return site.accounts.get(username or "")

    def bot_with(policy: Any) -> Bot:
        bot = new_bot(APP_ID="42", on_conflict="move", resolve_account=resolve)
        for account, psid in ((ADA, PSID), (GRACE, MAC_PSID)):
            assert isinstance(link(bot.linking.store, account, psid=psid, now=bot.clock.ms), AccountLinked)
        bot.linking.core.policy = type(bot.linking.core.policy)(policy)
        bot.clock.advance(1)
        return bot

    return bot_with


def account_of(bot: Bot, psid: str = PSID) -> str | None:
    link = bot.linking.link_of(psid)
    return link.account_id if link else None


@pytest.mark.parametrize("door", DOORS)
def test_move_moves(make: Callable[..., Bot], tmp_path: Path, door: str) -> None:
    bot = make("move")
    DOORS[door](bot, tmp_path)
    assert (account_of(bot), account_of(bot, MAC_PSID)) == ("2", "2")
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.source == door


@pytest.mark.parametrize("door", DOORS)
def test_refuse_refuses_with_a_page_a_sentence_or_a_status(
    make: Callable[..., Bot], tmp_path: Path, door: str
) -> None:
    bot = make("refuse")
    status = DOORS[door](bot, tmp_path)
    assert account_of(bot) == "1"
    assert status == {"chat": 200, "cli": 1, "import": 1}.get(door, 409)
    if door in COMMANDS:
        assert (by_command if door == "cli" else by_import)(bot, tmp_path, "--replace") == 1
        assert account_of(bot) == "1"


@pytest.mark.parametrize("word", ["ask", "one_chat"])
@pytest.mark.parametrize("door", DOORS)
def test_who_can_ask_asks_and_who_cannot_moves_or_wants_to_be_told(
    make: Callable[..., Bot], tmp_path: Path, door: str, word: str
) -> None:
    """The pages and the chat name Ada's account first, the API moves the chat, and the commands need
    `--replace`."""
    bot = make(word)
    status = DOORS[door](bot, tmp_path)
    if door in COMMANDS:
        assert (status, account_of(bot), account_of(bot, MAC_PSID)) == (1, "1", "2")
        assert (by_command if door == "cli" else by_import)(bot, tmp_path, "--replace") == 0
    assert account_of(bot) == "2"
    assert account_of(bot, MAC_PSID) == ("2" if word == "ask" else None)


@pytest.mark.parametrize("door", DOORS)
def test_a_policy_that_fails_changes_nothing_and_is_asked_again(
    make: Callable[..., Bot], tmp_path: Path, door: str
) -> None:
    def broken(conflict: Conflict) -> NoReturn:
        raise RuntimeError("the site is away")

    bot = make(broken)
    status = DOORS[door](bot, tmp_path)
    assert account_of(bot) == "1"
    assert status == (1 if door in COMMANDS else 503)


@pytest.mark.parametrize("door", DOORS)
def test_a_policy_of_the_hosts_own_sees_the_way(make: Callable[..., Bot], tmp_path: Path, door: str) -> None:
    seen = list[Conflict]()

    def decide(conflict: Conflict) -> str:
        seen.append(conflict)
        return "move"

    bot = make(decide)
    DOORS[door](bot, tmp_path)
    assert account_of(bot) == "2"
    assert seen
    for conflict in seen:
        assert (conflict.link and conflict.link.account_id, conflict.account.id) == ("1", "2")
        assert [each.psid for each in conflict.other_chats] == [MAC_PSID]
        assert conflict.source == door


@pytest.mark.parametrize("door", DOORS)
def test_a_pair_that_was_undone_is_barred_at_every_door_for_a_day(
    make: Callable[..., Bot], tmp_path: Path, door: str
) -> None:
    bot = make("move")
    by_command(bot, tmp_path)
    assert bot.linking.undo(PSID)
    bot.clock.advance(1)
    DOORS[door](bot, tmp_path)
    assert account_of(bot) == "1"
    bot.linking.delivery.drain()
    if door in {"login", "web", "menu", "chat"}:
        assert "Try again tomorrow." in bot.graph.sent[-1]["message"]["text"]
    bot.clock.advance(86_401)
    bot.graph.owners[TOKEN] = PSID
    DOORS[door](bot, tmp_path)
    assert account_of(bot) == "2"
