"""The ways beside the Log In button, an owner's undo, and Meta's requests to delete: the person, the
browser or Meta tries each again."""

from __future__ import annotations

import re
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from bot_linking import Account
from tests.owners.test_callbacks import signed_request
from tests.ways.test_pages import signed_request as signed_for_webview
from tests.wire import PAGE, SITE, message_event

from .flows import (
    DECLINED,
    ERASED,
    LINKED,
    PASSWORD,
    QUESTION,
    SURE,
    UNLINKED,
    Flow,
    Person,
    World,
    _is_done,
)


def tap(world: World, person: Person, title: str, payload: str = "", *, times: int = 2) -> None:
    """Tap a quick reply, by default of the newest question; Messenger delivers it twice."""
    answer = message_event(title, psid=person.psid)
    chosen = payload or world.graph.payloads[person.psid][title]
    answer["message"]["quick_reply"] = {"payload": chosen}
    for _ in range(times):
        world.webhook(person, answer)
    world.settle(person)


class LinkByWebLink(Flow):
    """In any browser, and by digits that the person types in the chat."""

    messages, history, is_linked = (LINKED,), ("linked",), True

    def act(self, person: Person) -> None:
        world, urls = self.world, list[str]()
        world.do(person, lambda: urls.append(world.bot.linking.web_link(person.psid, PAGE)))
        browser = world.bot.browser()
        world.insist(person, lambda: _is_done(browser.get(urls[-1].removeprefix(SITE))))
        fields = {**browser.form("login").fields, "username": person.name, "password": PASSWORD}
        world.insist(person, lambda: _is_done(browser.post("/linking/login", fields)))
        world.show(person, browser, browser.page.headers["Location"])
        world.show(person, browser, world.press(person, browser, "consent"))
        (digits,) = re.findall(r"\b(\d{3}) (\d{3})\b", re.sub(r"<[^>]+>", " ", browser.page.text))
        typed = message_event("".join(digits), psid=person.psid)
        for _ in range(2):  # Messenger delivers it again
            world.webhook(person, typed)
        world.settle(person)


class LinkByChatLink(Flow):
    """From the site to the chat, which is asked and answers."""

    messages: ClassVar[tuple[str, ...]] = (QUESTION, LINKED)
    history: ClassVar[tuple[str, ...]] = ("linked",)
    is_linked = True
    answer = "Connect"

    def act(self, person: Person) -> None:
        world, made = self.world, list[Any]()
        account = Account(person.name, username=person.name)
        world.do(person, lambda: made.append(world.bot.linking.chat_link(account, page_id=PAGE)))
        (ref,) = parse_qs(urlsplit(made[-1].url).query)["ref"]
        opened = message_event("", psid=person.psid)
        del opened["message"]
        world.webhook(
            person, opened | {"referral": {"ref": ref, "source": "SHORTLINK", "type": "OPEN_THREAD"}}
        )
        world.settle(person)
        tap(world, person, self.answer)


class DeclineChatLink(LinkByChatLink):
    """The person says No, and is told that nothing was connected."""

    messages, history = (QUESTION, DECLINED), ()
    is_linked = False
    answer = "No"


class LinkByMenu(Flow):
    """In the webview that the menu opens, by Messenger's signed request."""

    messages, history, is_linked = (LINKED,), ("linked",), True
    settings: ClassVar[dict[str, Any]] = {"APP_ID": "123456789"}

    def act(self, person: Person) -> None:
        world, browser = self.world, self.world.bot.browser()
        world.insist(person, lambda: _is_done(browser.get("/linking/menu")))
        signed = signed_for_webview(world.bot.clock(), psid=person.psid)
        (ticket,) = re.findall(r'name="ticket" value="([^"]+)"', browser.page.text)
        entered = {"ticket": ticket, "signed_request": signed}
        world.insist(person, lambda: _is_done(browser.post("/linking/menu", entered)))
        fields = {**browser.form("login").fields, "username": person.name, "password": PASSWORD}
        world.insist(person, lambda: _is_done(browser.post("/linking/login", fields)))
        world.show(person, browser, browser.page.headers["Location"])
        consent = browser.form("consent").fields
        pressed = lambda: _is_done(browser.post("/linking/consent", consent))  # noqa: E731
        world.insist(person, pressed, but="codes")  # one that was not used yet ends with the attempt
        world.show(person, browser, browser.page.headers["Location"])
        assert "You can close this page" in browser.page.text
        world.settle(person)


