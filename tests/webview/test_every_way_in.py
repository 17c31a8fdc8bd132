"""Every address, in every stage, with every kind of cookie and ticket: only the steps of the table happen.

A stranger composes every byte. For each stage of an attempt each request is made with each pair of cookies
and tickets, and the stored attempt is compared before and after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import product
from typing import Any
from urllib.parse import urlencode

import pytest
from pytest_httpserver import HTTPServer
from werkzeug.test import TestResponse, create_environ, run_wsgi_app
from werkzeug.wrappers import Request

from bot_linking import Account
from bot_linking.core.journey import STEPS, Stage, Step, after
from bot_linking.core.ports import Attempt
from bot_linking.testing import refresh_of
from tests.bots import NewBot
from tests.browser import Browser
from tests.wire import OTHER_TOKEN, SITE, TOKEN, batch, code_in, linked_event

from ..oidc.provider import Provider, answer_query, oidc_of
from .guarded import PASSWORDS, Guarded, guarded
from .mailbox import Mailbox, other_than

BROWSER, SESSIONS = "__Host-bot_linking", "__Host-bot_linking_session"
ENVIRON = {**create_environ(base_url=SITE), "REMOTE_ADDR": "127.0.0.1"}
GRACE = "2"
GRACE_THERE = Account(GRACE, username="grace", email="grace@example.com")

Cookies = dict[str, str | list[str]]


@dataclass
class Prize:
    """An attempt of Grace, who has a second factor, at one stage, with all that a stranger could copy of
    it."""

    world: Guarded
    stage: Stage
    attempt_id: str
    cookies: dict[str, str]
    ticket: str
    early_ticket: str
    early_sessions: str
    foreign_cookies: dict[str, str]
    foreign_ticket: str
    mailed: str  # the code that was sent last
    answer: str  # the query that the identity provider leads back with

    def attempt(self) -> Attempt | None:
        return self.world.bot.linking.core.attempt_of(self.attempt_id)


def cookies_of(browser: Browser) -> dict[str, str]:
    found = {}
    for name in (BROWSER, SESSIONS):
        cookie = browser.client.get_cookie(name, domain="bot.example")
        found[name] = cookie.value if cookie else ""
    return found


def signed_in(world: Guarded, name: str, token: str) -> Browser:
    browser = world.bot.browser()
    browser.open(token)
    browser.sign_in(name, PASSWORDS[name])
    return browser


def to_code(browser: Browser, world: Guarded) -> None:
    browser.submit("second-factor", code=world.codes.code_of(GRACE))
    browser.follow()


def lead_to(stage: Stage, browser: Browser, world: Guarded) -> None:
    """Lead a browser that has just opened the login to a stage."""
    if stage is Stage.PROVIDER_ASKED:
        browser.submit("oidc")
        browser.follow()
        return
    if stage is Stage.CODE_SENT:
        browser.submit("email", email="grace@example.com")
        browser.follow()
        return
    if stage is Stage.OPENED:
        browser.submit("login", username="grace", password="wrong")
        browser.follow()
        return
    browser.sign_in("grace", PASSWORDS["grace"])
    if stage is Stage.PASSWORD_GIVEN:
        return
    to_code(browser, world)
    if stage is Stage.CONSENT_SHOWN:
        return
    form = browser.form("cancel" if stage is Stage.LEFT else "consent")
    browser.post(form.action, form.fields)
    if stage is Stage.DONE:
        code = code_in(browser.page.text.partition("authorization_code=")[2].partition('"')[0])
        world.bot.post(batch(linked_event(code)))


@pytest.fixture(params=sorted(set(Stage) - {Stage.SECOND_FACTOR_PASSED}))
def prize(request: pytest.FixtureRequest, new_bot: NewBot, httpserver_ipv4: HTTPServer) -> Iterator[Prize]:
    stage = request.param
    mailbox, provider = Mailbox(), Provider(httpserver_ipv4)
    world = guarded(
        new_bot,
        GRACE,
        find_by_email=mailbox.find_by_email,
        send_code=mailbox.send_code,
        oidc=oidc_of(provider, account_of=lambda claims: GRACE_THERE),
    )
    provider.seconds = world.bot.clock
    foreign = signed_in(world, "ada", OTHER_TOKEN)
    browser = world.bot.browser()
    browser.open(TOKEN)
    early = browser.form("login").fields["ticket"]
    early_sessions = ""
    if stage not in (Stage.OPENED, Stage.CODE_SENT, Stage.PROVIDER_ASKED, Stage.PASSWORD_GIVEN):
        earlier = signed_in(world, "grace", TOKEN)  # another pass, for a secret from before the code
        early_sessions = cookies_of(earlier)[SESSIONS]
    lead_to(Stage.APPROVED if stage is Stage.EXPIRED else stage, browser, world)
    mailed = mailbox.code() if stage is Stage.CODE_SENT else ""
    target = refresh_of(browser.page.text) if stage is Stage.PROVIDER_ASKED else None
    answer = answer_query(provider.sign_in(target)) if target else ""
    forms = {
        Stage.OPENED: "login",
        Stage.CODE_SENT: "email-code",
        Stage.PROVIDER_ASKED: "cancel",
        Stage.PASSWORD_GIVEN: "second-factor",
    }
    ticket = browser.form(forms[stage]).fields["ticket"] if stage in forms else last_ticket(browser, world)
    read = world.ticket(ticket)
    assert read is not None
    if stage is Stage.EXPIRED:
        world.bot.clock.advance(901)
    found = Prize(
        world, stage, read.attempt_id, cookies_of(browser), ticket, early, early_sessions,
        cookies_of(foreign), foreign.form("consent").fields["ticket"], mailed,
        answer,
    )  # fmt: skip
    kept = found.attempt()
    assert kept is not None
    assert kept.stage is stage
    yield found
    world.close()


def last_ticket(browser: Browser, world: Guarded) -> str:
    """The ticket of the consent page, signed as the page signed it."""
    session = cookies_of(browser)[SESSIONS]
    attempt_id = session.split("~")[-1].split(".")[0]
    kept = world.bot.linking.core.attempt_of(attempt_id)
    assert kept is not None
    if kept.account is None:  # it was left: the ticket is from before that
        account = world.bot.site.accounts["grace"]
        kept = replace(kept, account=account)
    with world.bot.app.test_request_context():
        return world.webview.browser.sign(kept)


# The shapes

OWN, BROWSER_ALONE, STRANGE, FOREIGN = "own", "the browser's own secret alone", "strange", "another browser's"


def cookie_shapes(prize: Prize) -> Iterator[tuple[str, Cookies, str]]:
    """Name, cookies, and whose they are."""
    own, foreign = prize.cookies, prize.foreign_cookies
    session = own[SESSIONS]
    secret = session.split("~")[-1].partition(".")[2]
    entry = f"{prize.attempt_id}."
    yield "own", dict(own), OWN
    yield "own, quoted", {name: f'"{value}"' for name, value in own.items()}, OWN  # read without quotes
    yield "none", {}, STRANGE
    yield "another browser's", dict(foreign), FOREIGN
    shapes: dict[str, str | list[str]] = {
        "empty": "", "composed": f"second factor {secret}", "quoted": f'"second factor {session}"',
        "composed inside": f"{entry}second factor {secret}", "secret alone": secret,
        "digest": entry + "0" * 64, "own secret of the browser": entry + own[BROWSER],
        "foreign secret": entry + foreign[SESSIONS].partition(".")[2], "wrong id": f"{'x' * 22}.{secret}",
        "longer": session + "x", "shorter": session[:-1], "other case": session.swapcase(),
        "earlier": prize.early_sessions or "x", "joined": f"{entry}{secret}.{secret}",
        "foreign id": foreign[SESSIONS].partition(".")[0] + "." + secret,
        "doubled header": ["", session], "other separator": f"x;{session}", "blank": f" {session[:-2]} ",
        "not ascii": entry + "é" * 43, "long": "x" * 3000,
    }  # fmt: skip
    browsers = {own[BROWSER]: BROWSER_ALONE, foreign[BROWSER]: STRANGE, session: STRANGE}
    for (name, value), (browser, whose) in product(shapes.items(), browsers.items()):
        yield f"{name}, {whose}", {BROWSER: browser, SESSIONS: value}, whose


def ticket_shapes(prize: Prize) -> dict[str, list[str]]:
    own = prize.ticket
    return {
        "own": [own], "early": [prize.early_ticket], "foreign": [prize.foreign_ticket], "none": [],
        "empty": [""], "doubled": [own, prize.foreign_ticket], "quoted": [f'"{own}"'], "cut": [own[:-1]],
        "unsigned": [own.rpartition(".")[0]], "composed": [f"second factor {own}"], "swapped": [
            own.rpartition(".")[0] + "." + prize.foreign_ticket.rpartition(".")[2]
        ],
    }  # fmt: skip


PLAIN = ("own", "none", "another browser's", f"earlier, {BROWSER_ALONE}", f"composed, {STRANGE}")
BROKEN = ("none", "empty", "doubled", "quoted", "cut", "unsigned", "composed", "swapped")


def posts(prize: Prize) -> dict[str, tuple[dict[str, str], set[Step]]]:
    """What may be sent, and the steps that it may take in the attempt's own browser."""
    given = {Step.GIVE_PASSWORD, Step.NEED_NO_SECOND_FACTOR, Step.SHOW_CONSENT}
    code = prize.world.codes.code_of(GRACE)
    return {
        "login": ({"username": "grace", "password": "wrong"}, {Step.REFUSE}),
        "login ": ({"username": "grace", "password": PASSWORDS["grace"]}, {Step.GIVE_PASSWORD}),
        "login  ": ({"username": "ada", "password": PASSWORDS["ada"]}, given),
        "second-factor": ({"code": "000000"}, {Step.REFUSE}),
        "second-factor ": ({"code": ""}, {Step.REFUSE}),
        "second-factor  ": ({"code": code}, {Step.PASS_SECOND_FACTOR, Step.SHOW_CONSENT}),
        "email": ({"email": "ada@example.com"}, {Step.SEND_CODE}),
        "email ": ({"email": "no address"}, {Step.REFUSE}),
        "email  ": ({"again": "1"}, {Step.SEND_CODE}),
        "email-code": ({"code": other_than(prize.mailed or "0")}, {Step.REFUSE}),
        "email-code ": ({"code": prize.mailed}, {Step.REFUSE, Step.GIVE_CODE}),
        "oidc": ({}, {Step.ASK_PROVIDER}),
        "consent": ({}, {Step.APPROVE}),
        "switch": ({}, {Step.LEAVE}),
        "cancel": ({}, {Step.LEAVE}),
    }


