"""The owner's pages: undo, connected chats, the state of a deletion. Only a POST with a ticket changes
anything."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot_linking.core.identifiers import Identifiers
from bot_linking.core.links import Account, Link
from bot_linking.core.notices import OwnerNotice
from bot_linking.webview import owner_views
from bot_linking.webview.owner_views import OwnerPages
from tests.bots import Bot, NewBot
from tests.owners.test_callbacks import call
from tests.people import ADA, GRACE
from tests.webview.mailbox import ADDRESS, Mailbox, mailing
from tests.wire import OTHER_PSID, PAGE, PSID, SITE


def ticket_of(page: TestResponse) -> str:
    found = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert found is not None
    return unescape(found[1])


def relink(bot: Bot, account: Account, psid: str = PSID) -> None:
    given = Identifiers(username=account.username, email=account.email)
    bot.linking.core.store.bind(PAGE, psid, given, "api", bot.linking.now(), account=account)


@pytest.fixture
def mailbox() -> list[OwnerNotice]:
    return []


@pytest.fixture
def linked(new_bot: NewBot, mailbox: list[OwnerNotice]) -> Bot:
    bot = new_bot(notify_owner=mailbox.append)
    bot.link()
    bot.linking.delivery.drain()
    return bot


def undo_path(mailbox: list[OwnerNotice]) -> str:
    url = mailbox[-1].undo_url
    assert url is not None
    return url.removeprefix(SITE)


def get(client: FlaskClient, path: str) -> TestResponse:
    return client.get(path, base_url=SITE)


def post(client: FlaskClient, path: str, ticket: str | None, **headers: str) -> TestResponse:
    fields = {} if ticket is None else {"ticket": ticket}
    return client.post(path, data=fields, base_url=SITE, headers=headers)


# Undo


def test_looking_changes_nothing_and_says_what_undoing_does(linked: Bot, mailbox: list[OwnerNotice]) -> None:
    client = linked.client()
    for _ in range(3):
        page = get(client, undo_path(mailbox))
        assert page.status_code == 200
        assert "the chat is disconnected" in page.text
        assert "a••@example.com" in page.text
    assert client.head(undo_path(mailbox), base_url=SITE).status_code == 200
    assert linked.linking.link_of(PSID) is not None


def test_undo_is_done_by_the_form_and_its_address_says_so(linked: Bot, mailbox: list[OwnerNotice]) -> None:
    client, path = linked.client(), undo_path(mailbox)
    gone = post(client, path, ticket_of(get(client, path)))
    assert gone.status_code == 303
    assert linked.linking.link_of(PSID) is None
    after = get(client, path)
    assert (after.status_code, "This was undone" in after.text) == (200, True)
    assert "<form" not in after.text


def test_a_replacement_is_undone_to_the_former_account(linked: Bot, mailbox: list[OwnerNotice]) -> None:
    former = linked.linking.link_of(PSID)
    relink(linked, GRACE)
    linked.linking.delivery.drain()
    client, path = linked.client(), undo_path(mailbox)
    page = get(client, path)
    assert "connected with a••@example.com again" in unescape(page.text)
    assert post(client, path, ticket_of(page)).status_code == 303
    assert linked.linking.link_of(PSID) == former


@pytest.mark.parametrize("kind", ["none", "empty", "junk", "another browser", "another purpose", "late"])
def test_without_the_ticket_of_this_browser_nothing_is_undone(
    linked: Bot, mailbox: list[OwnerNotice], kind: str
) -> None:
    client, path = linked.client(), undo_path(mailbox)
    ticket: str | None = ticket_of(get(client, path))
    if kind == "another browser":
        ticket = ticket_of(get(linked.client(), path))
    elif kind == "another purpose":
        linked.site.signed_in = ADA
        ticket = "x"
    elif kind == "late":
        linked.clock.advance(3601)
    else:
        ticket = {"none": None, "empty": "", "junk": "a.b"}[kind]
    assert post(client, path, ticket).status_code == 403
    assert linked.linking.link_of(PSID) is not None


def test_a_form_of_another_site_undoes_nothing(linked: Bot, mailbox: list[OwnerNotice]) -> None:
    client, path = linked.client(), undo_path(mailbox)
    ticket = ticket_of(get(client, path))
    assert post(client, path, ticket, Origin="https://evil.example").status_code == 403
    assert linked.linking.link_of(PSID) is not None


def test_something_newer_is_said_and_stays(linked: Bot, mailbox: list[OwnerNotice]) -> None:
    client, path = linked.client(), undo_path(mailbox)
    ticket = ticket_of(get(client, path))
    linked.clock.advance(1)
    relink(linked, GRACE)
    assert post(client, path, ticket).status_code == 409
    assert "Something newer" in get(client, path).text
    link = linked.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == "2"


@pytest.mark.parametrize("token", ["x", "A" * 32, "A" * 5000, "%00", "..%2F"])
def test_an_unknown_address_is_a_page_of_ours(linked: Bot, token: str) -> None:
    client = linked.client()
    assert get(client, f"/linking/undo/{token}").status_code == 404
    assert post(client, f"/linking/undo/{token}", "x").status_code == 404


def test_after_seven_days_the_address_has_ended(linked: Bot, mailbox: list[OwnerNotice]) -> None:
    linked.clock.advance(7 * 86_400 + 1)
    assert get(linked.client(), undo_path(mailbox)).status_code == 404


# Connected chats


@pytest.fixture
def signed_in(new_bot: NewBot, site: Any) -> Bot:
    bot = new_bot(current_account=site.current_account)
    relink(bot, ADA)
    relink(bot, GRACE, OTHER_PSID)
    site.signed_in = ADA
    return bot


def test_a_person_sees_their_own_chats_and_no_others(signed_in: Bot) -> None:
    page = get(signed_in.client(), "/linking/connections")
    assert page.status_code == 200
    assert "Ada L." in page.text
    assert "Grace" not in page.text
    assert PSID not in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_the_same_as_data_for_a_page_of_the_sites_own(signed_in: Bot) -> None:
    signed_in.clock.advance(1)
    relink(signed_in, ADA, "9001")
    link = signed_in.linking.link_of(PSID)
    assert link is not None
    first, second = signed_in.linking.connections_of(ADA.id)
    assert (first.psid, second.psid) == ("9001", PSID), "the one changed last comes first"
    assert (second.profile_name, second.page_id, second.source) == ("Ada L.", PAGE, "api")
    assert second.as_dict() == {**link.as_dict(), "profile_name": "Ada L."}
    assert signed_in.linking.connections_of("nobody") == []


def test_a_chat_without_a_name_is_on_the_page_and_among_the_data(
    signed_in: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OwnerPages, "_ask_name", lambda *_: None)
    assert [each.profile_name for each in signed_in.linking.connections_of(ADA.id)] == [None]
    page = get(signed_in.client(), "/linking/connections")
    assert page.text.count("/disconnect") == 1
    assert "None" not in page.text


def test_a_page_of_the_sites_own_gets_the_same_chats_the_one_changed_last_first(signed_in: Bot) -> None:
    signed_in.clock.advance(60)
    relink(signed_in, ADA, OTHER_PSID)
    assert [link.psid for link in signed_in.linking.connections_of(ADA.id)] == [OTHER_PSID, PSID]
    assert signed_in.linking.connections_of("nobody") == []
    page = get(signed_in.client(), "/linking/connections").text
    assert len(re.findall(r'action="[^"]+disconnect"', page)) == 2


def test_disconnecting_asks_for_the_ticket_and_ends_that_chat(signed_in: Bot) -> None:
    client = signed_in.client()
    page = get(client, "/linking/connections")
    (action,) = re.findall(r'method="post" action="([^"]+)"', page.text)
    assert "disconnect" in action
    assert post(client, action, None).status_code == 403
    assert signed_in.linking.link_of(PSID) is not None
    assert post(client, action, ticket_of(page)).status_code == 303
    assert signed_in.linking.link_of(PSID) is None
    assert signed_in.linking.link_of(OTHER_PSID) is not None
    assert "No chat is connected" in get(client, "/linking/connections").text


def test_a_chat_of_another_account_is_one_that_does_not_exist(signed_in: Bot) -> None:
    client = signed_in.client()
    ticket = ticket_of(get(client, "/linking/connections"))
    signed_in.site.signed_in = GRACE
    (others,) = re.findall(
        r'action="([^"]+disconnect)"', get(signed_in.client(), "/linking/connections").text
    )
    signed_in.site.signed_in = ADA
    for path in (others, "/linking/connections/nothing/disconnect"):
        assert post(client, path, ticket).status_code == 404
    assert signed_in.linking.link_of(OTHER_PSID) is not None


def test_a_ticket_of_one_account_is_not_good_for_another(signed_in: Bot) -> None:
    client = signed_in.client()
    ticket = ticket_of(get(client, "/linking/connections"))
    signed_in.site.signed_in = GRACE
    (action,) = re.findall(r'action="([^"]+disconnect)"', get(client, "/linking/connections").text)
    assert post(client, action, ticket).status_code == 403
    assert signed_in.linking.link_of(OTHER_PSID) is not None


def test_who_is_not_signed_in_signs_in_with_us_sees_their_chats_and_disconnects(
    new_bot: NewBot, site: Any
) -> None:
    bot = new_bot()
    relink(bot, ADA)
    relink(bot, GRACE, OTHER_PSID)
    browser = bot.browser()
    assert "Ada L." not in browser.get("/linking/connections").text
    page = browser.sign_in()
    assert "Ada L." in page.text
    assert "Grace" not in page.text
    assert browser.submit("disconnect").status_code == 303
    assert "No chat is connected" in browser.follow().text
    assert bot.linking.link_of(PSID) is None
    assert bot.linking.link_of(OTHER_PSID) is not None


def test_the_sites_login_is_told_where_to_come_back_to(new_bot: NewBot, site: Any) -> None:
    bot = new_bot(current_account=site.current_account, LOGIN_URL="https://acme.example/in?next={next}")
    gone = get(bot.client(), "/linking/connections")
    assert gone.status_code == 303
    assert gone.headers["Location"] == (
        "https://acme.example/in?next=https%3A%2F%2Fbot.example%2Flinking%2Fconnections"
    )


def test_without_any_way_to_sign_in_there_is_no_such_page(new_bot: NewBot, site: Any) -> None:
    bot = new_bot(authenticate=None, create_account=site.create_account)
    assert get(bot.client(), "/linking/connections").status_code == 404


def test_messenger_is_asked_for_a_name_once_in_five_minutes(signed_in: Bot) -> None:
    for _ in range(5):
        get(signed_in.client(), "/linking/connections")
    assert len(signed_in.graph.calls_to(PSID)) == 1


def test_a_slow_messenger_holds_the_page_up_for_a_moment_only(
    signed_in: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking for the names of many chats one after the other would hold a thread for minutes."""
    seconds, asked = [0.0], list[str]()

    def ask(_pages: OwnerPages, link: Link) -> str:
        seconds[0] += 2
        asked.append(link.psid)
        return f"Name {link.psid}"

    monkeypatch.setattr(owner_views, "monotonic", lambda: seconds[0])
    monkeypatch.setattr(OwnerPages, "_ask_name", ask)
    for number in range(5):
        relink(signed_in, ADA, f"900{number}")
    page = get(signed_in.client(), "/linking/connections")
    assert len(asked) == 2
    assert page.text.count("/disconnect") == 6
    assert set(re.findall("Name ([0-9]+)", page.text)) == set(asked)
    get(signed_in.client(), "/linking/connections")
    assert len(asked) == len(set(asked)) == 4, "what is known is shown, and others are asked for"


