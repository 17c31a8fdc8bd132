"""What a person may ask for: everything that is held, as JSON without secrets; and an operator's verbs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from bot_linking.core.identifiers import Identifiers
from bot_linking.core.links import Link
from bot_linking.external_account import ExternalAccount
from tests.bots import Bot, NewBot
from tests.wire import PAGE, PSID, TOKEN, batch, message_event


def run(bot: Bot, *arguments: str) -> Result:
    return bot.app.test_cli_runner().invoke(args=["linking", *arguments])


@pytest.fixture
def full(new_bot: NewBot) -> Bot:
    """A person with a row in every table, and another person whose login is under way."""
    bot = new_bot(EXTERNAL_KEYS="k" * 40, notify_owner=lambda notice: None)
    external = ExternalAccount(bot.linking)
    bot.app.register_blueprint(external.blueprint)
    with bot.app.app_context():
        external.create_app("shop")
    bot.link()
    bot.linking.core.remember(PSID, {"asked": "orders"})
    bot.browser().code()
    bot.linking.core.undoing.mint_token(_notice(bot))
    return bot


def _notice(bot: Bot) -> Any:
    from bot_linking.core.notices import notice_of

    now = bot.linking.now()
    entry = next(each for each in bot.linking.store.claim_due(now, now, {PAGE: 100}) if each.kind == "notice")
    return notice_of(entry.payload, None)


def test_an_export_holds_each_table_that_has_rows_of_the_person(full: Bot) -> None:
    held = full.linking.export(PSID)
    for table in ("links", "history", "outbox", "codes", "resumes", "undos", "external_accounts"):
        assert held[table], table
    assert held["links"][0]["email"] == "ada@example.com"
    assert held["links"][0]["linked_at"].endswith("+00:00")
    assert held["external_accounts"][0]["union_id"] == PSID


def test_an_export_holds_no_secret_no_token_and_no_digest(full: Bot) -> None:
    text = json.dumps(full.linking.export(PSID)) + json.dumps(full.linking.export_account("1"))
    assert TOKEN not in text
    for rows in full.rows().values():
        for row in rows:
            for value in row:
                is_digest = isinstance(value, str) and len(value) == 64 and value.isalnum()
                assert not (is_digest and value in text)
    assert "digest" not in text
    assert "session" not in text


def test_of_a_person_who_is_erased_nothing_is_left_to_export(full: Bot) -> None:
    full.linking.erase(PSID)
    assert [name for name, rows in full.linking.export(PSID).items() if rows] == []


def test_the_command_prints_one_document_also_where_nothing_is_held(full: Bot) -> None:
    assert json.loads(run(full, "export", PSID).stdout)["links"]
    nothing = run(full, "export", "4711")
    assert nothing.exit_code == 0
    assert json.loads(nothing.stdout)["links"] == []
    account = json.loads(run(full, "export", "--account", "1").stdout)
    assert account["chats"][0]["links"][0]["psid"] == PSID
    assert account["external_accounts"][0]["user_id"] == 1


def test_the_command_wants_a_person_or_an_account(full: Bot) -> None:
    assert run(full, "export").exit_code == 2
    assert run(full, "export", PSID, "--account", "1").exit_code == 2


def test_an_operator_undoes_once(full: Bot) -> None:
    done = run(full, "undo", PSID)
    assert done.exit_code == 0
    assert full.linking.link_of(PSID) is None
    assert full.linking.history_of(PSID)[-1].what == "unlinked"
    again = run(full, "undo", PSID)
    assert again.exit_code == 1
    assert "nothing to undo" in again.stderr


def test_a_mailed_list_is_taken_in_whole_with_empty_lines_and_windows_line_ends(
    new_bot: NewBot, tmp_path: Path
) -> None:
    bot = new_bot(psids_of=lambda user_id: [(PAGE, PSID)] if user_id == "42" else [])
    bot.link()
    listed = tmp_path / "ids.txt"
    listed.write_bytes(b"\xef\xbb\xbf42\r\n\r\n  43 \n")
    assert run(bot, "deletions", "--import", str(listed)).exit_code == 0
    assert run(bot, "deletions", "--import", str(listed)).exit_code == 0
    bot.linking.delivery.drain()
    assert bot.linking.link_of(PSID) is None
    rows = [line.split("\t") for line in run(bot, "deletions").stdout.splitlines()]
    assert sorted(row[2] for row in rows) == ["done", "nothing"]
    told = [json.loads(line) for line in run(bot, "deletions", "--json").stdout.splitlines()]
    assert {each["state"] for each in told} == {"done", "nothing"}


def test_a_list_with_a_bad_line_is_refused_whole_and_the_line_is_named(bot: Bot, tmp_path: Path) -> None:
    listed = tmp_path / "ids.txt"
    listed.write_text("42\nme\n")
    refused = run(bot, "deletions", "--import", str(listed))
    assert refused.exit_code == 1
    assert "line 2" in refused.stderr
    assert bot.linking.store.list_deletions() == []


def test_a_chat_that_was_linked_to_another_account_meanwhile_is_not_erased_with_the_former(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot.link()
    found = bot.linking.store.find_links_of_account

    def find_late(account_id: str) -> list[Link]:
        links = found(account_id)
        bot.linking.core.bind(PSID, Identifiers(username="somebody-else"), source="api")
        return links

    monkeypatch.setattr(bot.linking.store, "find_links_of_account", find_late)
    bot.linking.erase_account("1")
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == "username:somebody-else"


def test_an_account_is_erased_with_all_its_chats(full: Bot) -> None:
    assert full.linking.erase_account("1") > 0
    assert full.linking.links_of("1") == []
    assert full.post(batch(message_event("hi"))).status_code == 200