def gets(prize: Prize) -> list[str]:
    pages = ("login", "signup", "email-code", "oidc", "second-factor", "consent")
    own = [f"{page}/{prize.attempt_id}" for page in pages]
    stranger = f"oidc?code=x&state={prize.attempt_id}.{'x' * 43}"
    return [
        *own,
        *(f"{page}/{prize.attempt_id}x" for page in pages),
        *pages,
        "email",
        "switch",
        "cancel",
        stranger,
    ]


# The requests


def send(
    prize: Prize,
    method: str,
    path: str,
    cookies: Cookies,
    fields: Mapping[str, str | list[str]] | None = None,
) -> TestResponse:
    """One request, by WSGI itself: a test client makes each anew, and there are some ten thousand."""
    pairs = [
        f"{name}={each}"
        for name, value in cookies.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    where, _, query = path.partition("?")
    environ = {**ENVIRON, "REQUEST_METHOD": method, "PATH_INFO": f"/linking/{where}", "QUERY_STRING": query}
    if pairs:
        environ["HTTP_COOKIE"] = "; ".join(pairs).encode().decode("latin-1")
    body = urlencode(fields or {}, doseq=True).encode()
    if fields is not None:
        environ |= {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body))}
    environ["wsgi.input"] = BytesIO(body)
    answer = run_wsgi_app(prize.world.bot.app, environ, buffered=True)
    return TestResponse(*answer, request=Request(environ))


