"""What a call does: create, update, unlink, once for each real change."""

from __future__ import annotations

from typing import Any

import pytest

from bot_linking import Account
from tests.wire import OTHER_PSID, PAGE, PSID, SITE, batch, linked_event, unlinked_event

from .calls import Caller, MakeCaller, a_call


def facts(caller: Caller, psid: str = PSID) -> tuple[Any, ...] | None:
    """Account, user name, e-mail address, phone number, source."""
    link = caller.bot.linking.link_of(psid)
    if link is None:
        return None
    return link.account_id, link.username, link.email, link.phone_number, link.source


def queued(caller: Caller) -> list[str]:
    """What waits in the outbox, by kind."""
    return [kind for _, _, _, kind, *_ in caller.bot.rows()["outbox"]]


def sent(caller: Caller) -> list[str]:
    """What has been sent by now, as text."""
    caller.bot.linking.delivery.drain()
    messages = caller.bot.graph.sent
    caller.bot.graph.calls.clear()
    return [str(message["message"]) for message in messages]


def test_a_person_is_linked_and_gets_the_confirmation_that_log_in_gives(caller: Caller) -> None:
    caller.link(username="ada", email="ada@example.com")
    assert facts(caller) == ("username:ada", "ada", "ada@example.com", None, "api")
    (message,) = sent(caller)
    assert "connected to Acme as ada" in message
    (event,) = caller.bot.heard.of("AccountLinked")
    assert (event.link.source, event.previous_account_id) == ("api", None)


@pytest.mark.parametrize(
    ("given", "account_id"),
    [
        ({"username": "u", "email": "e@x", "phone_number": "1"}, "username:u"),
        ({"email": "e@x", "phone_number": "1"}, "email:e@x"),
        ({"phone_number": "1"}, "tel:1"),
    ],
)
def test_the_account_is_the_user_name_else_the_address_else_the_phone_number(
    caller: Caller, given: dict[str, str], account_id: str
) -> None:
    caller.link(**given)
    assert (facts(caller) or [None])[0] == account_id


def test_email_first_and_phone_number_later_ends_with_both(caller: Caller) -> None:
    caller.link(email="mike@example.com")
    caller.link(phone_number="18900001111")
    assert facts(caller) == ("email:mike@example.com", None, "mike@example.com", "18900001111", "api")


def test_what_is_given_replaces_and_what_is_not_given_stays(caller: Caller) -> None:
    caller.link(username="ada", email="old@example.com", phone_number="1")
    caller.link(email="new@example.com", username="")
    assert facts(caller) == ("username:ada", "ada", "new@example.com", "1", "api")


def test_another_user_name_is_another_account(caller: Caller) -> None:
    caller.link(username="ada", email="ada@example.com")
    caller.link(username="grace")
    assert facts(caller) == ("username:grace", "grace", "ada@example.com", None, "api")
    assert [event.previous_account_id for event in caller.bot.heard.of("AccountLinked")] == [
        None,
        "username:ada",
    ]


def test_the_same_facts_again_change_nothing_and_send_nothing(caller: Caller) -> None:
    caller.link(username="ada", email="ada@example.com")
    assert len(sent(caller)) == 1
    before = caller.bot.rows()
    for identifiers in ({"username": "ada", "email": "ada@example.com"}, {"email": "ada@example.com"}):
        assert caller.link(**identifiers).status_code == 200
    assert caller.bot.rows() == before
    assert sent(caller) == []
    assert [event.reason for event in caller.bot.heard.of("EventIgnored")] == ["unchanged", "unchanged"]


def test_a_new_identifier_is_a_change_that_is_confirmed_once(caller: Caller) -> None:
    caller.link(email="mike@example.com")
    assert len(sent(caller)) == 1
    caller.link(phone_number="18900001111")
    caller.link(phone_number="18900001111")
    assert len(sent(caller)) == 1
    (event,) = caller.bot.heard.of("LinkChanged")
    assert (event.identifiers, event.link.phone_number) == (("phone_number",), "18900001111")


def test_a_repeated_request_id_is_no_error(caller: Caller) -> None:
    assert caller.link(username="ada").status_code == 200
    assert caller.link(PSID, username="grace").status_code == 200
    assert caller.unlink().status_code == 200


def test_unlinking_removes_every_identifier_and_says_farewell_once(caller: Caller) -> None:
    caller.link(username="ada", email="ada@example.com", phone_number="1")
    sent(caller)
    assert caller.unlink().get_json()["result"] is True
    assert facts(caller) is None
    assert queued(caller) == ["unlinked", "unlink_call"]
    (message,) = sent(caller)
    assert "disconnected" in message
    assert caller.unlink().status_code == 200
    assert sent(caller) == []
    (event,) = caller.bot.heard.of("AccountUnlinked")
    assert (event.account_id, event.source) == ("username:ada", "api")
    (row,) = caller.bot.rows()["links"]
    assert not {"ada", "ada@example.com"} & set(row)


