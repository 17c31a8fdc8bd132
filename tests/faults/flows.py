"""Every flow as the outside drives it: Messenger sends again what was not acknowledged, a person presses
again, a site calls again, a worker looks again."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

from werkzeug.test import TestResponse

from bot_linking import Account
from bot_linking.account_link_api.keys import Keys
from bot_linking.core.codes import mint_code
from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.journey import MAX_AGE_MS
from bot_linking.core.ports import Attempt
from bot_linking.doors.throttle import Limit, Throttle
from bot_linking.external_account import ExternalAccount
from tests.bots import Bot
from tests.browser import Browser
from tests.wire import (
    APP_SECRET,
    PAGE,
    PAGE_TOKEN,
    VERIFY_TOKEN,
    batch,
    code_in,
    linked_event,
    message_event,
    return_url,
    unlinked_event,
)

from .failing import UNKNOWN, FailingGraph, Faults

LINKED, UNLINKED, REFUSED, PROMPT, ORDERS = (
    "linked",
    "unlinked",
    "Sorry, that took",
    "Log in first",
    "orders",
)
PASSWORD, APP = "lovelace-1815", "shop"
OTHER_PAGE, OTHER_PAGE_TOKEN = "908070605040302", "EAAG-page-token-of-the-other-page"
INTERNALS = (
    "Traceback",
    "disk I/O",
    "server closed",
    "as it was told to",
    "links.db",
    "select ",
    "sqlite",
    "psycopg",
)
Rows = Callable[[str, Any], list[tuple[Any, ...]]]
_WATCHED = {
    "links": "select page_id, account_id, username, email from links where psid = {}",
    "codes": "select digest, consumed_at, consumed_by from codes where account_id = {} order by digest",
    "outbox": "select id, kind, dead_at from outbox where psid = {} order by id",
    "history": "select id from history where psid = {} order by id",
    "accounts": "select id, user_id, enabled, data from external_accounts where union_id = {}",
    "tokens": """select t.digest from external_tokens t join external_accounts a on a.id = t.account_id
                 where a.union_id = {} order by t.digest""",
    "factors": """select f.secret,
                    (select count(*) from external_recovery_codes c where c.user_id = f.user_id)
                  from external_second_factors f join external_accounts a on a.user_id = f.user_id
                  where a.union_id = {}""",
}


@dataclass
class Person:
    number: int
    page: str = PAGE

    @property
    def psid(self) -> str:
        return f"24680{self.number:07}"

    @property
    def token(self) -> str:
        return f"AR-token-of-{self.number}"

    @property
    def name(self) -> str:
        """The person's user name at the site, which is their account's id, too."""
        return f"user{self.number}"


@dataclass
class Site:
    """The business's own users, and a count of how often it was asked about each."""

    asked: dict[str, int] = field(default_factory=dict)

    def authenticate(self, username: str, password: str) -> Account | None:
        self.asked[username] = self.asked.get(username, 0) + 1
        return Account(username, username=username) if password == PASSWORD else None