class LogOutByOurs(Flow):
    """The Log Out button of our confirmation, where Messenger has no link."""

    messages, history, unlink_calls = (LINKED, UNLINKED), ("linked", "unlinked"), 1

    def prepare(self, person: Person) -> None:
        self.world.link(person)
        self.world.bot.clock.advance(1)

    def act(self, person: Person) -> None:
        tapped = message_event("", psid=person.psid) | {"timestamp": self.world.bot.clock.ms}
        del tapped["message"]
        for _ in range(2):
            self.world.webhook(person, tapped | {"postback": {"title": "Log Out", "payload": "bl.out"}})
        self.world.settle(person)


class EraseFromChat(Flow):
    """Two taps, and the person is told that everything was deleted."""

    messages = (LINKED, SURE, ERASED)

    def prepare(self, person: Person) -> None:
        self.world.link(person)

    def act(self, person: Person) -> None:
        tap(self.world, person, "Delete my data", "bl.erase", times=1)
        tap(self.world, person, "Yes, delete it")


class Undo(Flow):
    """The chat was linked to another account, and its owner undoes that."""

    messages, history, is_linked = (LINKED,), ("linked", "linked", "linked"), True

    def prepare(self, person: Person) -> None:
        self.world.link(person)
        self.world.call_api(person, "linked", username=f"{person.name}0")
        self.world.settle(person)
        self.world.graph.sent.clear()

    def act(self, person: Person) -> None:
        self.world.do(person, lambda: self.world.bot.linking.undo(person.psid, PAGE))
        self.world.settle(person)


class Deletion(Flow):
    """Meta asks to delete a person's data until it gets a code."""

    settings: ClassVar[dict[str, Any]] = {"APP_ID": "123456789"}
    callback = "data-deletion"

    def prepare(self, person: Person) -> None:
        self.user = f"5550{person.number}"
        self.world.graph.app_users[self.user] = person.psid
        self.world.link(person)

    def act(self, person: Person) -> None:
        world = self.world
        fields = {"signed_request": signed_request(user_id=self.user)}
        codes = set[str]()

        def ask() -> bool:
            answer = world.bot.client().post(f"/linking/{self.callback}", data=fields)
            if answer.status_code == 200 and answer.is_json:
                codes.add(answer.get_json()["confirmation_code"])
            return _is_done(answer)

        world.insist(person, ask)
        world.settle_for("select 1 from deletions where state = 'received' and user_id = {}", self.user)
        world.settle(person)
        assert len(codes) == 1
        found = world.rows("select state, user_id from deletions where code = {}", codes.pop())
        assert found == [("done", None)], world.faults.failed

    def judge(self, person: Person) -> None:
        assert self.world.rows("select 1 from links where psid = {}", person.psid) == []
        assert self.world.bot.linking.history_of(person.psid, person.page) == []
        self.judge_codes(person)


class Deauthorize(Deletion):
    """Meta says that the person removed the app."""

    callback = "deauthorize"
    messages, history, unlink_calls = (LINKED, UNLINKED), ("linked", "unlinked"), 1

    def judge(self, person: Person) -> None:
        Flow.judge(self, person)


FLOWS_OF_WAYS: tuple[type[Flow], ...] = (
    LinkByWebLink, LinkByChatLink, DeclineChatLink, LinkByMenu, LogOutByOurs, EraseFromChat, Undo, Deletion,
    Deauthorize,
)  # fmt: skip