def reachable(stage: Stage, steps: set[Step]) -> set[Stage]:
    """The stages that these steps lead to, in any order that the table allows."""
    found, new = {stage}, {stage}
    while new:
        new = {after(each, step) for each in new for step in steps if step in STEPS[each]} - found
        found |= new
    return found


def gives_away(prize: Prize, page: TestResponse) -> bool:
    """Whether a page shows a value of the attempt that only the attempt's browser may know."""
    where = page.headers.get("Location", "")
    return prize.attempt_id in where or "grace" in page.text or TOKEN in page.text


def test_looking_shows_the_attempt_to_its_own_browser_alone_and_changes_nothing(prize: Prize) -> None:
    world, shown = prize.world, 0
    before = world.version()
    for (name, cookies, whose), path in product(cookie_shapes(prize), gets(prize)):
        if name in PLAIN:
            assert send(prize, "HEAD", path, cookies).status_code in (200, 303, 400, 404, 405), (name, path)
        page = send(prize, "GET", path, cookies)
        assert "authorization_code" not in page.text + page.headers.get("Location", "")
        if whose == OWN:
            shown += gives_away(prize, page)
        else:
            assert not gives_away(prize, page), (name, path)
            if path == "oidc" and prize.answer:
                assert not gives_away(prize, send(prize, "GET", f"oidc?{prize.answer}", cookies)), name
            assert whose == FOREIGN or 'name="ticket"' not in page.text, (name, path)
    assert world.version() == before
    assert shown