@dataclass
class World:
    """One bot with everything around it. `rows(statement, value)` reads its database on another
    connection."""

    bot: Bot
    graph: FailingGraph
    faults: Faults
    site: Site
    rows: Rows
    tries: int = 4
    people: int = 0
    key: str = ""
    orders: Callable[..., Any] = lambda event: None
    disabled: set[str] = field(default_factory=set)
    back_end: str = ""

    def __post_init__(self) -> None:
        self.key = Keys(self.bot.linking.core).create("site")
        self.external = ExternalAccount(self.bot.linking, user_id_of=lambda account: int(account.id[4:]))
        self.bot.app.register_blueprint(self.external.blueprint)
        self.back_end = self.external.create_app(APP)

    def new_person(self, page: str = PAGE) -> Person:
        self.people += 1
        person = Person(self.people, page)
        self.graph.owners[person.token] = (page, person.psid)
        return person

    # The outside

    def insist(self, person: Person, step: Callable[[], bool], *, but: str = "") -> None:
        """Repeat the step until it is done. A step that failed, and did not only lose its answer, has
        changed nothing but the table `but`."""
        for _ in range(self.tries):
            before = self.watched(person) if self.faults.may_come else None
            failed = len(self.faults.failed)
            if step():
                return
            if before is not None and not set(self.faults.failed[failed:]) & set(UNKNOWN):
                assert self.watched(person) | {but: []} == before | {but: []}, self.faults.failed
        raise AssertionError(f"not done after {self.tries} tries; failed: {self.faults.failed}")

    def watched(self, person: Person) -> dict[str, list[tuple[Any, ...]]]:
        return {
            table: self.rows(statement, person.name if table == "codes" else person.psid)
            for table, statement in _WATCHED.items()
        }

    def webhook(self, person: Person, event: dict[str, Any]) -> None:
        """Deliver an event until it is acknowledged, as Messenger does."""
        body = batch(event, page=person.page)
        self.insist(person, lambda: _is_done(self.bot.post(body)))

    def call_api(self, person: Person, status: str, **identifiers: str) -> None:
        body = json.dumps(
            {
                "request": {"method": "account_link", "id": "r-1", "meta": ""},
                "recipient": {"id": person.psid},
                "account_linking": {"status": status, **identifiers},
            }
        )

        def call() -> bool:
            headers = {"APIKEY": self.key, "Content-Type": "application/json"}
            answer = self.bot.client().post("/linking/api", data=body, headers=headers)
            return _is_done(answer)

        self.insist(person, call)

    def do(self, person: Person, work: Callable[[], object]) -> None:
        """Call the host's own code again after `StoreUnavailable`."""

        def step() -> bool:
            try:
                work()
            except StoreUnavailable:
                return False
            return True

        self.insist(person, step)

    def log_in(self, person: Person) -> tuple[Browser, str]:
        """Tap Log In and give the password; returns where that leads."""
        browser = self.bot.browser()
        self.insist(person, lambda: _is_done(browser.open(person.token)))
        login = browser.form("login")
        fields = {**login.fields, "username": person.name, "password": PASSWORD}
        path = "/linking/login"
        self.insist(person, lambda: _is_done(browser.post(path, fields)))
        browser.location = path
        return browser, browser.page.headers["Location"]

    def show(self, person: Person, browser: Browser, place: str) -> None:
        """A page to which another one has redirected."""
        self.insist(person, lambda: _is_done(browser.get(f"/linking/{place}")))

    def sign_in(self, person: Person) -> Browser:
        """Come to the consent page."""
        browser, place = self.log_in(person)
        assert place.startswith("consent/")
        self.show(person, browser, place)
        return browser

    def press(self, person: Person, browser: Browser, button: str) -> str:
        """Press a button of the page that is shown until it leads somewhere; returns where to."""
        form = browser.form(button)
        path = f"/linking/{button}"
        self.insist(person, lambda: _is_done(browser.post(path, form.fields)))
        return browser.leads_to()

    def approve(self, person: Person) -> str:
        """Walk all pages; returns the code."""
        return code_in(self.press(person, self.sign_in(person), "consent"))

    def say(self, person: Person, text: str, wanted: str) -> None:
        """Write to the bot, and a minute later again, until it answers, at once or through the outbox."""

        def step() -> bool:
            before = len(self.graph.texts(person.psid))
            self.bot.post(batch(message_event(text, psid=person.psid)))
            self.settle(person)
            is_answered = any(said.startswith(wanted) for said in self.graph.texts(person.psid)[before:])
            self.bot.clock.advance(0 if is_answered else 61)
            return is_answered

        self.insist(person, step)

    def settle(self, person: Person) -> None:
        """Let the worker look again and again, while time goes by."""
        self.settle_for(_WATCHED["outbox"], person.psid)

    def settle_for(self, statement: str, value: str) -> None:
        """The same, until this statement finds nothing."""
        for _ in range(3 * self.tries):
            try:
                self.bot.linking.delivery.drain()
            except StoreUnavailable:
                pass
            else:
                if not self.rows(statement, value):
                    return
            self.bot.clock.advance(30)
        raise AssertionError(f"the outbox does not empty: {self.rows(statement, value)}")

    def approved(self, person: Person) -> str:
        """The code at the end of the walk, for flows that begin after it."""
        now, account = self.bot.clock.ms, Account(person.name, username=person.name)
        attempt = Attempt(
            f"attempt of {person.name}", account, person.token, return_url(person.token), now, person.page,
            person.psid, expires_at=now + MAX_AGE_MS,
        )  # fmt: skip
        code = self.bot.linking.core.approve(attempt)
        assert code is not None
        return code

    def link(self, person: Person) -> dict[str, Any]:
        """Link without any fault, and send the message; returns the event."""
        event = linked_event(self.approved(person), psid=person.psid, at=self.bot.clock.ms)
        self.webhook(person, event)
        self.settle(person)
        return event

    def pairs(self, person: Person, app: str = APP) -> list[tuple[Any, ...]]:
        """The accounts that an application knows this person by."""
        statement = f"select user_id from external_accounts where app_key = '{app}' and union_id = {{}}"
        return self.rows(statement, person.psid)

    def count(self, table: str, column: str, value: object) -> int:
        return len(self.rows(f"select 1 from {table} where {column} = {{}}", value))


