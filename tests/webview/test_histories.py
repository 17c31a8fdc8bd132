"""Histories of two people at two browsers: no code for an account that has a second factor without a fresh
right code of that very account in that very attempt.

Five hundred histories in the suite; twenty thousand by

    HISTORIES=20000 python -m pytest -n 0 tests/webview/test_histories.py
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from html import unescape
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from werkzeug.test import TestResponse

from bot_linking.core.codes import digest_of
from bot_linking.testing import forms_of
from tests.conftest import OTHER_PSID, OTHER_TOKEN, PAGE, PSID, TOKEN, Browser, NewBot, batch, linked_event

from .guarded import PASSWORDS, Guarded, guarded, in_memory

HISTORIES = int(os.environ.get("HISTORIES", "500"))
STEPS = 25
COOKIES = ("__Host-bot_linking", "__Host-bot_linking_session")
PEOPLE = {"ada": "1", "grace": "2"}

browsers = st.integers(0, 1)
names = st.sampled_from(sorted(PEOPLE))
places = st.integers(0, 11)


class TwoBrowsers(RuleBasedStateMachine):
    """Each browser may send each form that either of them ever got, with what cookies it has by then.

    `proved` is the model: attempt id to the account that a fresh right code was given for since that account
    was last named in the attempt. It is told by what was sent and answered, never by what is stored.
    """

    won: ClassVar[int] = 0
    world: ClassVar[Guarded]
    empty: ClassVar[dict[str, list[tuple[Any, ...]]]]

    @initialize()
    def begin(self) -> None:
        self.world.restore(self.empty)
        self.world.codes.guarded = {PEOPLE["grace"]}
        self.world.codes.used, self.world.codes.taken = {}, []
        self.world.bot.site.signed_in = None
        self.browsers = [self.world.bot.browser() for _ in range(2)]
        self.forms: list[tuple[str, str]] = []  # the form's name and its ticket
        self.addresses = ["consent", "second-factor", "login"]
        self.codes: list[str] = []
        self.proved: dict[str, str] = {}
        self.named: dict[str, str] = {}
        for which, token in enumerate((TOKEN, OTHER_TOKEN)):
            self.open(which, token, False)

    # What people do

    @rule(which=browsers, token=st.sampled_from((TOKEN, OTHER_TOKEN)), again=st.booleans())
    def open(self, which: int, token: str, again: bool) -> None:
        more = {"switch": "1"} if again else {}
        self.note(self.browsers[which], self.browsers[which].open(token, **more))

    @rule(which=browsers, place=places, name=names, is_right=st.booleans())
    def give_password(self, which: int, place: int, name: str, is_right: bool) -> None:
        fields = {"username": name, "password": PASSWORDS[name] if is_right else "wrong"}
        if (sent := self.send(which, "login", place, fields)) and is_right:
            attempt_id, page = sent
            if page.headers.get("Location", "").startswith(("consent/", "second-factor/")):
                self.named[attempt_id] = PEOPLE[name]
                self.proved.pop(attempt_id, None)

    @rule(which=browsers, place=places, name=names, kind=st.sampled_from(("right", "wrong", "used", "empty")))
    def give_code(self, which: int, place: int, name: str, kind: str) -> None:
        good = self.world.codes.code_of(PEOPLE[name])
        code = {"right": good, "wrong": "000000", "used": f"{PEOPLE[name]}00000", "empty": ""}[kind]
        taken = len(self.world.codes.taken)
        sent = self.send(which, "second-factor", place, {"code": code})
        if sent and len(self.world.codes.taken) > taken:
            attempt_id, page = sent
            if page.headers.get("Location", "") == f"consent/{attempt_id}":
                self.named[attempt_id] = self.proved[attempt_id] = self.world.codes.taken[-1]

    @rule(which=browsers, place=places)
    def approve(self, which: int, place: int) -> None:
        guarded_before = set(self.world.codes.guarded)
        sent = self.send(which, "consent", place, {})
        if sent and (code := code_of(sent[1])):
            self.judge(sent[0], code, guarded_before)

    @rule(which=browsers, name=names, steps=st.integers(1, 4))
    def go_on(self, which: int, name: str, steps: int) -> None:
        """As an honest person would: the page's own form, rightly filled in."""
        for _ in range(steps):
            shown = {form.name: form.fields["ticket"] for form in forms_of(self.browsers[which].page.text)}
            for form in ("consent", "second-factor", "login"):
                if form in shown:
                    self.forms.append((form, shown[form]))
                    self._fill_in(which, form, shown[form], name)
                    break

    def _fill_in(self, which: int, form: str, ticket: str, name: str) -> None:
        if form == "consent":
            self.approve(which, 1)
        elif form == "login":
            self.give_password(which, 1, name, True)
        else:
            read = self.world.ticket(ticket)
            assert read is not None
            whose = next((each for each, account_id in PEOPLE.items() if account_id == read.account_id), name)
            self.give_code(which, 1, whose, "right")

    @rule(which=browsers, place=places, form=st.sampled_from(("switch", "cancel")))
    def leave(self, which: int, place: int, form: str) -> None:
        self.send(which, form, place, {})

    @rule(which=browsers, place=places)
    def look(self, which: int, place: int) -> None:
        address = self.addresses[place % len(self.addresses)]
        page = self.browsers[which].get(f"/linking/{address}")
        assert code_of(page) is None
        self.note(self.browsers[which], page)

    @rule(thief=browsers)
    def copy_cookies(self, thief: int) -> None:
        """All cookies of one browser, each under the other's name: no secret stands in for another."""
        victim, client = self.browsers[1 - thief].client, self.browsers[thief].client
        found = [victim.get_cookie(name, domain="bot.example") for name in COOKIES]
        own, sessions = (cookie.value if cookie else "" for cookie in found)
        for name, value in zip(COOKIES, (f"second factor {sessions[-110:]}", own[-110:]), strict=True):
            client.set_cookie(name, value, domain="bot.example")

    # What happens beside it

    @rule(name=names, on=st.booleans())
    def switch_second_factor(self, name: str, on: bool) -> None:
        (self.world.codes.guarded.add if on else self.world.codes.guarded.discard)(PEOPLE[name])

    @rule(name=st.sampled_from((*sorted(PEOPLE), None)))
    def session_of_the_site(self, name: str | None) -> None:
        self.world.bot.site.signed_in = self.world.bot.site.accounts[name] if name else None

    @rule(place=places, psid=st.sampled_from((PSID, OTHER_PSID)))
    def messenger_sends_a_code_back(self, place: int, psid: str) -> None:
        if self.codes:
            code = self.codes[place % len(self.codes)]
            event = linked_event(code, psid=psid, page=PAGE, at=self.world.bot.clock.ms)
            assert self.world.bot.post(batch(event)).status_code == 200

    @rule(seconds=st.sampled_from((1, 40, 301, 901)))
    def time_goes_by(self, seconds: int) -> None:
        self.world.bot.clock.advance(seconds)

    @rule(name=names)
    def password_changes(self, name: str) -> None:
        self.world.bot.linking.drop_pending(PEOPLE[name])

    # What must hold

    def judge(self, attempt_id: str, code: str, guarded_before: set[str]) -> None:
        account_id = self.world.bot.linking.store.account_of_code(digest_of(code))
        at_site = self.world.bot.site.signed_in
        assert account_id in (self.named.get(attempt_id), at_site.id if at_site else None)
        if account_id in guarded_before:
            assert self.proved.get(attempt_id) == account_id, "no fresh right code of this account was given"
            type(self).won += 1

    # Inside

    def send(
        self, which: int, form: str, place: int, fields: dict[str, str]
    ) -> tuple[str, TestResponse] | None:
        """Send a form with one of the tickets that were seen, most often one of its own page."""
        own = [ticket for name, ticket in self.forms if name == form]
        tickets = own if own and place % 4 else [ticket for _, ticket in self.forms]
        if not tickets:
            return None
        ticket = tickets[-1 - place // 4 % len(tickets)]
        page = self.browsers[which].post(f"/linking/{form}", {"ticket": ticket, **fields})
        assert page.status_code in (200, 303, 400, 403, 429), page.status_code
        if form != "consent":
            assert code_of(page) is None, form
        self.note(self.browsers[which], page)
        read = self.world.ticket(ticket)
        assert read is not None
        return read.attempt_id, page

    def note(self, browser: Browser, page: TestResponse) -> None:
        """Keep what this page offers, and go where it leads."""
        location = page.headers.get("Location", "")
        if code := code_of(page):
            self.codes.append(code)
        if page.status_code == 303 and not location.startswith(("http", "/")):
            address = location.removeprefix("../")
            self.addresses.append(address)
            page = browser.get(f"/linking/{address}")
            if page.status_code == 303:
                page = browser.follow()
        for form in forms_of(page.text):
            self.forms.append((form.name, form.fields["ticket"]))
        self.forms, self.addresses = self.forms[-24:], self.addresses[-12:]


def code_of(page: TestResponse) -> str | None:
    found = re.search(r"authorization_code=([\w-]+)", page.headers.get("Location", "") + unescape(page.text))
    return found[1] if found else None


@pytest.fixture
def world(new_bot: NewBot, site: Any, tmp_path: Any) -> Iterator[Guarded]:
    database = in_memory(f"histories-{os.getpid()}")
    made = guarded(new_bot, DATABASE=database, current_account=site.current_account)
    yield made
    made.close()
    for suffix in ("", "-wal", "-shm"):
        made.bot.database.with_name(made.bot.database.name + suffix).unlink(missing_ok=True)


def test_no_code_without_the_second_factor_whatever_people_do(world: Guarded) -> None:
    TwoBrowsers.world, TwoBrowsers.empty = world, world.rows()
    run_state_machine_as_test(
        TwoBrowsers,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert TwoBrowsers.won > HISTORIES / 50, "the histories are worth telling: some get there"
