"""An upgrade marks ids that were made of names before such ids had a prefix, on both engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from bot_linking.core.links import Account
from bot_linking.stores import open_store, sql
from bot_linking.stores.store import SQLStore

from .given import NOW, PAGE, link
from .test_migrations import run

BEFORE = "schema_0030"
LINKS = [
    # psid, account id, user name, e-mail address, phone number, by whom; the id after the upgrade
    ("1", "42", "42", None, None, "api", "username:42"),
    ("2", "ada", "ada", "ada@x", "1", "cli", "username:ada"),
    ("3", "mike@x", None, "mike@x", "1", "api", "email:mike@x"),
    ("4", "18900001111", None, None, "18900001111", "api", "tel:18900001111"),
    ("5", "42", "42", None, None, "login", "42"),
    ("6", "7", "ada", "ada@x", None, "api", "7"),
]


@pytest.fixture
def upgraded(new_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], SQLStore]]:
    """Opens a store that an earlier release had filled."""
    load = sql.load_schema

    def earlier(words: dict[str, str], *, room: str = sql.STORES) -> dict[str, list[str]]:
        return {step: text for step, text in load(words, room=room).items() if step < BEFORE}

    with monkeypatch.context() as patch:
        for engine in ("sqlite", "postgres"):
            patch.setattr(f"bot_linking.stores.{engine}.engine.load_schema", earlier)
        open_store(new_url).close()
    for psid, account_id, username, email, phone_number, source, _ in LINKS:
        values = ", ".join(
            _quoted(each) for each in (psid, account_id, username, email, phone_number, source)
        )
        run(
            new_url,
            "insert into links (page_id, psid, account_id, username, email, phone_number, source,"
            " linked_at, updated_at, code_tick, changed_tick)"
            f" values ('{PAGE}', {values}, {NOW}, {NOW}, 0, 0)",
        )
    opened: list[SQLStore] = []

    def open_it() -> SQLStore:
        opened.append(open_store(new_url))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


def _quoted(value: str | None) -> str:
    return "null" if value is None else f"'{value}'"


def ids(store: SQLStore) -> dict[str, str]:
    return {each.psid: each.account_id for each in store.list_links()}


def test_ids_that_were_made_of_names_move_into_their_own_space(upgraded: Callable[[], SQLStore]) -> None:
    store = upgraded()
    assert ids(store) == {psid: after for psid, *_, after in LINKS}
    assert [each.psid for each in store.find_links_of_account("42")] == ["5"], "who signed in as 42"


def test_opening_it_again_marks_nothing_twice(upgraded: Callable[[], SQLStore]) -> None:
    upgraded()
    assert ids(upgraded()) == {psid: after for psid, *_, after in LINKS}


def test_a_site_that_resolves_accounts_gets_its_ids_back(upgraded: Callable[[], SQLStore]) -> None:
    """There the ids came from `resolve_account`, and may look like user names."""
    store = upgraded()
    assert store.restore_named_ids() == 4
    assert ids(store) == {psid: account_id for psid, account_id, *_ in LINKS}
    assert store.restore_named_ids() == 0


def test_what_was_linked_or_unlinked_since_is_not_given_back(upgraded: Callable[[], SQLStore]) -> None:
    store = upgraded()
    link(store, Account("9", "grace"), psid="1")
    store.unlink(PAGE, "2", "python", NOW)
    store.restore_named_ids()
    assert ids(store)["1"] == "9"
    assert store.find_link(PAGE, "2") is None