@pytest.mark.parametrize("whose", [OWN, BROWSER_ALONE, STRANGE, FOREIGN])
def test_a_form_takes_the_tables_steps_for_the_attempts_own_browser_alone(prize: Prize, whose: str) -> None:
    """The browser's own secret, without the attempt's, is good for the first page's form only."""
    world, kept = prize.world, prize.attempt()
    assert kept is not None
    before, version, taken = world.rows(), world.version(), set[Stage]()
    good = {OWN: ("own", "early"), BROWSER_ALONE: ("early",)}.get(whose, ())
    shapes = [(name, cookies) for name, cookies, of in cookie_shapes(prize) if of == whose]
    for (name, cookies), (ticket, signed) in product(shapes, ticket_shapes(prize).items()):
        if ticket in BROKEN and "," in name:
            continue  # what is no ticket of ours meets a few cookies only
        for path, (fields, steps) in posts(prize).items():
            case = (name, ticket, path)
            page = send(prize, "POST", path.strip(), cookies, {"ticket": signed, **fields})
            if ticket not in good:
                assert "grace@" not in page.text, case
            if world.version() == version:
                continue
            now = prize.attempt()
            assert now is not None, case
            assert now == kept or ticket in good, case
            assert now.stage in reachable(kept.stage, steps), case
            taken.add(now.stage)
            judge_codes(prize, ticket == "own" and path == "consent", case)
            world.restore(before)
            version = world.version()
    if whose == OWN and prize.stage is Stage.CODE_SENT:
        assert {Stage.CODE_SENT, Stage.PASSWORD_GIVEN, Stage.LEFT} <= taken
    if whose == OWN and prize.stage in (Stage.CONSENT_SHOWN, Stage.APPROVED):
        assert {Stage.APPROVED, Stage.LEFT} <= taken, "the forms that should work do"


