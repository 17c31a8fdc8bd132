"""The journey through the linking pages: every stage of an attempt, and every step that is allowed.

The table `STEPS` has all of it. The store keeps the stage with the attempt; code that changes an attempt
takes a step of the table, and every other step is refused (`StepRefused`).

The table has no page, no cookie and no form. Another way to link (a link for any browser, a menu, an address
on the business's own site) adds a proof before or after these steps, and uses the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto
from types import MappingProxyType

MAX_AGE_MS = 900_000  # from opening the first page to pressing the last button


class Stage(StrEnum):
    """How far an attempt has come. The values are what the store keeps."""

    OPENED = auto()
    """The sign-in page was shown. No account is known."""
    CODE_SENT = auto()
    """A code went to the e-mail address that was typed, if an account has it. No account is known."""
    PROVIDER_ASKED = auto()
    """The person was led to the site's identity provider. No account is known."""
    PASSWORD_GIVEN = auto()
    """The site has named the account: by a password, a code from an e-mail, the identity provider's claims,
    its own session, or as a new account."""
    SECOND_FACTOR_PASSED = auto()
    """The account's second factor was right, or it has none. Messenger is asked whose login it is."""
    CONSENT_SHOWN = auto()
    """The consent page was shown. Its button is the only one that links."""
    APPROVED = auto()
    """The button was pressed: an authorization code is on its way."""
    DONE = auto()
    """Messenger has sent the code back, and it was consumed."""
    LEFT = auto()
    """The person cancelled, or chose another account."""
    EXPIRED = auto()
    """The attempt's time is over. The store never has this stage: `stage_at` finds it by the clock."""


class Step(StrEnum):
    """What may happen to an attempt."""

    REFUSE = auto()
    """A form was refused: the stage stays, and the form is shown again with the reason."""
    SEND_CODE = auto()
    """An e-mail address was typed. Earlier proofs of this attempt, and a code that was sent before, no longer
    count."""
    GIVE_CODE = auto()
    """The code that was sent last was right, and the site names the account of its address."""
    ASK_PROVIDER = auto()
    """The person goes to the identity provider. Earlier proofs, and an answer awaited before, no longer
    count."""
    HEAR_PROVIDER = auto()
    """The provider's answer was right, and the site names the account of its claims."""
    GIVE_PASSWORD = auto()
    """The site names the account. Earlier proofs of this attempt no longer count."""
    PASS_SECOND_FACTOR = auto()
    """A right code of this account's second factor was given in this attempt."""
    NEED_NO_SECOND_FACTOR = auto()
    SHOW_CONSENT = auto()
    ASK_SECOND_FACTOR = auto()
    """The second factor was switched on while the consent page was open."""
    APPROVE = auto()
    LINK = auto()
    """The authorization code came back in a signed webhook."""
    LEAVE = auto()


STEPS: Mapping[Stage, Mapping[Step, Stage]] = MappingProxyType(
    {
        Stage.OPENED: {
            Step.REFUSE: Stage.OPENED,
            Step.SEND_CODE: Stage.CODE_SENT,
            Step.ASK_PROVIDER: Stage.PROVIDER_ASKED,
            Step.GIVE_PASSWORD: Stage.PASSWORD_GIVEN,
            Step.LEAVE: Stage.LEFT,
        },
        Stage.CODE_SENT: {
            Step.REFUSE: Stage.CODE_SENT,
            Step.SEND_CODE: Stage.CODE_SENT,
            Step.ASK_PROVIDER: Stage.PROVIDER_ASKED,
            Step.GIVE_CODE: Stage.PASSWORD_GIVEN,
            Step.GIVE_PASSWORD: Stage.PASSWORD_GIVEN,
            Step.LINK: Stage.DONE,
            Step.LEAVE: Stage.LEFT,
        },
        Stage.PROVIDER_ASKED: {
            Step.REFUSE: Stage.PROVIDER_ASKED,
            Step.SEND_CODE: Stage.CODE_SENT,
            Step.ASK_PROVIDER: Stage.PROVIDER_ASKED,
            Step.HEAR_PROVIDER: Stage.PASSWORD_GIVEN,
            Step.GIVE_PASSWORD: Stage.PASSWORD_GIVEN,
            Step.LINK: Stage.DONE,
            Step.LEAVE: Stage.LEFT,
        },
        Stage.PASSWORD_GIVEN: {
            Step.REFUSE: Stage.PASSWORD_GIVEN,
            Step.SEND_CODE: Stage.CODE_SENT,
            Step.ASK_PROVIDER: Stage.PROVIDER_ASKED,
            Step.GIVE_PASSWORD: Stage.PASSWORD_GIVEN,
            Step.PASS_SECOND_FACTOR: Stage.SECOND_FACTOR_PASSED,
            Step.NEED_NO_SECOND_FACTOR: Stage.SECOND_FACTOR_PASSED,
            Step.LINK: Stage.DONE,
            Step.LEAVE: Stage.LEFT,
        },
        Stage.SECOND_FACTOR_PASSED: {
            Step.SHOW_CONSENT: Stage.CONSENT_SHOWN,
        },
        Stage.CONSENT_SHOWN: {
            Step.REFUSE: Stage.CONSENT_SHOWN,
            Step.SEND_CODE: Stage.CODE_SENT,
            Step.ASK_PROVIDER: Stage.PROVIDER_ASKED,
            Step.GIVE_PASSWORD: Stage.PASSWORD_GIVEN,
            Step.ASK_SECOND_FACTOR: Stage.PASSWORD_GIVEN,
            Step.APPROVE: Stage.APPROVED,
            Step.LINK: Stage.DONE,
            Step.LEAVE: Stage.LEFT,
        },
        Stage.APPROVED: {
            Step.REFUSE: Stage.APPROVED,
            Step.SEND_CODE: Stage.CODE_SENT,
            Step.ASK_PROVIDER: Stage.PROVIDER_ASKED,
            Step.GIVE_PASSWORD: Stage.PASSWORD_GIVEN,
            Step.ASK_SECOND_FACTOR: Stage.PASSWORD_GIVEN,
            Step.APPROVE: Stage.APPROVED,
            Step.LINK: Stage.DONE,
            Step.LEAVE: Stage.LEFT,
        },
        Stage.DONE: {},
        Stage.LEFT: {},
        Stage.EXPIRED: {},
    }
)

FINAL = frozenset(stage for stage, steps in STEPS.items() if not steps)


class StepRefused(Exception):
    """The table does not allow this step at this stage."""

    def __init__(self, stage: Stage, step: Step) -> None:
        super().__init__(f"no {step} after {stage}")
        self.stage, self.step = stage, step


def after(stage: Stage, *steps: Step) -> Stage:
    """The stage that these steps lead to, one after the other. Raises `StepRefused`."""
    for step in steps:
        if step not in STEPS[stage]:
            raise StepRefused(stage, step)
        stage = STEPS[stage][step]
    return stage


def stage_at(stage: Stage, *, expires_at: int, now: int) -> Stage:
    """The stage at the time `now` (ms): one that is not final has expired from `expires_at` on."""
    return stage if stage in FINAL or now < expires_at else Stage.EXPIRED


def allows(stage: Stage, step: Step) -> bool:
    return step in STEPS[stage]