def _is_done(answer: TestResponse) -> bool:
    """Whether the status means that it is done, or must be asked for again."""
    assert answer.status_code in (200, 303, 503), (answer.status_code, answer.text)
    for inner in INTERNALS:
        assert inner not in answer.text, answer.text
    return answer.status_code != 503


class Flow:
    """One flow: `prepare` without faults, `act` under them; then what must be true."""

    messages: ClassVar[tuple[str, ...]] = ()
    history: ClassVar[tuple[str, ...]] = ()
    is_linked: ClassVar[bool] = False
    unlink_calls: ClassVar[int] = 0
    settings: ClassVar[dict[str, Any]] = {}

    @property
    def is_bound(self) -> bool:
        """Whether the ExternalAccount module knows the account, which is bound in the link's own
        transaction."""
        return self.is_linked

    def __init__(self, world: World) -> None:
        self.world = world

    def prepare(self, person: Person) -> None:
        pass

    def act(self, person: Person) -> None:
        raise NotImplementedError

    def judge(self, person: Person) -> None:
        """Model = store = last message. Nothing waits, no code lives on after its use, and nothing came
        twice, except one message for each fault."""
        world, failed = self.world, len(self.world.faults.failed)
        links = world.rows(
            "select account_id from links where psid = {} and account_id is not null", person.psid
        )
        assert links == ([(person.name,)] if self.is_linked else [])
        said = [
            next(each for each in _KINDS if text.startswith(each)) for text in world.graph.texts(person.psid)
        ]
        once = [kind for place, kind in enumerate(said) if place == 0 or said[place - 1] != kind]
        assert tuple(once) == self.messages
        assert len(said) - len(once) <= failed
        calls = world.graph.unlinked.count(person.psid)
        assert self.unlink_calls <= calls <= self.unlink_calls + failed * bool(self.unlink_calls)
        assert world.rows(_WATCHED["outbox"], person.psid) == []
        changes = world.bot.linking.history_of(person.psid, person.page)
        assert tuple(change.what for change in changes) == self.history
        self.judge_codes(person)

    def judge_codes(self, person: Person) -> None:
        states = self.world.rows("select consumed_by from codes where account_id = {}", person.name)
        assert all(state == (person.psid,) for state in states)
        pairs = self.world.pairs(person)
        assert pairs == ([(person.number,)] if self.is_bound else []), "the application knows another link"
        by_login = self.world.rows(
            "select 1 from links where psid = {} and source = 'login' and account_id is not null", person.psid
        )
        assert len(by_login) <= bool(states)