def test_who_signs_in_by_a_code_alone_sees_their_chats_too(new_bot: NewBot) -> None:
    mailbox = Mailbox()
    bot = mailing(new_bot, mailbox, authenticate=None)
    relink(bot, ADA)
    browser = bot.browser()
    browser.get("/linking/connections")
    browser.submit("email", email=ADDRESS)
    browser.follow()
    browser.submit("email-code", code=mailbox.code())
    assert "/disconnect" in browser.follow().text


# Requests to delete


@pytest.mark.parametrize(
    ("people", "says"),
    [([(PAGE, PSID)], "Your data was deleted on 20"), ([], "We hold nothing that belongs to this request")],
)
def test_the_status_page_says_how_it_stands_and_names_nobody(
    new_bot: NewBot, people: list[tuple[str, str]], says: str
) -> None:
    bot = new_bot(psids_of=lambda user_id: people)
    bot.link()
    answer = call(bot).get_json()
    path = answer["url"].removeprefix(SITE)
    assert "We are working on it" in get(bot.client(), path).text
    bot.linking.delivery.drain()
    page = get(bot.client(), path).text
    assert says in page
    assert answer["confirmation_code"] in page
    for secret in (PSID, "555666777", "ada@example.com"):
        assert secret not in page


def test_what_could_not_be_matched_says_what_to_do(bot: Bot) -> None:
    path = call(bot).get_json()["url"].removeprefix(SITE)
    bot.linking.delivery.drain()
    assert "write to us in the chat" in get(bot.client(), path).text