def judge_codes(prize: Prize, may_mint: bool, case: Any) -> None:
    """A code of Grace comes from the consent form of her attempt at the consent, and from no other
    request."""
    statement = "select count(*) from codes where account_id = ? and consumed_at is null"
    found = prize.world._connection.execute(statement, (GRACE,)).fetchone()[0]
    had = {Stage.APPROVED: 1, Stage.EXPIRED: 1}.get(prize.stage, 0)
    at_consent = prize.stage in (Stage.CONSENT_SHOWN, Stage.APPROVED)
    assert found <= had + (may_mint and at_consent), case


def test_a_code_right_for_one_attempt_opens_no_other(new_bot: NewBot) -> None:
    """Two attempts of one browser wait for a code. Each needs its own."""
    world = guarded(new_bot, GRACE)
    browser = world.bot.browser()
    pages = []
    for token in (TOKEN, OTHER_TOKEN):
        browser.open(token)
        browser.sign_in("grace", PASSWORDS["grace"])
        pages.append((browser.page, browser.location))
    browser._page, browser.location = pages[0]
    to_code(browser, world)
    assert browser.form("consent")
    other = pages[1][1].rpartition("/")[2]
    browser.get(f"/linking/consent/{other}")
    assert browser.page.headers["Location"] == f"../second-factor/{other}"


@pytest.mark.parametrize("path", ["password", "site"])
def test_a_second_factor_switched_on_meanwhile_is_asked_for_in_the_same_attempt(
    new_bot: NewBot, path: str
) -> None:
    """The consent button leads to the code of this attempt, and from there to the consent again."""
    if path == "site":
        account = guarded(new_bot).bot.site.accounts["ada"]
        world = guarded(new_bot, authenticate=None, current_account=lambda: account)
    else:
        world = guarded(new_bot)
    browser = world.bot.browser()
    browser.open()
    if path == "password":
        browser.sign_in()
    ticket = browser.form("consent").fields["ticket"]
    read = world.ticket(ticket)
    assert read is not None
    world.codes.guarded.add("1")
    answer = browser.submit("consent")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"second-factor/{read.attempt_id}")
    assert world.rows()["codes"] == []
    browser.get(f"/linking/second-factor/{read.attempt_id}")
    old = browser.post("/linking/consent", {"ticket": ticket})
    assert old.headers["Location"] == f"second-factor/{read.attempt_id}"
    browser.get(f"/linking/second-factor/{read.attempt_id}")
    browser.submit("second-factor", code="000000")
    browser.follow()
    browser.submit("second-factor", code=world.codes.code_of("1"))
    assert browser.page.headers["Location"] == f"consent/{read.attempt_id}"
    browser.follow()
    assert browser.consent()
    assert len(world.rows()["codes"]) == 1


def test_a_second_factor_that_was_off_for_a_while_needs_no_second_code(
    new_bot: NewBot,
) -> None:
    world = guarded(new_bot, GRACE)
    browser = signed_in(world, "grace", TOKEN)
    to_code(browser, world)
    world.codes.guarded.discard(GRACE)
    world.codes.guarded.add(GRACE)
    assert browser.consent()
    assert world.codes.taken == [GRACE]


def test_a_code_of_one_account_is_no_code_of_the_next_in_the_same_attempt(new_bot: NewBot) -> None:
    """Grace gives her code. Then Ada signs in on the page before, and gets a second factor after that."""
    world = guarded(new_bot, GRACE)
    browser = world.bot.browser()
    early = browser.open(TOKEN)
    browser.sign_in("grace", PASSWORDS["grace"])
    to_code(browser, world)
    browser._page, browser.location = early, "/linking/login"
    browser.sign_in("ada", PASSWORDS["ada"])
    assert browser.form("consent")
    world.codes.guarded.add("1")
    assert browser.submit("consent").headers["Location"].startswith("second-factor/")
    assert world.rows()["codes"] == []
