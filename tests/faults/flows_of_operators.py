"""What operators do with the ExternalAccount module: each gives a command again that failed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from click.testing import Result

from bot_linking.core.errors import StoreUnavailable
from bot_linking.external_account.errors import AppKeyRefused
from bot_linking.external_account.two_factor import (
    MOST_FAILURES,
    MOST_IN_A_ROW,
    RECOVERY_CODES,
    WINDOW_MS,
    Enrolment,
    Vault,
)

from .failing import UNKNOWN
from .flows import APP, Flow, LinkByLogin, Person, World
from .flows_of_apps import DisableSecondFactor, OfApp, ReplaceSecondFactor, ask, authenticator, passes

OLD_KEY, NEW_KEY = "old-key-of-the-tests-0123456789abcdef", "new-key-of-the-tests-0123456789abcdef"


def run(world: World, *arguments: object, given: str | None = None) -> Result:
    ran = world.bot.app.test_cli_runner().invoke(args=["linking", *map(str, arguments)], input=given)
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    assert "Traceback" not in ran.output
    return ran


def persist(world: World, step: Callable[[], bool]) -> None:
    """Repeat the step until it is done. What it did before a failure stays, and the next try goes on from
    there."""
    for _ in range(world.tries):
        if step():
            return
    raise AssertionError(f"not done after {world.tries} tries; failed: {world.faults.failed}")


class CreateApp(LinkByLogin):
    """An app beside people who are linked already: all of them are bound before there is a token. When the
    last commit's answer is lost, so is the token: the operator revokes it unread and makes another."""

    def prepare(self, person: Person) -> None:
        self.app, self.linked = f"shop{person.number}", (person, self.world.new_person())
        for each in self.linked:
            self.world.link(each)
        self.service = self.world.external._here()
        self.service.mirror._named = (APP, self.app)  # not those of the rounds before

    def act(self, person: Person) -> None:
        persist(self.world, self._create)

    def _create(self) -> bool:
        try:
            self.token = self.world.external.create_app(self.app)
        except StoreUnavailable:
            assert self.is_whole() or not self.has_tokens(), "half made, and it has a token"
            return False
        except AppKeyRefused:
            assert set(self.world.faults.failed) & set(UNKNOWN)
            assert self.is_whole()
            persist(self.world, self._replace)
        assert self.is_whole()
        return True

    def _replace(self) -> bool:
        try:
            self.service.apps.revoke_tokens(self.app, None)  # nobody has read them
            self.token = self.world.external.create_back_end_token(self.app)
        except StoreUnavailable:
            return False
        return True

    def is_whole(self) -> bool:
        """Whether everybody is bound."""
        opened = "select 1 from external_apps where opened_at is not null and app_key = {}"
        if not self.world.rows(opened, self.app):
            return False
        for each in self.linked:
            assert self.world.pairs(each, self.app) == [(each.number,)], "whole, and somebody is not bound"
        return True

    def has_tokens(self) -> bool:
        """Whether it has a token, once one was asked for."""
        with suppress(AppKeyRefused, StoreUnavailable):
            self.world.external.create_back_end_token(self.app)
        return self.world.count("external_tokens", "app_key", self.app) > 0

    def judge(self, person: Person) -> None:
        assert self.world.count("external_tokens", "app_key", self.app) == 1
        for each in self.linked:
            super().judge(each)
            given = {"unionID": each.psid, "platform": "messenger"}
            assert ask(self.world, "POST", "/SignIn", self.token, given, app=self.app).status_code == 200
            self.world.bot.linking.erase(each.psid)  # the next round has people of its own


class EnableByCommand(ReplaceSecondFactor):
    def act(self, person: Person) -> None:
        def enable() -> bool:
            ran = run(self.world, "two-factor", "enable", APP, person.number)
            self.new = Enrolment(ran.stdout.strip(), ())
            return ran.exit_code == 0

        self.world.insist(person, enable)


class DisableByCommand(DisableSecondFactor):
    """An operator who lost the answer is told that it is not on."""

    def act(self, person: Person) -> None:
        def disable() -> bool:
            ran = run(self.world, "two-factor", "disable", APP, person.number)
            unheard = set(self.world.faults.failed) & set(UNKNOWN)
            return ran.exit_code == 0 or bool(unheard and "is not on" in ran.stderr)

        self.world.insist(person, disable)


class RecoverByCommand(OfApp):
    """A recovery code is used up by a recovery, also one whose answer was lost, and by nothing else."""

    def prepare(self, person: Person) -> None:
        super().prepare(person)
        self.enrolment = self.enable(person)
        self.codes = list(self.enrolment.recovery_codes)
        for _ in range(MOST_IN_A_ROW // MOST_FAILURES):
            for _ in range(MOST_FAILURES):
                assert not passes(self.world, person, "wrong")
            self.world.bot.clock.advance(WINDOW_MS / 1000 + 1)

    def act(self, person: Person) -> None:
        def recover() -> bool:
            begun = len(self.world.faults.failed)
            ran = run(self.world, "two-factor", "recover", APP, person.number, given=f"{self.codes[0]}\n")
            if ran.exit_code == 0 or UNKNOWN[0] in self.world.faults.failed[begun:]:
                del self.codes[0]
            return ran.exit_code == 0

        self.world.insist(person, recover)

    def judge(self, person: Person) -> None:
        super().judge(person)
        assert self.world.count("external_recovery_codes", "user_id", person.number) == len(self.codes)
        assert passes(self.world, person, authenticator(self.enrolment).at(int(self.world.bot.clock())))


class RotateByCommand(OfApp):
    """In the end every secret is sealed by the newest key and is the same secret; people stay signed in."""

    def prepare(self, person: Person) -> None:
        super().prepare(person)
        self.kept = self.world.external._here().second_factors
        self.kept._vault = Vault([OLD_KEY])
        self.enrolled = [(each, self.enable(each)) for each in (person, self.world.new_person())]
        self.signed_in = self.sign_in(person, authenticator(self.enrolled[0][1]))
        self.kept._vault = Vault([NEW_KEY, OLD_KEY])

    def act(self, person: Person) -> None:
        persist(self.world, lambda: run(self.world, "two-factor", "rotate").exit_code == 0)

    def judge(self, person: Person) -> None:
        super().judge(person)
        self.kept._vault = Vault([NEW_KEY])
        self.world.bot.clock.advance(60)
        for each, enrolment in self.enrolled:
            assert self.world.count("external_recovery_codes", "user_id", each.number) == RECOVERY_CODES
            assert passes(self.world, each, authenticator(enrolment).at(int(self.world.bot.clock())))
        assert self.is_good(self.signed_in)
        for each, _ in self.enrolled:  # the next round has secrets of its own
            self.world.external.disable_two_factor(APP, each.number)


FLOWS_OF_OPERATORS: tuple[type[Flow], ...] = (
    CreateApp, EnableByCommand, DisableByCommand, RecoverByCommand, RotateByCommand,
)  # fmt: skip