def test_an_unknown_code_is_404(bot: Bot) -> None:
    assert get(bot.client(), "/linking/deletion/0123456789abcdef01234567").status_code == 404


# What an undo would put back ends with the account's own links


def moved(bot: Bot, mailbox: list[OwnerNotice]) -> str:
    """A chat that was linked to Ada's account and has moved to Grace's, with the address of the undo."""
    bot.link()
    relink(bot, GRACE)
    bot.linking.delivery.drain()
    return undo_path(mailbox)


def press_undo(bot: Bot, path: str) -> TestResponse:
    client = bot.client()
    page = get(client, path)
    return post(client, path, ticket_of(page)) if 'name="ticket"' in page.text else page


@pytest.mark.parametrize("verb", ["unlink_account", "erase_account"])
def test_an_undo_links_no_account_whose_links_were_ended(
    new_bot: NewBot, mailbox: list[OwnerNotice], verb: str
) -> None:
    bot = new_bot(notify_owner=mailbox.append)
    path = moved(bot, mailbox)
    getattr(bot.linking.core, verb)(ADA.id)
    bot.clock.advance(6 * 86_400)
    assert "Something newer has happened" in press_undo(bot, path).text
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == GRACE.id
    assert "ada" not in str(bot.rows()["undos"])


def test_an_undo_asks_the_site_whether_the_former_account_may_be_linked(
    new_bot: NewBot, mailbox: list[OwnerNotice]
) -> None:
    locked = set[str]()
    bot = new_bot(notify_owner=mailbox.append, may_link=lambda account_id: account_id not in locked)
    path = moved(bot, mailbox)
    locked.add(ADA.id)
    refused = press_undo(bot, path)
    assert refused.status_code == 409
    assert "This cannot be undone" in refused.text
    assert bot.linking.undo(PSID) is False
    command = bot.app.test_cli_runner().invoke(args=["linking", "undo", PSID])
    assert command.exit_code == 1
    assert "does not allow" in command.stderr
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == GRACE.id
    assert {each.reason for each in bot.heard.of("LinkingRefused")} == {"account_refused"}
    locked.clear()
    assert press_undo(bot, path).status_code == 303
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == ADA.id


def test_an_undo_waits_for_a_site_that_does_not_say(new_bot: NewBot, mailbox: list[OwnerNotice]) -> None:
    answers = [True]

    def may_link(account_id: str) -> bool:
        return answers[0]

    bot = new_bot(notify_owner=mailbox.append, may_link=may_link)
    path = moved(bot, mailbox)
    answers.clear()
    assert press_undo(bot, path).status_code == 503
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == GRACE.id
