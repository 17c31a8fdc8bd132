"""What applications do with the ExternalAccount module: each calls again after a 503, and the site's own code
after `StoreUnavailable`."""

from __future__ import annotations

from typing import Any

import pyotp
from werkzeug.test import TestResponse

from bot_linking.external_account.errors import SecondFactorRefused
from bot_linking.external_account.two_factor import RECOVERY_CODES, Enrolment
from tests.browser import Browser
from tests.wire import code_in, linked_event

from .failing import UNKNOWN
from .flows import APP, Flow, LinkByLogin, Person, World, _is_done


class OfApp(Flow):
    """Bound by a call, without a link."""

    is_bound = True

    def prepare(self, person: Person) -> None:
        self.token = self.world.external.create_token(APP, person.number)
        self.bind(person)
        (self.account,) = self.list(person)

    def call(
        self,
        person: Person,
        method: str,
        path: str,
        token: str,
        json: Any = None,
        *,
        or_gone: bool = False,
    ) -> Any:
        """Call until there is an answer; returns what its envelope holds."""
        data = None
        begun = len(self.world.faults.failed)

        def step() -> bool:
            nonlocal data
            answer = ask(self.world, method, path, token, json)
            unheard = set(self.world.faults.failed[begun:]) & set(UNKNOWN)
            if or_gone and unheard and answer.status_code == 404:
                return True
            data = answer.get_json()["data"]
            return _is_done(answer)

        self.world.insist(person, step)
        return data

    def bind(self, person: Person) -> None:
        self.call(person, "POST", "", self.token, {"unionID": person.psid, "platform": "wechat"})

    def list(self, person: Person) -> list[dict[str, Any]]:
        return list(self.call(person, "GET", "", self.token))

    def sign_in(self, person: Person, totp: pyotp.TOTP | None = None) -> str:
        """Sign in until there is a token, with a fresh code each time."""
        token = ""

        def step() -> bool:
            nonlocal token
            self.world.bot.clock.advance(30)
            given = {"unionID": person.psid, "platform": "wechat"}
            self.code = totp.at(int(self.world.bot.clock())) if totp else ""
            if totp:
                given["twoFactorCode"] = self.code
            answer = ask(self.world, "POST", "/SignIn", self.world.back_end, given)
            if is_done := _is_done(answer):
                token = answer.get_json()["data"]["access_token"]
            return is_done

        self.world.insist(person, step)
        return token

    def is_good(self, token: str) -> bool:
        return self.world.external.user_of(f"Bearer {token}", APP) is not None

    def enable(self, person: Person) -> Enrolment:
        return self.world.external.enable_two_factor(APP, person.number)

    def sign_ins(self, person: Person) -> int:
        statement = "select 1 from external_tokens where account_id is not null and user_id = {}"
        return len(self.world.rows(statement, person.number))


def ask(world: World, method: str, path: str, token: str, json: Any, *, app: str = APP) -> TestResponse:
    headers = {"Authorization": f"Bearer {token}"}
    return world.bot.client().open(f"/ExternalAccount/{app}{path}", method=method, headers=headers, json=json)


class BindByCall(OfApp):
    """The same pair twice: one account, which the list shows."""

    def prepare(self, person: Person) -> None:
        self.token = self.world.external.create_token(APP, person.number)

    def act(self, person: Person) -> None:
        self.bind(person)
        self.bind(person)
        assert [each["unionID"] for each in self.list(person)] == [person.psid]


class DisableByCall(OfApp):
    """A disabled account never has a good token."""

    def prepare(self, person: Person) -> None:
        super().prepare(person)
        self.signed_in = self.sign_in(person)

    def act(self, person: Person) -> None:
        change = {"enable": False, "data": "why"}
        self.call(person, "PUT", f"/{self.account['id']}", self.token, change)

    def judge(self, person: Person) -> None:
        super().judge(person)
        (account,) = self.list(person)
        assert (account["enable"], account["data"]) == (False, "why")
        assert not self.is_good(self.signed_in)
        assert self.is_good(self.token)


class UnbindByCall(DisableByCall):
    """The account is gone with its tokens. A caller that lost the answer is told that there is none."""

    is_bound = False

    def act(self, person: Person) -> None:
        self.call(person, "DELETE", f"/{self.account['id']}", self.token, or_gone=True)

    def judge(self, person: Person) -> None:
        Flow.judge(self, person)
        assert self.list(person) == []
        assert not self.is_good(self.signed_in)


class SignInByCall(OfApp):
    def act(self, person: Person) -> None:
        self.signed_in = self.sign_in(person)

    def judge(self, person: Person) -> None:
        super().judge(person)
        assert self.is_good(self.signed_in)
        assert 1 <= self.sign_ins(person) <= 1 + len(self.world.faults.failed)


class SignInWithCode(SignInByCall):
    """A code that has signed somebody in is never good again, whatever failed before."""

    def prepare(self, person: Person) -> None:
        super().prepare(person)
        self.totp = authenticator(self.enable(person))

    def act(self, person: Person) -> None:
        self.signed_in = self.sign_in(person, self.totp)

    def judge(self, person: Person) -> None:
        super().judge(person)
        assert not passes(self.world, person, self.code), "a code was good twice"


