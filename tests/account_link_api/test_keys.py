"""Keys: random, hashed, several, scoped, revoked at once everywhere, and in no log."""

from __future__ import annotations

import hashlib
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bot_linking.account_link_api.keys import KeyNameRefused, Keys
from tests.bots import NewBot
from tests.wire import PAGE, PSID

from .calls import Caller, MakeCaller, a_call

RIGHT = a_call(username="ada")


@pytest.fixture
def keys(caller: Caller) -> Keys:
    return Keys(caller.bot.linking.core)


def test_a_key_has_a_visible_prefix_and_at_least_128_random_bits(keys: Keys) -> None:
    made = {keys.create(f"key {number}") for number in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"bl_[A-Za-z0-9_-]{22,}", key) for key in made)


def test_the_store_holds_nothing_but_the_hash_of_a_key(caller: Caller) -> None:
    caller.link(username="ada")
    content = b"".join(path.read_bytes() for path in caller.bot.database.parent.glob("links.db*"))
    assert caller.key.encode() not in content
    assert caller.key[3:].encode() not in content
    assert hashlib.sha256(caller.key.encode()).hexdigest().encode() in content


def test_several_keys_work_at_once_and_each_ends_alone(caller: Caller, keys: Keys) -> None:
    other = keys.create("other")
    assert caller.send(RIGHT, headers={"APIKEY": other}).status_code == 200
    assert keys.revoke("other")
    assert not keys.revoke("other")
    assert caller.send(RIGHT, headers={"APIKEY": other}).status_code == 401
    assert caller.send(RIGHT).status_code == 200


def test_a_name_is_taken_while_its_key_is_active_and_free_afterwards(keys: Keys) -> None:
    keys.create("newsletter")
    with pytest.raises(KeyNameRefused, match="newsletter"):
        keys.create("newsletter")
    keys.revoke("newsletter")
    assert keys.create("newsletter")
    assert sorted(key.name for key in keys.list()) == ["newsletter", "newsletter", "site"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb", "a\x1b[2J", "\u202eabc"])
def test_a_name_is_visible_text(keys: Keys, name: str) -> None:
    with pytest.raises(KeyNameRefused):
        keys.create(name)


@pytest.mark.parametrize("change", [str.upper, str.lower, lambda key: key + "=", lambda key: " x" + key])
def test_another_spelling_is_another_key(caller: Caller, change: type[str]) -> None:
    assert caller.send(RIGHT, headers={"APIKEY": change(caller.key)}).status_code == 401


def test_two_key_headers_are_no_key(caller: Caller) -> None:
    answer = caller.bot.client().post(
        "/linking/api", json=RIGHT, headers=[("APIKEY", caller.key), ("APIKEY", caller.key)]
    )
    assert answer.status_code == 401


def test_the_time_of_use_is_noted_at_most_once_a_minute(caller: Caller, keys: Keys) -> None:
    assert keys.list()[0].last_used_at is None
    first = caller.bot.clock.ms
    caller.send(RIGHT)
    caller.bot.clock.advance(59)
    caller.send(RIGHT)
    assert keys.list()[0].last_used_at == first
    caller.bot.clock.advance(1)
    caller.send(RIGHT)
    assert keys.list()[0].last_used_at == caller.bot.clock.ms


def test_a_key_of_another_page_is_as_good_as_unknown(new_caller: MakeCaller) -> None:
    caller = new_caller(pages=("999",))
    answer = caller.send(RIGHT)
    assert answer.status_code == 401
    assert answer.get_json()["error_code"] == 10005
    assert caller.send({}).status_code == 401, "before anything of the body"
    assert caller.bot.linking.history_of(PSID) == []


@pytest.mark.parametrize("pages", [(PAGE,), (PAGE, "999")])
def test_a_key_of_this_page_works(new_caller: MakeCaller, pages: tuple[str, ...]) -> None:
    assert new_caller(pages=pages).send(RIGHT).status_code == 200


def test_a_key_of_several_pages_is_judged_by_the_page_that_messenger_names(new_caller: MakeCaller) -> None:
    assert new_caller(pages=("998", "999"), PAGE_ID=None).send(RIGHT).status_code == 401


def test_with_several_pages_a_key_for_all_of_them_names_none(new_caller: MakeCaller) -> None:
    secrets = {"access_token": "token-x", "app_secret": "secret-of-x", "verify_token": "verify-x"}
    pages = {"111": secrets, "222": secrets}
    caller = new_caller(PAGES=pages, PAGE_ID=None, APP_SECRET=None, PAGE_ACCESS_TOKEN=None)
    answer = caller.send(RIGHT)
    assert answer.status_code == 503
    assert "several pages" in answer.get_json()["error_message"]


_REVOKE = """
import sys
from bot_linking.stores import open_store
store = open_store("sqlite:///" + sys.argv[1])
sys.exit(0 if store.revoke_api_key("site", 1) else 1)
"""


def test_a_key_revoked_by_another_process_is_refused_by_the_very_next_call(caller: Caller) -> None:
    assert caller.send(RIGHT).status_code == 200
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", _REVOKE, str(caller.bot.database)], cwd=root, check=True, timeout=60
    )
    assert caller.send(RIGHT).status_code == 401


def test_a_key_made_by_another_bot_on_the_same_store_works_at_once(caller: Caller, new_bot: NewBot) -> None:
    key = Keys(new_bot().linking.core).create("made elsewhere")
    assert caller.send(RIGHT, headers={"APIKEY": key}).status_code == 200


def test_no_key_and_no_identifier_is_in_any_log(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caller.link(username="canary-name", email="canary@example.com")
    caller.link()
    caller.send(RIGHT, headers={"APIKEY": caller.key + "x"})
    caller.post(b"{", "application/json")
    caller.bot.linking.delivery.drain()
    said = caplog.text
    assert caller.key not in said
    assert "canary" not in said


def test_a_key_put_into_the_address_by_mistake_is_masked_in_access_logs() -> None:
    from bot_linking.doors.redaction import redact

    assert "bl_x" not in redact("POST /linking/api?APIKEY=bl_x&a=1 HTTP/1.1")


def test_pydantic_is_loaded_by_the_first_call_and_not_before() -> None:
    script = (
        "import sys, bot_linking, bot_linking.account_link_api, bot_linking.account_link_api.endpoint\n"
        "print(sorted({'pydantic', 'requests', 'sqlite_utils'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", script], cwd=root, check=True, text=True, capture_output=True)
    assert ran.stdout.strip() == "[]"
