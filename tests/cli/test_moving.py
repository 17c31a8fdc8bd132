"""`flask linking copy`, as an operator runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot_linking.simulator import Simulator
from bot_linking.stores import open_store

from .test_commands import Shell, ada, grace, shell
from .test_terminal import on_a_terminal

__all__ = ["ada", "grace", "shell"]


def test_copy_says_what_it_copied_and_what_to_do_next(
    shell: Shell, messenger: Simulator, ada: str, grace: str, tmp_path: Path
) -> None:
    for psid in (ada, grace):
        shell.link(psid, "7")
    new = f"sqlite:///{tmp_path}/new.db"
    result = shell.run("copy", "--to", new)
    assert result.status == 0
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in result.out.splitlines()}
    assert rows["links"][0] == "2"
    assert len(rows["links"][1]) == 32
    assert "BOT_LINKING_DATABASE" in result.err
    store = open_store(new)
    assert store.find_link(messenger.page_id, ada) is not None
    store.close()
    again = shell.quick("copy", "--to", new, "--json")
    assert (again.status, again.out) == (1, "")
    assert "not empty" in again.err


def test_copy_as_json_is_an_object_for_each_table(shell: Shell, ada: str, tmp_path: Path) -> None:
    shell.link(ada)
    copied = shell.quick("copy", "--to", f"sqlite:///{tmp_path}/new.db", "--json")
    rows = {row["table"]: row["rows"] for row in map(json.loads, copied.out.splitlines())}
    assert rows["links"] == rows["history"] == 1


def test_copy_shows_a_bar_on_a_terminal(shell: Shell, ada: str, tmp_path: Path) -> None:
    shell.link(ada)
    shown = on_a_terminal(shell, "copy", "--to", f"sqlite:///{tmp_path}/new.db", NO_COLOR="1")
    assert "100%" in shown
    assert "DIGEST" in shown


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("mysql://bot:hunter2@db/bot", 2),
        ("postgresql://bot:hun@ter2@db/bot", 2),
        ("postgresql://bot:hun/ter2@db/bot", 2),
        ("postgresql://bot:hun%zzter2@db/bot", 2),
        ("postgresql://bot:hunter2@127.0.0.1:1/bot?pooling=foo", 2),
        ("nonsense", 2),
        ("sqlite:///NEW?mode=ro", 2),
        ("sqlite:///:memory:", 2),
        ("postgresql://bot:hunter2@127.0.0.1:1/bot", 1),
        ("sqlite:////proc/links.db", 1),
    ],
)
def test_an_address_that_is_none_or_leads_nowhere_is_one_sentence_without_its_password(
    shell: Shell,
    ada: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    address: str,
    status: int,
) -> None:
    shell.link(ada)
    result = shell.quick("copy", "--to", address.replace("NEW", f"{tmp_path}/new.db"))
    assert (result.status, result.out) == (status, "")
    assert "hun" not in result.err
    assert "ter2" not in result.err
    assert "starting without the database" not in caplog.text
    assert result.err.count("Error:") == 1
    assert "BOT_LINKING_DATABASE" not in result.err
    assert ("--to" in result.err.splitlines()[-1]) == (status == 2)
