"""The table of the journey: its steps, and that no way leads past second factor and consent."""

from __future__ import annotations

from itertools import product

import pytest

from bot_linking.core.journey import (
    FINAL,
    MAX_AGE_MS,
    STEPS,
    Stage,
    Step,
    StepRefused,
    after,
    allows,
    stage_at,
)

NEEDED = {
    Stage.CODE_SENT: {Step.SEND_CODE},
    Stage.PROVIDER_ASKED: {Step.ASK_PROVIDER},
    Stage.SECOND_FACTOR_PASSED: {Step.PASS_SECOND_FACTOR, Step.NEED_NO_SECOND_FACTOR},
    Stage.CONSENT_SHOWN: {Step.SHOW_CONSENT},
    Stage.APPROVED: {Step.APPROVE},
    Stage.DONE: {Step.LINK},
    Stage.LEFT: {Step.LEAVE},
}


def test_every_stage_is_in_the_table_and_every_step_leads_somewhere() -> None:
    assert set(STEPS) == set(Stage)
    assert {step for steps in STEPS.values() for step in steps} == set(Step)


def test_no_step_leads_out_of_a_final_stage() -> None:
    assert {Stage.DONE, Stage.LEFT, Stage.EXPIRED} == FINAL


@pytest.mark.parametrize(("stage", "step"), list(product(Stage, Step)), ids=str)
def test_a_step_leads_where_the_table_says_or_is_refused(stage: Stage, step: Step) -> None:
    if step in STEPS[stage]:
        assert allows(stage, step)
        assert after(stage, step) is STEPS[stage][step]
        return
    assert not allows(stage, step)
    with pytest.raises(StepRefused) as refusal:
        after(stage, step)
    assert (refusal.value.stage, refusal.value.step) == (stage, step)


@pytest.mark.parametrize("stage", NEEDED, ids=str)
def test_a_stage_is_reached_by_its_own_step_only(stage: Stage) -> None:
    """The only other step that ends there is a refused form, which leaves the attempt where it is."""
    leading = {
        step
        for before, steps in STEPS.items()
        for step, to in steps.items()
        if to is stage and before is not stage
    }
    assert leading == NEEDED[stage]


GIVEN = {Step.GIVE_PASSWORD, Step.GIVE_CODE, Step.HEAR_PROVIDER}
ASKED = {Step.GIVE_CODE: Step.SEND_CODE, Step.HEAR_PROVIDER: Step.ASK_PROVIDER}


def ways_to(goal: Stage) -> list[tuple[Step, ...]]:
    """Every way from the first page that visits each stage once at most."""
    found = list[tuple[Step, ...]]()
    open_ways: list[tuple[Stage, tuple[Step, ...], tuple[Stage, ...]]] = [(Stage.OPENED, (), (Stage.OPENED,))]
    while open_ways:
        stage, way, seen = open_ways.pop()
        for step, to in STEPS[stage].items():
            if to is goal:
                found.append((*way, step))
            elif to not in seen:
                open_ways.append((to, (*way, step), (*seen, to)))
    return found


def test_no_way_leads_to_approval_without_account_second_factor_and_consent() -> None:
    ways = ways_to(Stage.APPROVED)
    assert ways
    for way in ways:
        *signed_in, factor, consent, press = way
        *before, given = signed_in
        assert given in GIVEN
        assert set(before) <= set(ASKED.values())
        assert given not in ASKED or before[-1] is ASKED[given]
        assert factor in (Step.PASS_SECOND_FACTOR, Step.NEED_NO_SECOND_FACTOR)
        assert (consent, press) == (Step.SHOW_CONSENT, Step.APPROVE)


@pytest.mark.parametrize("stage", sorted(set(Stage) - FINAL - {Stage.OPENED, Stage.SECOND_FACTOR_PASSED}))
def test_giving_a_password_again_needs_the_second_factor_again(stage: Stage) -> None:
    assert after(stage, Step.GIVE_PASSWORD) is Stage.PASSWORD_GIVEN
    assert not allows(Stage.PASSWORD_GIVEN, Step.APPROVE)


@pytest.mark.parametrize("stage", sorted(set(Stage) - FINAL - {Stage.SECOND_FACTOR_PASSED}))
def test_asking_for_a_code_starts_the_sign_in_again(stage: Stage) -> None:
    assert after(stage, Step.SEND_CODE) is Stage.CODE_SENT
    assert not allows(Stage.CODE_SENT, Step.APPROVE)
    assert allows(stage, Step.GIVE_CODE) == (stage is Stage.CODE_SENT)


@pytest.mark.parametrize("stage", Stage, ids=str)
def test_a_stage_that_is_not_final_expires(stage: Stage) -> None:
    assert stage_at(stage, expires_at=MAX_AGE_MS, now=MAX_AGE_MS - 1) is stage
    late = stage_at(stage, expires_at=MAX_AGE_MS, now=MAX_AGE_MS)
    assert late is (stage if stage in FINAL else Stage.EXPIRED)