def test_unlinking_somebody_who_was_never_linked_succeeds_without_a_message(caller: Caller) -> None:
    assert caller.unlink().get_json()["result"] is True
    assert sent(caller) == []


def test_unlinking_ends_a_log_in_link_too_here_and_at_messenger(caller: Caller) -> None:
    caller.bot.link()
    caller.unlink()
    assert facts(caller) is None
    caller.bot.linking.delivery.drain()
    (call,) = caller.bot.graph.calls_to("me/unlink_accounts")
    assert call.body == {"psid": PSID}


def test_an_unsent_confirmation_gives_way_to_the_farewell(caller: Caller) -> None:
    caller.link(username="ada")
    caller.unlink()
    (message,) = sent(caller)
    assert "disconnected" in message


def test_identifiers_for_a_log_in_link_keep_it_a_log_in_link(caller: Caller) -> None:
    caller.bot.link()
    made_at = caller.bot.clock.ms
    caller.link(phone_number="18900001111")
    assert facts(caller) == ("1", "ada", "ada@example.com", "18900001111", "login")
    stale = caller.bot.post(batch(unlinked_event(at=made_at - 1)))
    assert stale.status_code == 200
    assert facts(caller) is not None, "an event older than the login must lose, as before"


def test_an_account_changed_by_the_api_yields_to_any_later_log_out(caller: Caller) -> None:
    caller.bot.link()
    caller.link(username="grace")
    assert facts(caller) == ("username:grace", "grace", "ada@example.com", None, "api")
    caller.bot.post(batch(unlinked_event(at=caller.bot.clock.ms - 1)))
    assert facts(caller) is None


def test_a_log_in_replaces_what_the_api_said(caller: Caller) -> None:
    caller.link(username="grace")
    caller.bot.link()
    assert (facts(caller) or [None])[0] == "1"


def test_an_old_log_in_event_does_not_come_back_after_the_api_unlinked(caller: Caller) -> None:
    code = caller.bot.browser().code()
    event = batch(linked_event(code, at=caller.bot.clock.ms))
    caller.bot.post(event)
    caller.unlink()
    caller.bot.post(event)
    assert facts(caller) is None


def test_what_a_person_was_doing_goes_on_after_the_api_linked_them(caller: Caller) -> None:
    caller.bot.linking.core.remember(PSID, {"asked": "orders"}, PAGE)
    caller.link(username="ada")
    (event,) = caller.bot.heard.of("AccountLinked")
    assert event.resume == {"asked": "orders"}
    assert queued(caller) == ["linked", "resume"]


def test_the_same_psid_is_another_person_on_another_page(new_caller: MakeCaller) -> None:
    secrets = {"access_token": "token-x", "app_secret": "secret-of-x", "verify_token": "verify-x"}
    pages = {"111": secrets, "222": secrets}
    caller = new_caller(PAGES=pages, PAGE_ID=None, APP_SECRET=None, PAGE_ACCESS_TOKEN=None, pages=("222",))
    caller.link(username="ada")
    assert caller.bot.linking.link_of(PSID, "111") is None
    assert caller.bot.linking.link_of(PSID, "222") is not None


# Whose account it is


def test_the_site_says_whose_account_it_is_when_it_wants_to(new_caller: MakeCaller) -> None:
    asked: list[Any] = []

    def resolve(username: str | None, email: str | None, phone_number: str | None) -> Account | None:
        asked.append((username, email, phone_number))
        return Account("42", username="mike") if email == "mike@example.com" else None

    caller = new_caller(resolve_account=resolve)
    assert caller.link(email="mike@example.com").status_code == 200
    assert facts(caller) == ("42", "mike", "mike@example.com", None, "api")
    assert caller.link(phone_number="1").status_code == 200
    assert asked == [(None, "mike@example.com", None), ("mike", "mike@example.com", "1")]
    assert facts(caller) == ("42", "mike", "mike@example.com", "1", "api")


def test_identifiers_that_no_account_has_answer_404_in_the_envelope(new_caller: MakeCaller) -> None:
    caller = new_caller(resolve_account=lambda *_: None)
    answer = caller.link(username="ada")
    said = answer.get_json()
    assert answer.status_code == said["error_code"] == 404
    assert said["error_message"] == "no account has these identifiers"
    assert facts(caller) is None
    assert caller.unlink().status_code == 200


def test_a_person_whom_the_policy_keeps_where_they_are_answers_409(new_caller: MakeCaller) -> None:
    caller = new_caller(on_conflict="refuse")
    caller.bot.link()
    answer = caller.link(username="grace")
    said = answer.get_json()
    assert answer.status_code == said["error_code"] == said["error"]["code"] == 409
    assert (facts(caller) or [None])[0] == "1"
    assert caller.link(email="new@example.com").status_code == 200, "the same account"
    assert caller.bot.heard.reasons() == ["conflict_refused"]
    assert caller.unlink().status_code == 200
    assert caller.link(username="grace").status_code == 200


