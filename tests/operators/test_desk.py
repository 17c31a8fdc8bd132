"""The operator's page: who may open it, what it shows of a person; each action is confirmed, ticketed and
written down."""

from __future__ import annotations

import logging
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from bot_linking.account_link_api.keys import Keys
from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.ports.outbox import Pause, Postponed
from bot_linking.operators.desk.door import ACTS, LOOKS
from bot_linking.operators.desk.visit import LARGEST_FORM
from bot_linking.testing import forms_of
from tests.bots import Bot, NewBot
from tests.browser import Browser
from tests.wire import OTHER_PSID, PAGE, PSID, SITE, batch, message_event

ROOT = "/linking/operator"
EMAIL, PHONE = "ada@example.com", "+18900001111"


class Staff:
    """The host's own sign-in of its staff."""

    def __init__(self) -> None:
        self.name: Any = "Olivia"

    def __call__(self) -> Any:
        return self.name


class Desk(Browser):
    """An operator's browser."""

    def look(self, path: str = "", **query: str) -> TestResponse:
        return self.get(f"{ROOT}{path}?{urlencode(query)}" if query else f"{ROOT}{path}")

    def person(self, path: str = "", psid: str = PSID, **query: str) -> TestResponse:
        return self.look(f"/person{path}", page=PAGE, psid=psid, **query)

    def press(self, button: str) -> TestResponse:
        """Press the button of the only form that posts to this address, and follow the redirect."""
        (form,) = [
            form
            for form in forms_of(self.page.text)
            if "ticket" in form.fields and form.action.endswith(button)
        ]
        page = self.post(form.action, form.fields)
        return self.get(page.headers["Location"]) if page.status_code == 303 else page


def new_desk(bot: Bot) -> Desk:
    return Desk(bot.app, bot.linking.settings.public_url)


@pytest.fixture
def staff() -> Staff:
    return Staff()


@pytest.fixture
def bot(new_bot: NewBot, staff: Staff) -> Bot:
    bot = new_bot(operator=staff)
    bot.linking.core.bind(PSID, Identifiers("ada", EMAIL, PHONE), source="api")
    return bot


@pytest.fixture
def desk(bot: Bot) -> Desk:
    return new_desk(bot)