QUESTION = "Connect this chat"
DECLINED, SURE, ERASED = "All right", "Delete everything", "Everything that we kept"
_KINDS = (LINKED, UNLINKED, REFUSED, PROMPT, ORDERS, QUESTION, DECLINED, SURE, ERASED)


class LinkByLogin(Flow):
    messages, history, is_linked = (LINKED,), ("linked",), True

    def act(self, person: Person) -> None:
        event = linked_event(
            self.world.approve(person), psid=person.psid, page=person.page, at=self.world.bot.clock.ms
        )
        self.world.webhook(person, event)
        self.world.webhook(person, event)
        self.world.settle(person)


class Redelivery(LinkByLogin):
    """An event that was acknowledged long ago comes three times more, the first time to another process."""

    def prepare(self, person: Person) -> None:
        self.event = self.world.link(person)

    def act(self, person: Person) -> None:
        self.world.bot.linking.store.received.clear()
        for _ in range(3):
            self.world.webhook(person, self.event)
        self.world.settle(person)


class UnlinkByEvent(Flow):
    messages, history = (LINKED, UNLINKED), ("linked", "unlinked")

    def prepare(self, person: Person) -> None:
        self.event = self.world.link(person)
        self.world.bot.clock.advance(1)

    def act(self, person: Person) -> None:
        gone = unlinked_event(psid=person.psid, at=self.world.bot.clock.ms)
        self.world.webhook(person, gone)
        self.world.webhook(person, self.event)
        self.world.webhook(person, gone)
        self.world.settle(person)


class UnlinkByPython(UnlinkByEvent):
    unlink_calls = 1

    def act(self, person: Person) -> None:
        self.world.do(person, lambda: self.world.bot.linking.unlink(person.psid, PAGE))
        self.world.webhook(person, self.event)
        self.world.settle(person)


class LinkByAPI(Flow):
    messages, is_linked = (LINKED,), True
    history: ClassVar[tuple[str, ...]] = ("linked",)

    def act(self, person: Person) -> None:
        self.world.call_api(person, "linked", username=person.name, email=f"{person.name}@example.com")
        self.world.settle(person)


class UpdateByAPI(LinkByAPI):
    """The same account under another address: it has both new identifiers, or still the old ones."""

    history = ("linked", "changed")

    def prepare(self, person: Person) -> None:
        self.world.call_api(person, "linked", username=person.name, email="old@example.com")

    def judge(self, person: Person) -> None:
        super().judge(person)
        known = self.world.rows("select username, email from links where psid = {}", person.psid)
        assert known == [(person.name, f"{person.name}@example.com")]


class UnlinkByAPI(Flow):
    messages, history, unlink_calls = (LINKED, UNLINKED), ("linked", "unlinked"), 1

    def prepare(self, person: Person) -> None:
        self.world.call_api(person, "linked", username=person.name)
        self.world.settle(person)

    def act(self, person: Person) -> None:
        self.world.call_api(person, "unlinked")
        self.world.settle(person)


class Erase(Flow):
    """A person who is linked, with a message waiting and a login and a handler under way: all of it is
    deleted."""

    def prepare(self, person: Person) -> None:
        world = self.world
        event = linked_event(world.approved(person), psid=person.psid, at=world.bot.clock.ms)
        world.webhook(person, event)
        world.sign_in(person)
        world.bot.linking.core.remember(person.psid, {"cart": 1}, PAGE)

    def act(self, person: Person) -> None:
        self.world.do(person, lambda: self.world.bot.linking.erase(person.psid))
        self.world.settle(person)

    def judge(self, person: Person) -> None:
        super().judge(person)
        for table in ("links", "codes", "attempts", "unlinks_seen", "resumes", "outbox", "history"):
            assert self.world.count(table, "psid", person.psid) == 0, table
        assert self.world.count("codes", "consumed_by", person.psid) == 0
        assert self.world.count("codes", "account_id", person.name) == 0


