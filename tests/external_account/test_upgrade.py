"""An upgrade keeps the bound accounts of an earlier release, on both engines; a pair that was never proved
signs no user in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot_linking.external_account.accounts import Accounts
from bot_linking.external_account.errors import ExternalAccountUnknown
from bot_linking.external_account.second_factors import SecondFactors
from bot_linking.external_account.service import MIGRATIONS, ROOM
from bot_linking.external_account.tokens import mint_token
from bot_linking.external_account.two_factor import Vault
from bot_linking.stores import open_store, sql
from bot_linking.stores.store import SQLStore
from tests.stores.given import NOW, PLACES
from tests.stores.test_migrations import run

FIRST_NEW = {sql.STORES: "schema_0030", ROOM: "schema_0003"}
ROWS = [
    # id, user, platform, unionID, page
    (1, 7, "WeChat", "a", None),
    (2, 8, "wechat", "b", None),
    (3, 7, "QQ", "c", None),
    (4, 8, "qq", "c", None),  # the same pair as the one before, under the name that stays
    (5, 9, "Qq", "d", None),
    (6, 9, "qQ", "d", None),  # the younger of two: it cannot have the name
    (7, 1, "messenger", "71", "1001"),
    (8, 666, "messenger", "72", None),  # by a call
    (9, 666, "Messenger", "73", None),
    (10, 42, "messenger", "74", "1001"),  # the number was a user name
]
LINKS = [("71", "1", "ada", "login"), ("74", "42", "42", "api")]


@pytest.fixture(params=sorted(PLACES))
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SQLStore]:
    """A store of an earlier release, upgraded."""
    load = sql.load_schema

    def earlier(words: dict[str, str], *, room: str = sql.STORES) -> dict[str, list[str]]:
        return {step: text for step, text in load(words, room=room).items() if step < FIRST_NEW[room]}

    with PLACES[request.param](tmp_path) as url:
        with monkeypatch.context() as patch:
            for engine in ("sqlite", "postgres"):
                patch.setattr(f"bot_linking.stores.{engine}.engine.load_schema", earlier)
            old = open_store(url)
            old.engine.extend(MIGRATIONS, ROOM)
            old.close()
        _fill(url)
        store = open_store(url)
        store.engine.extend(MIGRATIONS, ROOM)
        yield store
        store.close()


def _fill(url: str) -> None:
    _insert(url, "external_apps", app_key="shop", created_at=NOW, opened_at=NOW)
    ticks = {"linked_at": NOW, "updated_at": NOW, "code_tick": 0, "changed_tick": 0}
    for psid, account_id, username, source in LINKS:
        person = {"page_id": "1001", "psid": psid, "account_id": account_id, "username": username}
        _insert(url, "links", source=source, **person, **ticks)
    for number, user, platform, union, page in ROWS:
        whose = {"id": number, "app_key": "shop", "user_id": user}
        pair = {"platform": platform, "union_id": union, "page_id": page}
        shown = {"platform_name": "Name", "avatar": "https://a.example/", "data": f"data {number}"}
        times = {"created_at": NOW, "updated_at": NOW}
        _insert(url, "external_accounts", enabled=1, **whose, **pair, **shown, **times)
        token = {"id": f"t{number}", "digest": f"d{number}", "app_key": "shop", "user_id": user}
        ages = {"created_at": NOW, "expires_at": 2 * NOW}
        _insert(url, "external_tokens", account_id=number, scopes="accounts", **token, **ages)


def _insert(url: str, table: str, **values: Any) -> None:
    shown = ["null" if each is None else repr(each) for each in values.values()]
    run(url, f"insert into {table} ({', '.join(values)}) values ({', '.join(shown)})")


def accounts(store: SQLStore) -> Accounts:
    return Accounts(store.engine, SecondFactors(store.engine, Vault([])))


def logins(store: SQLStore) -> dict[int, dict[str, Any]]:
    found = [each for user in (1, 7, 8, 9, 42, 666) for each in accounts(store).logins_of("shop", user)]
    return {each["id"]: each for each in found}


def tokens(store: SQLStore) -> set[str]:
    return {row["id"] for row in store.engine.read("external_list_tokens", now=NOW)}


def sign_in(store: SQLStore, platform: str, union_id: str, page_id: str | None = None) -> None:
    accounts(store).sign_in("shop", platform, union_id, None, mint_token(), NOW, 2 * NOW, page_id=page_id)


def test_every_account_is_kept_with_its_fields_and_its_tokens(store: SQLStore) -> None:
    kept = logins(store)
    assert sorted(kept) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert [kept[number]["data"] for number in sorted(kept)] == [f"data {number}" for number in sorted(kept)]
    assert [kept[number]["unionID"] for number in (1, 7, 8)] == ["a", "71", "72"]
    assert tokens(store) >= {"t1", "t2", "t3", "t4", "t5", "t7"}


def test_platforms_are_in_small_letters_where_the_pair_is_free(store: SQLStore) -> None:
    platforms = {number: each["platform"] for number, each in logins(store).items()}
    assert platforms == {
        1: "wechat", 2: "wechat", 3: "QQ", 4: "qq", 5: "qq", 6: "qQ", 7: "messenger", 8: "messenger",
        9: "messenger",
    }  # fmt: skip
    sign_in(store, "wechat", "a")
    sign_in(store, "qq", "c")
    assert (
        store.engine.read("external_find_pair", app_key="shop", platform="qq", union_id="c")[0]["user_id"]
        == 8
    )


def test_who_was_linked_signs_in_as_before(store: SQLStore) -> None:
    sign_in(store, "messenger", "71")
    sign_in(store, "messenger", "71", "1001")
    with pytest.raises(ExternalAccountUnknown):
        sign_in(store, "messenger", "71", "2002")


@pytest.mark.parametrize("union_id", ["72", "73"])
def test_a_psid_that_a_call_bound_signs_nobody_in_and_its_user_may_remove_it(
    store: SQLStore, union_id: str
) -> None:
    assert not {"t8", "t9"} & tokens(store)
    with pytest.raises(ExternalAccountUnknown):
        sign_in(store, "messenger", union_id)
    for number in (8, 9):
        accounts(store).unbind("shop", 666, number)
    assert not {8, 9} & set(logins(store))


def test_a_number_that_was_a_user_name_is_bound_to_nobody(store: SQLStore) -> None:
    assert 10 not in logins(store)
    assert "t10" not in tokens(store)
    (link,) = store.find_links_of_psid("74")
    assert link.account_id == "username:42"