@pytest.mark.parametrize("word", ["ask", "one_chat", "move"])
def test_where_it_would_have_to_ask_a_call_moves(new_caller: MakeCaller, word: str) -> None:
    caller = new_caller(on_conflict=word)
    caller.bot.link()
    assert caller.link(username="grace").status_code == 200
    assert (facts(caller) or [None])[0] == "username:grace"


def test_a_policy_that_fails_answers_503_and_changes_nothing(new_caller: MakeCaller) -> None:
    def on_conflict(conflict: object) -> str:
        raise RuntimeError("canary")

    caller = new_caller(on_conflict=on_conflict)
    caller.bot.link()
    answer = caller.link(username="grace")
    assert answer.status_code == answer.get_json()["error_code"] == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "canary" not in answer.text
    assert (facts(caller) or [None])[0] == "1"


def test_a_site_that_cannot_say_whose_account_it_is_answers_503(new_caller: MakeCaller) -> None:
    def resolve(*_: object) -> Account:
        raise RuntimeError("canary")

    caller = new_caller(resolve_account=resolve)
    answer = caller.link(username="ada")
    assert answer.status_code == answer.get_json()["error_code"] == 503
    assert "canary" not in answer.text
    assert facts(caller) is None


# Which page it is


def test_without_a_page_id_the_only_page_of_the_store_is_meant(new_caller: MakeCaller) -> None:
    caller = new_caller(PAGE_ID=None)
    caller.bot.linking.core.remember(OTHER_PSID, "x", "555")
    caller.bot.graph.down = True
    caller.bot.post(batch(unlinked_event(psid=OTHER_PSID, page="555", at=1), page="555"))
    assert caller.link(username="ada").status_code == 200
    assert caller.bot.linking.link_of(PSID, "555") is not None


def test_without_any_page_known_messenger_is_asked_once(new_caller: MakeCaller) -> None:
    caller = new_caller(PAGE_ID=None)
    caller.unlink()
    caller.link(username="ada")
    assert caller.bot.linking.link_of(PSID, PAGE) is not None
    assert len(caller.bot.graph.calls_to("me")) == 1


def test_without_any_page_known_and_messenger_away_the_answer_names_the_setting(
    new_caller: MakeCaller,
) -> None:
    caller = new_caller(PAGE_ID=None)
    caller.bot.graph.down = True
    answer = caller.link(username="ada")
    assert answer.status_code == 503
    assert "BOT_LINKING_PAGE_ID" in answer.get_json()["error_message"]
    assert caller.code({}) == 10000, "the table is judged without the page"


# Whether there is such a person


def test_nobody_asks_messenger_about_a_psid_unless_told_to(caller: Caller) -> None:
    caller.link(username="ada")
    assert caller.bot.graph.calls == []


@pytest.mark.parametrize("subcode", [33, 2018001])
def test_with_verify_psid_a_person_messenger_does_not_know_is_13002(
    new_caller: MakeCaller, subcode: int
) -> None:
    caller = new_caller(VERIFY_PSID=True)
    caller.bot.graph.failures["999"] = {"code": 100, "error_subcode": subcode}
    assert caller.code(a_call(psid="999", username="ada")) == 13002
    assert caller.code(a_call("maybe", psid="999")) == 13002, "judged before the status"
    assert caller.code(a_call(psid="999")) == 13002, "judged before the identifiers"
    assert caller.code({**a_call(psid="999"), "request": {}}) == 10000, "judged after the method"
    assert caller.link(username="ada").status_code == 200
    assert facts(caller, "999") is None


def test_with_verify_psid_a_silent_messenger_is_503_and_nothing_changes(new_caller: MakeCaller) -> None:
    caller = new_caller(VERIFY_PSID=True)
    caller.bot.graph.down = True
    answer = caller.link(username="ada")
    assert answer.status_code == answer.get_json()["error_code"] == 503
    assert facts(caller) is None


def test_with_verify_psid_whoever_is_linked_can_be_unlinked_without_messenger(
    new_caller: MakeCaller,
) -> None:
    caller = new_caller(VERIFY_PSID=True)
    caller.link(username="ada")
    caller.bot.graph.down = True
    assert caller.unlink().status_code == 200
    assert facts(caller) is None


def test_the_host_app_is_left_as_it_was(caller: Caller) -> None:
    rules = {rule.rule for rule in caller.bot.app.url_map.iter_rules()}
    assert {"/linking/api", "/linking/openapi.json"} <= rules
    assert caller.bot.linking.settings.public_url == SITE
    assert caller.bot.app.config["MAX_CONTENT_LENGTH"] is None
