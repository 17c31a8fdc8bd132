"""Random histories of two people at two browsers: an account with a second factor gets a code only after a
fresh right code of that account in that attempt.

They sign in by a password, by a code in an e-mail, at an identity provider, or are signed in at the site. The
suite walks five hundred histories; for twenty thousand: HISTORIES=20000 python -m pytest -n 0
tests/webview/test_histories.py
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import nullcontext
from html import unescape
from itertools import count
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from werkzeug.test import TestResponse

from bot_linking.core.codes import digest_of
from bot_linking.testing import forms_of
from bot_linking.webview.mailed import MailedCodes
from tests.bots import NewBot
from tests.browser import Browser
from tests.wire import OTHER_PSID, OTHER_TOKEN, PAGE, PSID, TOKEN, batch, linked_event

from .guarded import PASSWORDS, Guarded, guarded, in_memory
from .mailbox import Mailbox
from .scripted import ISSUER, ScriptedProvider

HISTORIES = int(os.environ.get("HISTORIES", "500"))
NUMBERS = count()  # a database that was there before is not made anew
STEPS = 20  # of which each may fill in four forms, one after the other
FORM = re.compile(
    r'<form [^>]*action="(?:[^"?]*/)?([a-z-]+)[^"]*"(?:(?!<form ).)*?name="ticket" value="([^"]+)"', re.DOTALL
)
COOKIES = ("__Host-bot_linking", "__Host-bot_linking_session")
PEOPLE = {"ada": "1", "grace": "2"}

KINDS = ("right", "right", "right", "right", "wrong", "used", "other", "empty")
FORMS = ("login", "email", "email-code", "second-factor", "consent", "oidc", "switch", "cancel")
AT_PROVIDER = ("right", "right", "right", "unknown", "declined", "of another", "twice")
LED_THERE = re.compile(rf'content="0;url=({ISSUER}[^"]+)"')
BESIDE = (
    "second factor on", "second factor off", "session of the site", "time", "new password", "stolen cookies",
    "code sent back",
)  # fmt: skip

browsers = st.integers(0, 1)
names = st.sampled_from(sorted(PEOPLE))
places = st.integers(0, 11)


class TwoBrowsers(RuleBasedStateMachine):
    """Each browser may send each form that either browser ever got, with the cookies that it has by then.

    `waiting` is what a mailed code is asked for: attempt id to the account of the address and the code.
    `proved` is the model: attempt id to the account that a fresh right code was given for since that account
    was last named in the attempt. It follows from requests and answers, and never from the store.
    """

    won: ClassVar[int] = 0
    mailed_in: ClassVar[int] = 0
    provided: ClassVar[int] = 0
    provider: ClassVar[ScriptedProvider]
    world: ClassVar[Guarded]
    empty: ClassVar[dict[str, list[tuple[Any, ...]]]]
    mailed: ClassVar[dict[str, str]]

    @initialize()
    def begin(self) -> None:
        self.world.restore(self.empty)
        self.world.codes.guarded = {PEOPLE["grace"]}
        self.world.codes.used, self.world.codes.taken = {}, []
        self.world.bot.site.signed_in = None
        self.provider.begin()
        self.led_to: list[str] = []  # addresses of the provider that pages led to
        self.browsers = [self.world.bot.browser() for _ in range(2)]
        self.forms: list[tuple[str, str]] = []  # the form's name and its ticket
        self.addresses = ["consent", "second-factor", "login"]
        self.codes: list[str] = []
        self.waiting: dict[str, tuple[str, str]] = {}
        self.proved: dict[str, str] = {}
        self.named: dict[str, str] = {}
        for which, token in enumerate((TOKEN, OTHER_TOKEN)):
            self.open(which, token, False)

    # What people do

    @rule(which=browsers, token=st.sampled_from((TOKEN, OTHER_TOKEN)), again=st.booleans())
    def open(self, which: int, token: str, again: bool) -> None:
        more = {"switch": "1"} if again else {}
        self.note(self.browsers[which], self.browsers[which].open(token, **more))

    @rule(which=browsers, name=names, kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    def go_on(self, which: int, name: str, kinds: list[str]) -> None:
        """Fill in the form of the shown page, rightly or wrongly, several times."""
        for kind in kinds:
            shown = dict(forms_on(self.browsers[which].page))
            pages = ("consent", "second-factor", "email-code", "email" if kind == "used" else "login")
            form = next((each for each in pages if each in shown), None)
            if form is not None:
                self.forms.append((form, shown[form]))
                self.fill_in(which, form, 1, name, kind)

    @rule(which=browsers, name=names, how=st.sampled_from(AT_PROVIDER), back=browsers, place=places)
    def use_provider(self, which: int, name: str, how: str, back: int, place: int) -> None:
        """Press the provider's button on the shown page; a person comes back from an address that a page led
        to."""
        shown = dict(forms_on(self.browsers[which].page))
        if "oidc" in shown:
            self.forms.append(("oidc", shown["oidc"]))
            self.send(which, "oidc", 0, {})
        if self.led_to:
            other = place % len(self.led_to)
            self.come_back(which if place % 4 else back, self.led_to[-1 if place % 3 else other], name, how)

    def come_back(self, which: int, address: str, name: str, how: str) -> None:
        answer = self.provider.sign_in(address, name)
        if how == "unknown":
            answer["code"] = "made-up"
        elif how == "declined":
            answer = {"error": "access_denied", "state": answer["state"]}
        elif how == "of another":
            answer["code"] = self.provider.sign_in(self.led_to[0], name)["code"]
        for _ in range(2 if how == "twice" else 1):
            self.hear(which, answer, name)

    def hear(self, which: int, answer: dict[str, str], name: str) -> None:
        before = len(self.provider.answered)
        page = self.browsers[which].get(f"/linking/oidc?{urlencode(answer)}")
        assert page.status_code in (200, 303, 400), page.status_code
        assert code_of(page) is None
        location = page.headers.get("Location", "")
        if len(self.provider.answered) > before and location.startswith(("consent/", "second-factor/")):
            attempt_id = answer["state"].partition(".")[0]
            self.named[attempt_id] = PEOPLE[self.provider.answered[-1]]
            self.proved.pop(attempt_id, None)
            self.waiting.pop(attempt_id, None)
            type(self).provided += 1
        self.note(self.browsers[which], page)

    @rule(which=browsers, form=st.sampled_from(FORMS), place=places, name=names, kind=st.sampled_from(KINDS))
    def send_any_form(self, which: int, form: str, place: int, name: str, kind: str) -> None:
        """Send a form with a ticket that was seen before, most often on such a form's own page."""
        self.fill_in(which, form, place, name, kind)

    @rule(which=browsers, place=places)
    def look(self, which: int, place: int) -> None:
        address = self.addresses[place % len(self.addresses)]
        page = self.browsers[which].get(f"/linking/{address}")
        assert code_of(page) is None
        self.note(self.browsers[which], page)

    @rule(what=st.sampled_from(BESIDE), name=names, place=places)
    def meanwhile(self, what: str, name: str, place: int) -> None:
        """What happens beside the pages."""
        site, seconds = self.world.bot.site, (1, 40, 301, 901)
        if what == "second factor on":
            self.world.codes.guarded.add(PEOPLE[name])
        elif what == "second factor off":
            self.world.codes.guarded.discard(PEOPLE[name])
        elif what == "session of the site":
            site.signed_in = site.accounts[name] if place % 2 else None
        elif what == "time":
            self.world.bot.clock.advance(seconds[place % 4])
        elif what == "new password":
            self.world.bot.linking.drop_pending(PEOPLE[name])
        elif what == "stolen cookies":
            self.swap_cookies(place % 2)
        elif self.codes:
            psid, code = (PSID, OTHER_PSID)[place % 2], self.codes[place % len(self.codes)]
            event = linked_event(code, psid=psid, page=PAGE, at=self.world.bot.clock.ms)
            assert self.world.bot.post(batch(event)).status_code == 200

    def swap_cookies(self, thief: int) -> None:
        """All cookies of one browser, each under the other's name: no secret replaces another."""
        victim, client = self.browsers[1 - thief].client, self.browsers[thief].client
        found = [victim.get_cookie(name, domain="bot.example") for name in COOKIES]
        own, sessions = (cookie.value[-110:] if cookie else "" for cookie in found)
        for name, value in zip(COOKIES, (f"second factor {sessions}", own), strict=True):
            client.set_cookie(name, value, domain="bot.example")

    # The forms

    def fill_in(self, which: int, form: str, place: int, name: str, kind: str) -> None:
        fill = {
            "login": self.give_password,
            "email": self.ask_for_code,
            "email-code": self.give_mailed_code,
            "second-factor": self.give_code,
            "consent": self.approve,
        }
        if form in fill:
            fill[form](which, place, name, kind)
        else:
            self.send(which, form, place, {})

    def give_password(self, which: int, place: int, name: str, kind: str) -> None:
        fields = {"username": name, "password": PASSWORDS[name] if kind == "right" else "wrong"}
        if (sent := self.send(which, "login", place, fields)) and kind == "right":
            attempt_id, page = sent
            account, location = PEOPLE[name], page.headers.get("Location", "")
            leads = location.startswith("second-factor/") or (
                location.startswith("consent/") and account not in self.world.codes.guarded
            )
            if leads and self.shown_account(which) == account:  # else an old form was led on
                self.named[attempt_id] = account
                self.proved.pop(attempt_id, None)
                self.waiting.pop(attempt_id, None)

    def ask_for_code(self, which: int, place: int, name: str, kind: str) -> None:
        fields = {"again": "1"} if kind == "other" else {"email": f"{name}@example.com"}
        sent = self.send(which, "email", place, {"email": "no address"} if kind == "empty" else fields)
        if sent and sent[1].headers.get("Location", "") == f"email-code/{sent[0]}" and kind != "empty":
            attempt_id = sent[0]
            account = self.waiting.get(attempt_id, ("", ""))[0] if kind == "other" else PEOPLE[name]
            self.waiting[attempt_id] = account, self.mailed[attempt_id]
            self.named.pop(attempt_id, None)
            self.proved.pop(attempt_id, None)

    def give_mailed_code(self, which: int, place: int, name: str, kind: str) -> None:
        """The newest code of this attempt, or another attempt's."""
        read = self.world.ticket(self.ticket_for("email-code", place) or "")
        attempt_id = read.attempt_id if read else ""
        account, good = self.waiting.get(attempt_id, ("", ""))
        others = [code for key, code in self.mailed.items() if key != attempt_id]
        code = {"wrong": "x", "other": (others or ["x"])[-1], "empty": ""}.get(kind, good)
        sent = self.send(which, "email-code", place, {"code": code})
        if sent and good and code == good and attempt_id in self.waiting:
            location = sent[1].headers.get("Location", "")
            if location.startswith(("consent/", "second-factor/")) and self.shown_account(which) == account:
                self.named[attempt_id] = account
                self.waiting.pop(attempt_id)
                type(self).mailed_in += 1

    def give_code(self, which: int, place: int, name: str, kind: str) -> None:
        """A code of the account that the page asks for, or of the other one."""
        read = self.world.ticket(self.ticket_for("second-factor", place) or "")
        asked = read.account_id if read and kind != "other" else PEOPLE[name]
        good = self.world.codes.code_of(asked or "")
        code = {"wrong": "000000", "used": f"{asked}00000", "empty": ""}.get(kind, good)
        taken = len(self.world.codes.taken)
        sent = self.send(which, "second-factor", place, {"code": code})
        if sent and len(self.world.codes.taken) > taken:
            attempt_id, page = sent
            if page.headers.get("Location", "") == f"consent/{attempt_id}":
                self.named[attempt_id] = self.proved[attempt_id] = self.world.codes.taken[-1]

    def approve(self, which: int, place: int, name: str, kind: str) -> None:
        guarded_before = set(self.world.codes.guarded)
        sent = self.send(which, "consent", place, {})
        if sent and (code := code_of(sent[1])):
            self.judge(sent[0], code, guarded_before)

    # What must hold

    def judge(self, attempt_id: str, code: str, guarded_before: set[str]) -> None:
        account_id = self.world.bot.linking.store.account_of_code(digest_of(code))
        at_site = self.world.bot.site.signed_in
        assert account_id in (self.named.get(attempt_id), at_site.id if at_site else None)
        if account_id in guarded_before:
            assert self.proved.get(attempt_id) == account_id, "no fresh right code of this account was given"
            type(self).won += 1

    # Inside

    def shown_account(self, which: int) -> str | None:
        """The account of the page that the browser was led to."""
        read = [self.world.ticket(ticket) for _, ticket in forms_on(self.browsers[which].page)]
        return next((ticket.account_id for ticket in read if ticket and ticket.account_id), None)

    def ticket_for(self, form: str, place: int) -> str | None:
        own = [ticket for name, ticket in self.forms if name == form]
        tickets = own if own and place % 4 else [ticket for _, ticket in self.forms]
        return tickets[-1 - place // 4 % len(tickets)] if tickets else None

    def send(
        self, which: int, form: str, place: int, fields: dict[str, str]
    ) -> tuple[str, TestResponse] | None:
        """The attempt of the ticket that was sent, and the answer."""
        ticket = self.ticket_for(form, place)
        if ticket is None:
            return None
        page = self.browsers[which].post(f"/linking/{form}", {"ticket": ticket, **fields})
        if form == "oidc" and (asking := page.headers.get("Location", "")).startswith("oidc/"):
            for known in (self.named, self.proved, self.waiting):
                known.pop(asking.removeprefix("oidc/"), None)
        assert page.status_code in (200, 303, 400, 403, 429), page.status_code
        assert form == "consent" or code_of(page) is None
        self.note(self.browsers[which], page)
        read = self.world.ticket(ticket)
        assert read is not None
        return read.attempt_id, page

    def note(self, browser: Browser, page: TestResponse) -> None:
        """Record what this page offers, and follow its redirect."""
        location = page.headers.get("Location", "")
        if code := code_of(page):
            self.codes.append(code)
        if page.status_code == 303 and not location.startswith(("http", "/")):
            address = location.removeprefix("../")
            self.addresses.append(address)
            page = browser.get(f"/linking/{address}")
            if page.status_code == 303:
                page = browser.follow()
        if led := LED_THERE.search(page.text):
            self.led_to.append(unescape(led[1]))
        self.forms += forms_on(page)
        self.forms, self.addresses = self.forms[-24:], self.addresses[-12:]


def forms_on(page: TestResponse) -> list[tuple[str, str]]:
    """Name and ticket of each form. `bot_linking.testing` reads a page as a browser does, and ten times more
    slowly."""
    return FORM.findall(page.text)


def code_of(page: TestResponse) -> str | None:
    found = re.search(r"authorization_code=([\w-]+)", page.headers.get("Location", "") + unescape(page.text))
    return found[1] if found else None


@pytest.fixture
def world(new_bot: NewBot, site: Any, tmp_path: Any) -> Iterator[Guarded]:
    database = in_memory(f"histories-{os.getpid()}-{next(NUMBERS)}")
    mailbox = Mailbox()
    provider = ScriptedProvider(site.accounts)
    made = guarded(
        new_bot,
        oidc=provider.oidc,
        DATABASE=database,
        current_account=site.current_account,
        find_by_email=mailbox.find_by_email,
        send_code=mailbox.send_code,
    )
    pages: Any = made.bot.app.view_functions["bot_linking.ask_provider"]
    pages.__self__._client = TwoBrowsers.provider = provider
    yield made
    made.close()
    for suffix in ("", "-wal", "-shm"):
        made.bot.database.with_name(made.bot.database.name + suffix).unlink(missing_ok=True)


@pytest.fixture
def mailed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The newest code of each attempt. No code is sent: that would take a thread for each."""
    made, make = dict[str, str](), MailedCodes.make

    def noting(self: MailedCodes, address: str, attempt_id: str, *, now: int) -> Any:
        made[attempt_id], awaited = make(self, address, attempt_id, now=now)
        return made[attempt_id], awaited

    monkeypatch.setattr(MailedCodes, "make", noting)
    monkeypatch.setattr(MailedCodes, "sending", lambda *_: nullcontext())
    return made


def test_the_forms_of_a_page_are_found_as_a_browser_finds_them(world: Guarded) -> None:
    browser = world.bot.browser()
    for page in (browser.open(), browser.sign_in()):
        found = [(form.name, form.fields["ticket"]) for form in forms_of(page.text)]
        assert forms_on(page) == found != []


@pytest.mark.timeout(900 + HISTORIES)  # seconds, on a busy machine
def test_no_code_without_the_second_factor_whatever_people_do(world: Guarded, mailed: dict[str, str]) -> None:
    TwoBrowsers.world, TwoBrowsers.empty, TwoBrowsers.mailed = world, world.rows(), mailed
    run_state_machine_as_test(
        TwoBrowsers,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert TwoBrowsers.won > HISTORIES / 50, "the histories are worth telling: some get there"
    assert TwoBrowsers.mailed_in > HISTORIES / 200, "and some by a code in an e-mail"
    assert TwoBrowsers.provided > HISTORIES / 50, "and some by the identity provider"