class ReplaceSecondFactor(OfApp):
    """The old secret with its recovery codes and sign-ins, or the new one with its own; never both."""

    def prepare(self, person: Person) -> None:
        super().prepare(person)
        self.old = self.enable(person)
        self.signed_in = self.sign_in(person, authenticator(self.old))

    def act(self, person: Person) -> None:
        def enable() -> None:
            self.new = self.enable(person)

        self.world.do(person, enable)

    def judge(self, person: Person) -> None:
        super().judge(person)
        now = int(self.world.bot.clock())
        for old in (self.old.recovery_codes[0], authenticator(self.old).at(now)):
            assert not passes(self.world, person, old), "the old second factor is still good"
        assert self.world.count("external_recovery_codes", "user_id", person.number) == RECOVERY_CODES
        assert passes(self.world, person, authenticator(self.new).at(now))
        assert not self.is_good(self.signed_in)


class DisableSecondFactor(ReplaceSecondFactor):
    def act(self, person: Person) -> None:
        self.world.do(person, lambda: self.world.external.disable_two_factor(APP, person.number))

    def judge(self, person: Person) -> None:
        Flow.judge(self, person)
        assert not self.world.external.is_two_factor_on(APP, person.number)
        assert self.world.count("external_recovery_codes", "user_id", person.number) == 0
        assert not self.is_good(self.signed_in)


class RevokeTokens(OfApp):
    """Two tokens are revoked, one after the other; a third stays."""

    def prepare(self, person: Person) -> None:
        super().prepare(person)
        self.signed_in, self.third = (
            self.sign_in(person),
            self.world.external.create_token(APP, person.number),
        )

    def act(self, person: Person) -> None:
        for token in (self.signed_in, self.token):
            self.world.do(person, lambda token=token: self.world.external.revoke_token(token))  # type: ignore[misc]

    def judge(self, person: Person) -> None:
        super().judge(person)
        assert not self.is_good(self.signed_in)
        assert not self.is_good(self.token)
        assert self.is_good(self.third)


class ReplaceBackEndToken(OfApp):
    """At each moment one token is good that the back end knows."""

    def act(self, person: Person) -> None:
        def create() -> None:
            self.new = self.world.external.create_back_end_token(APP)

        self.old = self.world.back_end
        self.world.do(person, create)
        self.world.do(person, lambda: self.world.external.revoke_token(self.old))
        self.world.back_end = self.new

    def judge(self, person: Person) -> None:
        super().judge(person)
        assert ask(self.world, "POST", "/SignIn", self.old, None).status_code == 401
        assert self.sign_in(person)


class LinkWithCode(LinkByLogin):
    """The pages ask for a code between password and consent: the password alone is not enough, and a code
    is good once. A person whose answer is lost at the step to the consent starts again."""

    def prepare(self, person: Person) -> None:
        self.totp = authenticator(self.world.external.enable_two_factor(APP, person.number))

    def act(self, person: Person) -> None:
        target = self.world.press(person, self.sign_in(person), "consent")
        event = linked_event(code_in(target), psid=person.psid, at=self.world.bot.clock.ms)
        self.world.webhook(person, event)
        self.world.settle(person)

    def sign_in(self, person: Person) -> Browser:
        for _ in range(self.world.tries):
            browser, place = self.world.log_in(person)
            assert place.startswith("second-factor/"), "nobody asked for a code"
            consent = place.replace("second-factor", "consent")
            shown = browser.get(f"/linking/{consent}")
            assert shown.status_code == 503 or shown.headers["Location"] == f"../{place}"
            self.world.show(person, browser, place)
            if self.give_code(person, browser):
                self.world.show(person, browser, consent)
                return browser
        raise AssertionError(f"not signed in; failed: {self.world.faults.failed}")

    def give_code(self, person: Person, browser: Browser) -> bool:
        """Give a fresh code each time. False when this attempt is over, since its answer was lost."""
        fields, is_over = browser.form("second-factor").fields, False
        begun = len(self.world.faults.failed)

        def step() -> bool:
            nonlocal is_over
            self.world.bot.clock.advance(30)
            self.code = self.totp.at(int(self.world.bot.clock()))
            answer = browser.post("/linking/second-factor", {**fields, "code": self.code})
            unheard = set(self.world.faults.failed[begun:]) & set(UNKNOWN)
            is_over = bool(unheard) and answer.status_code == 400
            return is_over or _is_done(answer)

        self.world.insist(person, step)
        return not is_over

    def judge(self, person: Person) -> None:
        super().judge(person)
        assert not passes(self.world, person, self.code), "a code was good twice"


FLOWS_OF_APPS: tuple[type[Flow], ...] = (
    BindByCall, DisableByCall, UnbindByCall, SignInByCall, SignInWithCode, ReplaceSecondFactor,
    DisableSecondFactor, RevokeTokens, ReplaceBackEndToken, LinkWithCode,
)  # fmt: skip


def passes(world: World, person: Person, code: str) -> bool:
    try:
        world.external.check_second_factor(APP, person.number, code)
    except SecondFactorRefused:
        return False
    return True


def authenticator(enrolment: Enrolment) -> pyotp.TOTP:
    found = pyotp.parse_uri(enrolment.address)
    assert isinstance(found, pyotp.TOTP)
    return found
