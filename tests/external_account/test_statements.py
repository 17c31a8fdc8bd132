"""An application may have a million accounts on one platform: no statement walks through them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bot_linking.core.identifiers import Identifiers
from bot_linking.external_account.apps import Apps
from bot_linking.external_account.link_mirror import PEOPLE_AT_ONCE, LinkMirror
from bot_linking.stores import open_store
from bot_linking.stores.sql import load_statements, rooms
from bot_linking.stores.store import SQLStore
from tests.stores.given import NOW, PAGE, connection_of

MIGRATIONS = "bot_linking_external_account"
STATEMENTS = {
    name: text
    for name, text in load_statements(room="bot_linking.external_account").items()
    if "external_accounts" in text
}


@pytest.fixture
def store(tmp_path: Path) -> SQLStore:
    store = open_store(f"sqlite:///{tmp_path}/links.db")
    store.engine.extend(MIGRATIONS, rooms()[MIGRATIONS])
    return store


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_accounts_are_found_by_who_they_are_of(store: SQLStore, name: str) -> None:
    names = re.findall(r"(?<!:):(\w+)", STATEMENTS[name])
    rows = connection_of(store).execute("explain query plan " + STATEMENTS[name], dict.fromkeys(names, "1"))
    for *_, step in rows.fetchall():
        if "external_accounts" in step:
            assert re.search(r"(?:union_id|psid|user_id|rowid)=\?", step), step


def test_people_who_are_linked_already_are_bound_many_in_one_commit(
    store: SQLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(PEOPLE_AT_ONCE + 1):
        store.bind(PAGE, str(1000 + number), Identifiers(username=f"user{number}"), "api", NOW)
    mirror, commits = LinkMirror((), lambda account: 7), list[object]()
    write = store.engine.write

    def noted(work: Any) -> Any:
        commits.append(work)
        return write(work)

    monkeypatch.setattr(store.engine, "write", noted)
    assert Apps(store.engine).begin_app("shop", NOW)
    commits.clear()
    mirror.catch_up(store, "shop", NOW)
    assert len(commits) == 2
    bound = store.engine.read("external_list_accounts", app_key="shop", user_id=7, page_id=None)
    assert len(bound) == PEOPLE_AT_ONCE + 1