def words(page: TestResponse) -> str:
    """The text of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def rows_but(bot: Bot, *tables: str) -> dict[str, list[Any]]:
    return {name: rows for name, rows in bot.rows().items() if name not in tables}


# Who may open it


@pytest.mark.parametrize("path", ["", "/", "/people", "/person/unlink", "/nothing"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "PUT"])
def test_who_is_no_operator_gets_the_very_404_of_an_unknown_path(
    bot: Bot, staff: Staff, path: str, method: str
) -> None:
    staff.name = None

    def answer(address: str) -> tuple[int, str, list[tuple[str, str]]]:
        page = bot.client().open(address, method=method, base_url=SITE)
        return page.status_code, page.text, sorted(page.headers.items())

    unknown = answer(f"/linking/there-is-no-such-path{path}")
    assert unknown[0] == 404
    assert answer(ROOT + path) == unknown


@pytest.mark.parametrize("path", ["", "/people", "//people"])
@pytest.mark.parametrize("method", ["GET", "POST", "TRACE", "PROPFIND", "X"])
@pytest.mark.parametrize("up", ["/linking", "/linking/", "//linking"])
def test_neither_a_strange_method_nor_a_doubled_slash_tells_that_there_is_an_operators_page(
    bot: Bot, staff: Staff, path: str, method: str, up: str
) -> None:
    staff.name = None

    def answer(name: str) -> tuple[int, str, list[tuple[str, str]]]:
        page = bot.client().open(f"{up}/{name}{path}", method=method, base_url=SITE)
        return page.status_code, page.text, sorted(page.headers.items())

    assert answer("operator") == answer("there-is-no-such-path")


def test_without_the_callable_there_is_no_such_page(new_bot: NewBot) -> None:
    client = new_bot().client()
    page, unknown = (client.get(path, base_url=SITE) for path in (ROOT, "/linking/unknown"))
    assert (page.status_code, page.text) == (unknown.status_code, unknown.text) == (404, unknown.text)


def test_an_empty_name_is_none_and_what_is_no_name_is_the_hosts_error(desk: Desk, staff: Staff) -> None:
    staff.name = ""
    assert desk.look().status_code == 404
    staff.name = 7
    desk.client.application.testing = True
    with pytest.raises(TypeError, match="operator returns a name or None"):
        desk.look()


def test_each_page_keeps_itself_to_itself(desk: Desk) -> None:
    for path in ("", "/funnel", "/people", "/messages", "/keys", "/acts"):
        page = desk.look(path)
        assert page.status_code == 200, path
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
        assert "<script" not in page.text
        assert " style=" not in page.text
        assert "Olivia" in page.text


def test_an_address_that_is_none_and_a_wrong_method_are_said(desk: Desk) -> None:
    assert desk.look("/nothing").status_code == 404
    assert desk.look("/person/show").status_code == 405
    assert desk.post(f"{ROOT}/people", {}).status_code == 405


# People


@pytest.mark.parametrize("wanted", [PSID, "username:ada", "ada", EMAIL, PHONE, f"  {EMAIL} "])
def test_a_person_is_found_by_each_name_and_shown_masked(desk: Desk, wanted: str) -> None:
    page = desk.look("/people", q=wanted)
    said = words(page)
    assert "Person 2468…57" in said
    assert "a••@example.com" in said
    assert re.search(r'<form[^>]* method="get"[^>]* action="/linking/operator/people"', page.text)
    body = page.text.replace(f'value="{wanted.strip()}"', "")
    for personal in (EMAIL, PHONE, "username:ada"):
        assert personal not in body


@pytest.mark.parametrize(
    "wanted", ["", "ADA", "ad", "%", "ada@example", "0", "\0", "x" * 400, "'; drop table links"]
)
def test_finding_is_exact(desk: Desk, wanted: str) -> None:
    page = desk.look("/people", q=wanted)
    assert page.status_code == 200
    assert "2468…57" not in page.text


def test_several_are_listed_and_lead_to_each(desk: Desk, bot: Bot) -> None:
    bot.linking.core.bind(OTHER_PSID, Identifiers(None, EMAIL, None), source="api")
    bot.linking.core.bind("777777777", Identifiers("else", EMAIL, None), source="api")
    page = desk.look("/people", q=EMAIL)
    links = re.findall(r'href="([^"]+/person\?[^"]+)"', page.text)
    assert len(links) == 3
    assert "Person 7777…77" in words(desk.get(links[-1].replace("&amp;", "&")))


def test_who_is_linked_no_more_is_found_with_the_history(desk: Desk, bot: Bot) -> None:
    bot.linking.unlink(PSID)
    said = words(desk.look("/people", q=PSID))
    assert "Not linked." in said
    assert "unlinked python" in said


def test_show_is_a_form_and_is_written_down(desk: Desk, bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    desk.look("/people", q=PSID)
    with caplog.at_level(logging.INFO, "bot_linking"):
        page = desk.press("/show")
    assert {EMAIL, PHONE, PSID} <= set(words(page).split())
    (act,) = bot.linking.store.list_acts(before=2**62, limit=9)
    assert (act.operator, act.act, act.page_id, act.psid) == ("Olivia", "show", PAGE, PSID)
    assert "operator Olivia: show" in caplog.text
    assert PSID not in caplog.text
    assert "show 2468…57" in words(desk.look("/acts"))


def test_unlink_leads_to_a_form_whose_button_says_so_and_the_history_has_the_operators_name(
    desk: Desk, bot: Bot
) -> None:
    page = desk.look("/people", q=PSID)
    (link,) = re.findall(r'href="([^"]+)">Unlink</a>', page.text)
    desk.get(link.replace("&amp;", "&"))
    assert re.search(r'<button[^>]*type="submit">Unlink</button>', desk.page.text)
    assert bot.linking.link_of(PSID) is not None
    assert "The person is unlinked." in words(desk.press("/unlink"))
    assert bot.linking.link_of(PSID) is None
    assert bot.linking.history_of(PSID)[-1].source == "Olivia"
    bot.linking.delivery.drain()
    assert bot.graph.calls_to("me/unlink_accounts")


def test_an_operator_with_a_name_of_a_source_is_told_apart(desk: Desk, bot: Bot, staff: Staff) -> None:
    staff.name = "messenger"
    desk.person("/unlink")
    desk.press("/unlink")
    assert bot.linking.history_of(PSID)[-1].source == "operator:messenger"
    bot.linking.delivery.drain()
    assert bot.graph.calls_to("me/unlink_accounts")


def test_an_operator_with_the_name_of_metas_callback_is_told_apart(
    desk: Desk, bot: Bot, staff: Staff
) -> None:
    staff.name = "deauthorize"
    desk.person("/unlink")
    desk.press("/unlink")
    assert bot.linking.history_of(PSID)[-1].source == "operator:deauthorize"


def test_undo_puts_back_what_was_and_the_history_says_who_did(desk: Desk, bot: Bot) -> None:
    bot.linking.core.bind(PSID, Identifiers("grace", None, None), source="api")
    desk.person("/undo")
    assert "The newest link is undone." in words(desk.press("/undo"))
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert (link.account_id, bot.linking.history_of(PSID)[-1].source) == ("username:ada", "Olivia")
    assert desk.person("/undo").status_code == 404
    assert ">Undo<" not in desk.person().text


def test_erase_removes_everything_and_only_that_it_was_done_is_kept(desk: Desk, bot: Bot) -> None:
    desk.person()
    desk.press("/show")
    desk.person("/erase")
    assert "1 of links" in words(desk.page)
    assert "erased" in words(desk.press("/erase"))
    assert PSID not in str(rows_but(bot, "erasures"))
    acts = bot.linking.store.list_acts(before=2**62, limit=9)
    assert [(act.act, act.psid) for act in acts] == [("erase", None), ("show", None)]
    assert acts[0].operator == "Olivia"


# What changes something


def _questions(bot: Bot) -> dict[str, str]:
    """Each page that asks, by the address of its form."""
    bot.linking.core.bind(PSID, Identifiers("grace", None, None), source="api")
    bot.linking.store.engine.write(
        lambda tx: tx.put(
            "queue_dead", page_id=PAGE, psid=PSID, kind="linked", payload="null", reason="code 551", now=1
        )
    )
    Keys(bot.linking.core).create("crm")
    (letter,) = bot.linking.store.list_letters(before=(2**62, 2**62), limit=9)
    who = urlencode({"page": PAGE, "psid": PSID})
    return {
        "person/show": f"person?{who}",
        "person/unlink": f"person/unlink?{who}",
        "person/undo": f"person/undo?{who}",
        "person/erase": f"person/erase?{who}",
        "messages/retry": f"messages/retry?id={letter.id}",
        "messages/retry-all": "messages/retry-all?reason=code+551",
        "keys/create": "keys/create?name=new",
        "keys/revoke": "keys/revoke?name=crm",
    }


@pytest.fixture
def questions(bot: Bot) -> dict[str, str]:
    found = _questions(bot)
    assert found.keys() == ACTS.keys()
    return found


def test_looking_changes_nothing(bot: Bot, desk: Desk, questions: dict[str, str]) -> None:
    before = rows_but(bot, "funnel", "traffic")
    for path in [*LOOKS, *questions.values()]:
        for method in ("GET", "HEAD"):
            desk.client.open(f"{ROOT}/{path}".rstrip("/"), method=method, base_url=SITE)
    assert rows_but(bot, "funnel", "traffic") == before


def test_each_action_wants_its_own_ticket(
    bot: Bot, desk: Desk, staff: Staff, questions: dict[str, str]
) -> None:
    """No ticket, or that of another act, thing, operator, browser or site, or one that is an hour old."""
    before, fields = rows_but(bot, "funnel", "traffic"), {}
    for act, path in questions.items():
        page = desk.get(f"{ROOT}/{path}")
        (form,) = [form for form in forms_of(page.text) if form.action.endswith(f"/operator/{act}")]
        fields[act] = form.fields
    tickets = [each["ticket"] for each in fields.values()]
    for number, (act, given) in enumerate(fields.items()):
        address = f"{ROOT}/{act}"
        for ticket in ("", "x", tickets[number - 1]):
            assert desk.post(address, {**given, "ticket": ticket}).status_code == 403, act
        changed = {name: f"{value}1" for name, value in given.items() if name != "ticket"}
        assert desk.post(address, {**given, **changed}).status_code in (403, 404), act
        assert new_desk(bot).post(address, given).status_code == 403, act
        assert desk.post(address, given, Origin="https://evil.example").status_code == 403, act
        assert desk.post(address, given, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403, act
    staff.name = "Oscar"
    assert {desk.post(f"{ROOT}/{act}", given).status_code for act, given in fields.items()} == {403}
    staff.name = "Olivia"
    bot.clock.advance(3700)
    assert {desk.post(f"{ROOT}/{act}", given).status_code for act, given in fields.items()} == {403}
    assert rows_but(bot, "funnel", "traffic") == before


def test_a_form_that_is_too_large_is_refused_on_a_page_of_ours(desk: Desk) -> None:
    page = desk.post(f"{ROOT}/keys/create", {"name": "x" * LARGEST_FORM})
    assert page.status_code == 413
    assert page.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_a_form_is_read_in_the_charset_that_it_declares(desk: Desk, bot: Bot) -> None:
    desk.look("/keys/create", name="café")
    (form,) = [form for form in forms_of(desk.page.text) if form.action.endswith("/create")]
    body = urlencode(form.fields, encoding="iso-8859-1")
    for charset, status in (("utf-7", 415), ("iso-8859-1", 200)):
        given = f"application/x-www-form-urlencoded; charset={charset}"
        page = desk.client.post(f"{ROOT}/keys/create", data=body, base_url=SITE, content_type=given)
        assert page.status_code == status
    assert [key.name for key in Keys(bot.linking.core).list()] == ["café"]


def test_a_form_with_two_tickets_is_no_form_of_ours(desk: Desk) -> None:
    desk.look("/keys/create", name="crm")
    (form,) = [form for form in forms_of(desk.page.text) if form.action.endswith("/create")]
    doubled = {**form.fields, "ticket": [form.fields["ticket"]] * 2}
    page = desk.client.post(f"{ROOT}/keys/create", data=doubled, base_url=SITE)
    assert page.status_code == 403


def test_a_store_that_is_away_is_said_and_the_browser_comes_again(
    desk: Desk, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(bot.linking.store, "list_acts", away)
    page = desk.look("/acts")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "10")


# Messages


def test_dead_letters_say_why_and_what_to_do_and_are_tried_again_one_or_all_of_a_reason(
    desk: Desk, bot: Bot, questions: dict[str, str]
) -> None:
    for _ in range(2):
        bot.linking.store.engine.write(
            lambda tx: tx.put(
                "queue_dead",
                page_id=PAGE,
                psid=OTHER_PSID,
                kind="linked",
                payload="null",
                reason="code 10, subcode 2018278: outside",
                now=bot.clock.ms,
            )
        )
    said = words(desk.look("/messages"))
    assert "Messenger says: the person is not available." in said
    assert "2 Messenger says: outside the 24-hour window." in said
    assert "retry when they have" in said
    assert OTHER_PSID not in re.sub(r'href="[^"]*"', "", desk.page.text)
    desk.look("/messages/retry-all", reason="code 10, subcode 2018278: outside")
    desk.press("/retry-all")
    assert bot.linking.store.outbox_depth()["dead"] == 1
    desk.get(f"{ROOT}/{questions['messages/retry']}")
    desk.press("/retry")
    assert bot.linking.store.outbox_depth()["dead"] == 0
    assert [act.act for act in bot.linking.store.list_acts(before=2**62, limit=9)] == ["retry", "retry-all"]


def test_lists_go_on_by_key(desk: Desk, bot: Bot) -> None:
    for number in range(120):
        bot.linking.store.engine.write(
            lambda tx, number=number: tx.put(  # type: ignore[misc]
                "queue_dead",
                page_id=PAGE,
                psid=PSID,
                kind="linked",
                payload="null",
                reason="code 551",
                now=1000 + number // 40,
            )
        )
    seen, page = list[str](), desk.look("/messages")
    for _ in range(3):
        seen += re.findall(r">Retry (\d+)<", page.text)
        older = re.findall(r'href="([^"]+)">Older<', page.text)
        if older:
            page = desk.get(older[0].replace("&amp;", "&"))
    assert len(seen) == len(set(seen)) == 120
    assert not older


# Pages and keys


def test_a_key_is_shown_once_and_revoked(desk: Desk, bot: Bot) -> None:
    desk.look("/keys/create", name="crm")
    key = re.search(r"bl_[A-Za-z0-9_-]{32}", desk.press("/create").text)
    assert key is not None
    assert Keys(bot.linking.core).find(key[0]) is not None
    page = desk.look("/keys")
    assert key[0] not in page.text
    assert "crm every page" in words(page)
    desk.look("/keys/create", name="crm")
    assert "there is an active key named crm already" in words(desk.press("/create"))
    desk.look("/keys/revoke", name="crm")
    desk.press("/revoke")
    assert Keys(bot.linking.core).find(key[0]) is None
    assert "revoked" in words(desk.page)
    assert desk.look("/keys/revoke", name="crm").status_code == 404


def test_a_page_whose_token_was_refused_says_so(desk: Desk, bot: Bot) -> None:
    bot.graph.failures["me/messages"] = {"code": 190, "subcode": 463}
    bot.linking.delivery.drain()
    assert "replace the page's access token" in words(desk.look("/keys"))
    assert "to mend" in words(desk.look("", check="now"))


# Now and the funnel


def test_now_says_in_a_line_how_it_stands_and_shows_what_goes_in_and_out(desk: Desk, bot: Bot) -> None:
    bot.post(batch(message_event("hello")))
    bot.linking.delivery.drain()
    said = words(desk.look())
    assert "other 1" in said
    assert "1 in all" in said
    assert "0 waiting" in said
    assert "the store reads and writes" in said
    assert re.search(r'aria-label="1 message sent in the last hour, at most 1 in a minute"', desk.page.text)


def test_the_funnel_says_the_drop_in_words_and_per_cent(desk: Desk, bot: Bot) -> None:
    bot.linking.prompt_login(OTHER_PSID)
    bot.browser().code()
    bot.browser().open("AR" + "z" * 40)
    said = words(desk.look("/funnel", days="7"))
    assert "Where people leave, in 7 days" in said
    assert "1 of 2 did not sign in (50 %)" in said
    assert "Signed in 1 50 %" in said
    for query in ({"days": "12"}, {"way": "<b>"}, {"page": "x"}, {"days": "9" * 30}):
        assert desk.look("/funnel", **query).status_code == 200


def test_what_waits_is_counted_without_reading_it_as_the_monitoring_counts_it(
    new_bot: NewBot, staff: Staff
) -> None:
    bot = new_bot(operator=staff)
    store, now = bot.linking.store, bot.clock.ms
    for number, held_for in enumerate([None, "page", "window", "page", None]):
        store.engine.write(
            lambda tx, number=number: tx.put(  # type: ignore[misc]
                "queue", page_id=str(number % 2), psid="p", kind="linked", payload="null", now=now + number
            )
        )
        if held_for is not None:
            (entry,) = store.claim_due(now + 10, now + 20, {str(number % 2): 9})[-1:]
            store.claim_due(now, now, {}, settled=[Postponed(entry, now + 10**9, "why", held_for)])
    assert dict(store.look_at_outbox()) == store.outbox_depth()
    store.pause(Pause("1", now + 10**9, "no token", "token", "", now), now)
    assert dict(store.look_at_outbox()) == store.outbox_depth()