class Cancel(Flow):
    """Signed in, then cancelled: no code, and no further prompt."""

    def prepare(self, person: Person) -> None:
        self.world.bot.linking.core.remember(person.psid, {"cart": 1}, PAGE)

    def act(self, person: Person) -> None:
        target = self.world.press(person, self.world.sign_in(person), "cancel")
        assert "authorization_code" not in target
        self.world.settle(person)

    def judge(self, person: Person) -> None:
        super().judge(person)
        assert self.world.count("codes", "account_id", person.name) == 0
        assert self.world.count("attempts", "psid", person.psid) == 0
        if not any("Graph" in what for what in self.world.faults.failed):  # Messenger said who it was
            assert self.world.count("resumes", "psid", person.psid) == 0


class Refused(Flow):
    """A code that was never minted comes twice: one message."""

    messages = (REFUSED,)

    def act(self, person: Person) -> None:
        event = linked_event(mint_code(), psid=person.psid, at=self.world.bot.clock.ms)
        self.world.webhook(person, event)
        self.world.webhook(person, event)
        self.world.settle(person)


class DisabledAccount(Flow):
    """The site refuses the account when the code comes back: the code is used up all the same."""

    messages = (REFUSED,)

    def prepare(self, person: Person) -> None:
        self.code = self.world.approved(person)
        self.world.disabled.add(person.name)

    def act(self, person: Person) -> None:
        event = linked_event(self.code, psid=person.psid, at=self.world.bot.clock.ms)
        self.world.webhook(person, event)
        self.world.webhook(person, event)
        self.world.settle(person)

    def judge(self, person: Person) -> None:
        super().judge(person)
        assert self.world.count("codes", "consumed_by", person.psid) == 1


class PromptAndResume(Flow):
    """The person asks for their orders, logs in, and the orders come automatically."""

    messages, history, is_linked = (PROMPT, LINKED, ORDERS), ("linked",), True

    def act(self, person: Person) -> None:
        self.world.say(person, "orders", PROMPT)
        event = linked_event(self.world.approve(person), psid=person.psid, at=self.world.bot.clock.ms)
        self.world.webhook(person, event)
        self.world.settle(person)

    def judge(self, person: Person) -> None:
        super().judge(person)
        assert self.world.count("resumes", "psid", person.psid) == 0


class SignInThrottle(Flow):
    """Guesses at one name: whatever fails, the site is never asked more often than the limit says."""

    settings: ClassVar[dict[str, Any]] = {"SIGN_IN_LIMIT": 2}

    def act(self, person: Person) -> None:
        world = self.world
        browser = world.bot.browser()
        world.insist(person, lambda: _is_done(browser.open(person.token)))
        fields = {**browser.form("login").fields, "username": person.name, "password": "a guess"}
        counters = 2 if "THROTTLE" in self.settings else 1
        most = counters * world.bot.linking.settings.sign_in_limit
        guesses = most + world.tries - 2  # the tries are three more than the faults: one guess is refused
        said = [browser.post("/linking/login", fields).status_code for _ in range(guesses)]
        assert set(said) <= {303, 429, 503}
        answered = [status for status in said if status != 503]
        # Redis may come back in between, with the rest of its own count.
        assert 429 in answered if counters == 2 else answered[-1] == 429
        assert world.site.asked.get(person.name, 0) <= most


class SignInThrottleWithRedis(SignInThrottle):
    """Redis counts, with the database behind it; a limit is granted once more at most."""

    settings: ClassVar[dict[str, Any]] = {**SignInThrottle.settings, "THROTTLE": "redis"}

    def prepare(self, person: Person) -> None:
        Throttle(self.world.bot.linking.core.counters, self.world.bot.linking.now).count(
            Limit("sign-in", 5, 300), "somebody"
        )
        self.world.bot.clock.advance(301)  # from now on Redis is believed


class StrictLogin(LinkByLogin):
    """A person whom Messenger has not named is not linked."""

    settings: ClassVar[dict[str, Any]] = {"STRICT": True}

    def act(self, person: Person) -> None:
        code = self.world.approve(person)
        minted = self.world.rows("select psid from codes where account_id = {}", person.name)
        assert set(minted) == {(person.psid,)}
        event = linked_event(code, psid=person.psid, at=self.world.bot.clock.ms)
        self.world.webhook(person, event)
        self.world.settle(person)


