"""Random sequences of calls end in the state that a small model says, with a message for each change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.wire import PAGE

from .calls import Caller, a_call, as_form

PSIDS = ("1", "2")
Call = tuple[str, str, dict[str, str], bool]


@dataclass
class Model:
    """The rules, written a second time: a person is a dict of what is known, or is not there."""

    people: dict[str, dict[str, str]] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PSIDS, 0))

    def apply(self, status: str, psid: str, given: dict[str, str]) -> int:
        """The code that the call answers with."""
        before = self.people.get(psid)
        if status == "unlinked":
            self.people.pop(psid, None)
        elif not any(given.values()):
            return 13001
        else:
            known = {**(before or {}), **{name: value for name, value in given.items() if value}}
            spaces = {"username": "username", "email": "email", "phone_number": "tel"}
            made = [f"{space}:{given[name]}" for name, space in spaces.items() if given.get(name)]
            known["account"] = before["account"] if before and not given.get("username") else made[0]
            self.people[psid] = known
        self.changes[psid] += self.people.get(psid) != before
        return 0


identifiers = st.fixed_dictionaries(
    {},
    optional={
        "username": st.sampled_from(["ada", "grace", ""]),
        "email": st.sampled_from(["a@x", "b@x"]),
        "phone_number": st.sampled_from(["1", "2"]),
    },
)
calls = st.lists(
    st.tuples(
        st.sampled_from(["linked", "linked", "unlinked"]), st.sampled_from(PSIDS), identifiers, st.booleans()
    ),
    max_size=12,
)


def state_of(caller: Caller, psid: str) -> dict[str, str] | None:
    link = caller.bot.linking.link_of(psid)
    if link is None:
        return None
    found = {
        "account": link.account_id, "username": link.username,
        "email": link.email, "phone_number": link.phone_number,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


@given(calls)
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_random_calls_end_where_the_model_ends(caller: Caller, calls: list[Call]) -> None:
    for psid in PSIDS:
        caller.bot.linking.erase(psid, PAGE)
    model = Model()
    for status, psid, given_now, is_form in calls:
        call: dict[str, Any] = a_call(status, psid, **given_now)
        if is_form:
            answer = caller.bot.client().post(
                "/linking/api", data=as_form(call), headers={"APIKEY": caller.key}
            )
        else:
            answer = caller.send(call)
        assert answer.get_json()["error_code"] == model.apply(status, psid, given_now)
    for psid in PSIDS:
        assert state_of(caller, psid) == model.people.get(psid)
        assert len(caller.bot.linking.history_of(psid)) == model.changes[psid]
    waiting = [(row[2], row[3]) for row in caller.bot.rows()["outbox"] if row[3] in {"linked", "unlinked"}]
    last_words = {
        psid: "linked" if psid in model.people else "unlinked" for psid in PSIDS if model.changes[psid]
    }
    assert dict(waiting) == last_words
    assert len(waiting) == len(last_words)
