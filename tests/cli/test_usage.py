"""What every command owes who calls it: wrong usage is exit status 2, and a file that does not serve is one
sentence and exit status 1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot_linking.core.codes import digest_of

from .test_commands import Shell, ada, shell

__all__ = ["ada", "shell"]
READERS = ("import FILE", "erasures --replay FILE", "deletions --import FILE")
HUGE = "99999999999999999999"


@pytest.mark.parametrize(
    "arguments",
    [
        f"dead-letters --retry {HUGE}",
        "dead-letters --retry -1",
        f"dead-letters --limit {HUGE}",
        f"links --limit {HUGE}",
        "links --limit 0",
        f"history 1 --limit {HUGE}",
        f"deletions --limit {HUGE}",
        f"api-key list --limit {HUGE}",
        f"page list --limit {HUGE}",
        f"check --watch --every {HUGE}",
        "check --watch --every 99999999999",
        f"deliver --threads {HUGE}",
        f"funnel --days {HUGE}",
    ],
)
def test_a_number_beyond_reason_is_wrong_usage(shell: Shell, arguments: str) -> None:
    result = shell.quick(*arguments.split())
    assert (result.status, result.out) == (2, "")
    assert "is not in the range" in result.err


def test_the_largest_numbers_that_are_allowed_work(shell: Shell) -> None:
    assert shell.quick("dead-letters", "--limit", str(2**31)).status == 0
    result = shell.quick("dead-letters", "--retry", str(2**63 - 1))
    assert (result.status, result.out) == (1, "")
    assert "no dead letter" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        "dead-letters --retry 1 --retry-all",
        "dead-letters --retry 0 --retry-all",
        "dead-letters --retry 1 --limit 5",
        "dead-letters --retry 1 --json",
        "dead-letters --retry-all --limit 5",
        "dead-letters --retry-all --json",
        "dead-letters --retry 1 --since 2h",
        "dead-letters --retry 1 --since=",
        "dead-letters --since=",
        "dead-letters --reason=",
        "deletions --import - --limit 5",
        "deletions --import - --json",
        "check --every 5",
        "check --watch --json",
        "erase --account 7 --page 555 --yes",
        "export --account 7 --page 555",
    ],
)
def test_options_of_which_one_would_be_ignored_are_wrong_usage(shell: Shell, arguments: str) -> None:
    result = shell.quick(*arguments.split())
    assert (result.status, result.out) == (2, "")
    assert "--" in result.err.splitlines()[-1]


@pytest.mark.parametrize("option", ["--reason=", "--since="])
def test_no_message_is_meant_by_an_empty_filter(shell: Shell, option: str) -> None:
    """As where a variable of a script is empty."""
    shell.link("999999")  # nobody here has this PSID: Graph refuses for good
    shell.quick("deliver", "--once")
    result = shell.quick("dead-letters", "--retry-all", option)
    assert (result.status, result.out) == (2, "")
    assert shell.quick("dead-letters").out.split("\t")[5] == "dead"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["erase", "", "--yes"], "is not a PSID"),
        (["erase", "1 2", "--yes"], "is not a PSID"),
        (["erase", "--account", "", "--yes"], "is empty"),
    ],
)
def test_who_cannot_be_there_is_not_erased(shell: Shell, arguments: list[str], said: str) -> None:
    result = shell.quick(*arguments)
    assert (result.status, result.out) == (2, "")
    assert said in result.err


@pytest.mark.parametrize("page", ["999", "", "a b\x1b[2J"])
@pytest.mark.parametrize("command", ["link 1 --email ada@example.com", "api-key create news"])
def test_nothing_is_stored_for_a_page_that_the_bot_does_not_serve(
    shell: Shell, command: str, page: str
) -> None:
    result = shell.quick(*command.split(), "--page", page)
    assert (result.status, result.out) == (2, "")
    assert "is not a page of this bot" in result.err
    assert "\x1b" not in result.err
    with shell.store() as store:
        assert list(store.list_links()) == []
        assert store.list_api_keys() == []


@pytest.mark.parametrize("command", ["show", "history", "export", "unlink", "erase --yes"])
def test_a_page_of_former_days_is_looked_at_and_removed(shell: Shell, ada: str, command: str) -> None:
    shell.link(ada, page="999")
    assert shell.quick(*command.split(), ada, "--page", "999").status == 0


def test_a_key_names_each_of_its_pages_once(shell: Shell) -> None:
    page = shell.messenger.page_id
    assert shell.quick("api-key", "create", "news", "--page", page, "--page", page).status == 0
    with shell.store() as store:
        assert [key.pages for key in store.list_api_keys()] == [(page,)]


def test_an_empty_list_says_whether_it_was_filtered(shell: Shell, ada: str) -> None:
    filtered = (["links", "--page", "999"], ["links", "--account", "nope"], ["export-links", "--page", "999"])
    for command in ("links", "export-links"):
        assert shell.quick(command).err == "nobody is linked\n"
    shell.link(ada)
    assert {shell.quick(*arguments).err for arguments in filtered} == {"no such link\n"}


def test_the_links_of_an_account_without_an_id_are_none(shell: Shell, ada: str) -> None:
    """As where a variable of a script is empty."""
    shell.link(ada)
    assert shell.quick("links", "--account", "").out == ""


@pytest.mark.parametrize("arguments", READERS)
@pytest.mark.parametrize(
    ("name", "said"),
    [("nofile", "No such file"), (".", "directory"), ("/proc/self/mem", "Input/output error")],
)
def test_a_file_that_cannot_be_read_is_a_refusal(
    shell: Shell, tmp_path: Path, arguments: str, name: str, said: str
) -> None:
    """Linux reads the beginning of `/proc/self/mem` as it reads a disk that is damaged."""
    path = tmp_path / name
    if name == "/proc/self/mem" and not path.exists():
        pytest.skip("only Linux has it")
    result = shell.quick(*arguments.replace("FILE", str(path)).split())
    assert (result.status, result.out) == (1, "")
    (line,) = result.err.splitlines()
    assert f"{path} cannot be read" in line
    assert said in line


@pytest.mark.parametrize("arguments", READERS)
def test_a_database_is_no_list(shell: Shell, ada: str, arguments: str) -> None:
    shell.link(ada)
    path = shell.environment["BOT_LINKING_DATABASE"].removeprefix("sqlite:///")
    result = shell.quick(*arguments.replace("FILE", path).split())
    assert (result.status, result.out) == (1, "")
    (line,) = result.err.splitlines()
    assert line.startswith("Error: ")
    assert "line" in line
    assert shell.is_linked(ada)


@pytest.mark.parametrize(
    "entry",
    [
        "[" * 20_000,
        "7",
        '{"erased_at": "2026-01-01T00:00:00Z", "page_id": null, "psid_digest": "\\ud800"}',
        '{"erased_at": "2026-01-01T00:00:00Z", "page_id": "\\u0000", "psid_digest": "a"}',
        '{"erased_at": "0001-01-01T00:00:00", "page_id": null, "psid_digest": 7}',
        '{"erased_at": 7, "page_id": null, "psid_digest": "a"}',
    ],
)
def test_what_is_no_entry_of_the_list_of_erasures_is_a_bad_line(
    shell: Shell, tmp_path: Path, entry: str
) -> None:
    (tmp_path / "list").write_text(entry + "\n")
    result = shell.quick("erasures", "--replay", str(tmp_path / "list"))
    assert (result.status, result.out) == (1, "")
    assert "1 line(s) are not of such a list" in result.err


def test_standard_input_is_read_for_a_dash(shell: Shell, ada: str) -> None:
    entry = {"erased_at": "2026-01-01T00:00:00+00:00", "page_id": None, "psid_digest": digest_of(ada)}
    shell.link(ada)
    assert "1 person(s)" in shell.quick("erasures", "--replay", "-", given=json.dumps(entry)).err
    assert "1 request(s)" in shell.quick("deletions", "--import", "-", given="42\n").err
    assert "1 linked" in shell.quick("import", "-", given=f"psid,account_id\n{ada},7\n").err
    assert shell.is_linked(ada)