class TwoPages(LinkByLogin):
    """One person of each page at the same time: each message comes from the person's own page."""

    settings: ClassVar[dict[str, Any]] = {
        "PAGES": {
            page: {"access_token": token, "app_secret": APP_SECRET, "verify_token": VERIFY_TOKEN}
            for page, token in ((PAGE, PAGE_TOKEN), (OTHER_PAGE, OTHER_PAGE_TOKEN))
        },
        **dict.fromkeys(("PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN", "PAGE_ID")),
    }

    def prepare(self, person: Person) -> None:
        self.other = self.world.new_person(OTHER_PAGE)
        self.code = self.world.approved(self.other)

    def act(self, person: Person) -> None:
        super().act(person)
        event = linked_event(self.code, psid=self.other.psid, page=OTHER_PAGE, at=self.world.bot.clock.ms)
        self.world.webhook(self.other, event)
        self.world.settle(self.other)

    def judge(self, person: Person) -> None:
        for each in (person, self.other):
            super().judge(each)
            heard_from = {
                page
                for (psid, _), page in zip(self.world.graph.sent, self.world.graph.senders, strict=True)
                if psid == each.psid
            }
            assert heard_from == {each.page}


class KeyOfTheSite(Flow):
    """A new key, then the end of the old one. A key whose text was lost is revoked by its name."""

    def prepare(self, person: Person) -> None:
        self.keys = Keys(self.world.bot.linking.core)
        self.old, self.new = self.keys.create(person.name), ""

    def act(self, person: Person) -> None:
        self.world.do(person, lambda: self._create(f"new {person.name}"))
        self.world.do(person, lambda: self.keys.find(self.new))
        self.world.do(person, lambda: self.keys.revoke(person.name))

    def _create(self, name: str) -> None:
        if any(key.name == name and key.revoked_at is None for key in self.keys.list()):
            self.keys.revoke(name)  # nobody has read it
        self.new = self.keys.create(name)

    def judge(self, person: Person) -> None:
        assert self.keys.find(self.new) is not None
        assert self.keys.find(self.old) is None
        active = [key.name for key in self.keys.list() if key.revoked_at is None]
        assert active.count(f"new {person.name}") == 1
        assert person.name not in active


class Purge(Flow):
    """Expired rows are deleted, one kind after the other, and all others stay."""

    messages, history, is_linked = (LINKED,), ("linked",), True

    def prepare(self, person: Person) -> None:
        world = self.world
        world.link(person)
        self.gone = world.new_person()
        world.approved(self.gone)
        world.bot.linking.core.remember(self.gone.psid, {"cart": 1}, PAGE)
        world.bot.clock.advance(40 * 86_400)
        self.fresh = world.new_person()
        world.approved(self.fresh)

    def act(self, person: Person) -> None:
        for _ in range(self.world.tries):
            with suppress(StoreUnavailable):
                self.world.bot.linking.store.purge(self.world.bot.clock.ms)
                return
        raise AssertionError(f"not purged; failed: {self.world.faults.failed}")

    def judge(self, person: Person) -> None:
        world = self.world
        assert world.count("codes", "account_id", self.gone.name) == 0
        assert world.count("attempts", "psid", self.gone.psid) == 0
        assert world.count("resumes", "psid", self.gone.psid) == 0
        assert world.count("codes", "account_id", self.fresh.name) == 1
        assert world.count("links", "psid", person.psid) == 1


FLOWS: tuple[type[Flow], ...] = (
    LinkByLogin, Redelivery, UnlinkByEvent, UnlinkByPython, LinkByAPI, UpdateByAPI, UnlinkByAPI, Erase,
    Cancel, Refused, DisabledAccount, PromptAndResume, SignInThrottle, SignInThrottleWithRedis, StrictLogin,
    TwoPages, KeyOfTheSite, Purge,
)  # fmt: skip
