"""`import` and `export-links`: an export can be imported; bad lines are named before anything is written."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot_linking.core.conflicts import CANNOT_ASK, Policy
from bot_linking.core.errors import StoreAbsent
from bot_linking.core.links import Account, Link, from_ms
from bot_linking.core.ports.links import Import
from bot_linking.simulator import Simulator
from bot_linking.stores import open_store
from bot_linking.stores.opening import only_looking
from tests import forked, ready
from tests.stores.given import DATABASES, PLACES

from .test_commands import Shell, ada, grace, shell

__all__ = ["ada", "grace", "shell"]
NAMES = ("=1+1", "+44 1815", "'=x", "''=x", "-", "@me", 'a "quoted", one', "阿达 👩🏽‍🔬", "x" * 254)


def links_in(shell: Shell) -> list[Link]:
    with shell.store() as store:
        return list(store.list_links())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "links.csv"


def test_a_csv_with_names_of_its_own_links_its_people(shell: Shell, messenger: Simulator, file: Path) -> None:
    file.write_text("fb_id,uid,email,note\n123,7,mike@example.com,x\n124,8,,\n")
    result = shell.run("import", str(file), "--map", "psid=fb_id", "--map", "account_id=uid")
    assert (result.status, result.out) == (0, "")
    assert "2 linked" in result.err
    first, second = links_in(shell)
    assert (first.page_id, first.psid, first.account_id) == (messenger.page_id, "123", "7")
    assert (first.email, first.source, second.email) == ("mike@example.com", "import", None)
    assert shell.waiting() == 0, "it is silent"


def test_json_lines_may_hold_numbers_and_a_page(shell: Shell, messenger: Simulator, file: Path) -> None:
    page = messenger.page_id
    file.write_text(f'{{"psid": 24680135791357123, "account_id": 7, "page_id": {page}}}\n\n{{"psid":"2",'
                    '"account_id":"8","username":null,"more":[1]}\n')  # fmt: skip
    assert shell.quick("import", str(file)).status == 0
    assert [(link.psid, link.account_id) for link in links_in(shell)] == [
        ("2", "8"),
        ("24680135791357123", "7"),
    ]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("psid,account_id\n1,a\n,b\n3,\n4,d\n", {"3": "psid is missing", "4": "account_id is missing"}),
        ("psid,account_id\n2.46801E+16,a\n", {"2": "spreadsheet"}),
        ("psid,account_id\nno id,a\n\n1 2,a\n", {"2": "psid", "4": "psid"}),
        ("psid,account_id\n1,a\n2,b\n1,c\n", {"4": "same person as line 2"}),
        ("psid,account_id\n1\n2,b,c\n", {"2": "1 value", "3": "3 value"}),
        ('psid,account_id\n1,"a\nb"\n2,\n', {"4": "account_id"}),
        ("psid,account_id,page_id\n1,a,999\n", {"2": "999 is not a page of this bot"}),
        ("psid,account_id,email\n1,a,a\0b\n", {"2": "email"}),
        ("psid,account_id\n1," + "x" * 256 + "\n", {"2": "account_id"}),
        ("psid,account_id,email\n1,a," + "x" * 601 + "\n", {"2": "email is not Unicode text of 1 to 600"}),
        ("psid,account_id,linked_at\n1,a,yesterday\n2,b,2999-01-01\n", {"2": "linked_at", "3": "future"}),
        ('{"psid": 1.5, "account_id": "a"}\n{"psid": true, "account_id": "a"}\n', {"1": "psid", "2": "psid"}),
        ('{"psid": "1", "account_id": "a"}\n[1]\nnonsense\n', {"2": "JSON object", "3": "JSON object"}),
        ('{"psid": "1", "account_id": "\\u0000"}\n', {"1": "account_id"}),
        ('{"psid": "1", "account_id": "a", "username": "\\ud800"}\n', {"1": "username"}),
    ],
)
def test_every_bad_line_is_named_with_its_number_and_nothing_is_written(
    shell: Shell, file: Path, text: str, numbers: dict[str, str]
) -> None:
    file.write_text(text)
    result = shell.quick("import", str(file))
    assert (result.status, result.out) == (1, "")
    said = [line for line in result.err.splitlines() if line.startswith("line ")]
    assert [line.split(":")[0].removeprefix("line ") for line in said] == list(numbers)
    for line, reason in zip(said, numbers.values(), strict=True):
        assert reason in line
    assert "nothing was written" in result.err
    assert links_in(shell) == []


def test_where_an_account_has_one_chat_the_file_names_it_once(shell: Shell, file: Path) -> None:
    """The later line would end the chat of the earlier one, each time the file is imported."""
    file.write_text("psid,account_id\n1,a\n2,b\n3,a\n")
    refused = shell.run("import", str(file), SHOP_ON_CONFLICT="one_chat")
    assert (refused.status, links_in(shell)) == (1, [])
    assert "line 4: names the same account as line 2" in refused.err
    for counts in ("2 linked, 0 changed, 0 unchanged", "0 linked, 0 changed, 2 unchanged"):
        taken = shell.run("import", str(file), "--skip-bad", SHOP_ON_CONFLICT="one_chat")
        assert (taken.status, [link.psid for link in links_in(shell)]) == (0, ["1", "2"])
        assert f"{counts}, 1 left out" in taken.err
    assert shell.waiting() == 0, "nobody was told of an end"


@pytest.mark.parametrize("option", ["--dry-run", "--skip-bad", "--tell"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "psid,account_id,mail\n1,a,x@example.com\n",
            "the file has no column mial, but psid, account_id, mail",
        ),
        ('{"psid": "1", "account_id": "a", "mail": "x@example.com"}\n{"psid": "2"}\n', "no line has mial"),
    ],
)
def test_a_name_that_the_file_does_not_have_is_refused(
    shell: Shell, file: Path, text: str, said: str, option: str
) -> None:
    """A misspelt name would else be a field that is missing in every line."""
    file.write_text(text)
    result = shell.quick("import", str(file), "--map", "email=mial", option)
    assert (result.status, result.out) == (1, "")
    assert said in result.err
    assert "--map email=" in result.err
    assert links_in(shell) == []


def test_a_json_line_may_leave_out_a_value_that_another_has(shell: Shell, file: Path) -> None:
    file.write_text(
        '{"psid": "1", "account_id": "a"}\n{"psid": "2", "account_id": "b", "mail": "b@example.com"}\n'
    )
    assert shell.quick("import", str(file), "--map", "email=mail").status == 0
    assert [link.email for link in links_in(shell)] == [None, "b@example.com"]


def test_with_skip_bad_the_good_lines_are_imported(shell: Shell, file: Path) -> None:
    file.write_text("psid,account_id\n1,a\n,b\n3,c\n")
    result = shell.quick("import", str(file), "--skip-bad")
    assert result.status == 0
    assert "line 3" in result.err
    assert "1 left out" in result.err
    assert [link.psid for link in links_in(shell)] == ["1", "3"]


def test_bytes_that_are_no_utf_8_are_a_bad_line(shell: Shell, file: Path) -> None:
    file.write_bytes(b"psid,account_id,username\n1,a,Andr\xe9\n2,b,x\n")
    result = shell.quick("import", str(file))
    assert "line 2: is not UTF-8" in result.err
    file.write_bytes(b'{"psid": "1", "account_id": "a", "username": "Andr\xe9"}\n')
    assert "line 1: is not a JSON object in UTF-8" in shell.quick("import", str(file)).err


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_spreadsheets_own_csv_is_read(shell: Shell, file: Path, delimiter: str) -> None:
    rows = [["psid", "account_id", "phone_number"], ["1", "a", "'+44 1815"], ["2", "b", ""]]
    file.write_bytes(b"\xef\xbb\xbf" + "".join(delimiter.join(row) + "\r\n" for row in rows).encode())
    assert shell.quick("import", str(file)).status == 0
    assert [link.phone_number for link in links_in(shell)] == ["+44 1815", None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no column psid"),
        ("psid,a\n1,2\n", "no column account_id"),
        ("psid,psid,account_id\n", "two"),
    ],
)
def test_a_head_that_says_too_little_is_refused(shell: Shell, file: Path, text: str, said: str) -> None:
    file.write_text(text)
    result = shell.quick("import", str(file))
    assert (result.status, result.out) == (1, "")
    assert said in result.err


@pytest.mark.parametrize(
    ("content", "number"),
    [
        ("psid,account_id\n1,a\n".replace("\n", "\r").encode(), 1),
        ("psid\taccount_id\r\n1\ta\r\n".encode("utf-16"), 1),
        ("psid,account_id\n1,a\n".encode("utf-16-le"), 1),
        (b"psid,account_id,Stra\xdfe\n1,a,b\n", 1),
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00\n\x00,\x00\n", 1),
        (b"\n\npsid,account_id," + b"x" * 131_073 + b"\n1,a,b\n", 3),
    ],
)
def test_what_is_no_csv_in_utf_8_is_refused_in_one_sentence(
    shell: Shell, file: Path, content: bytes, number: int
) -> None:
    file.write_bytes(content)
    result = shell.quick("import", str(file))
    assert (result.status, result.out) == (1, "")
    (line,) = result.err.splitlines()
    assert line.startswith(f"Error: line {number} is not ")
    assert line.endswith(": save the file as CSV in UTF-8")


def test_lines_that_the_temporary_file_does_not_take_are_one_sentence(
    shell: Shell, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def connect_to_a_full_disk(name: str, **how: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(name, **how)
        if not name:
            connection.execute("pragma max_page_count = 20")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_to_a_full_disk)
    file.write_text("psid,account_id\n" + "".join(f"{number},{'a' * 250}\n" for number in range(1, 1000)))
    result = shell.quick("import", str(file))
    assert (result.status, result.out) == (1, "")
    (line,) = result.err.splitlines()
    assert "disk is full" in line
    assert "SQLITE_TMPDIR" in line
    assert links_in(shell) == []


@pytest.mark.parametrize(
    "pairs", [("psid",), ("psid=",), ("nonsense=a",), ("psid=a", "psid=b"), ("source=a",)]
)
def test_a_wrong_map_is_wrong_usage(shell: Shell, file: Path, pairs: tuple[str, ...]) -> None:
    file.write_text("psid,account_id\n")
    maps = [part for pair in pairs for part in ("--map", pair)]
    assert shell.quick("import", str(file), *maps).status == 2


def test_a_file_that_is_not_there_is_a_sentence(shell: Shell, tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        result = shell.quick("import", str(path))
        assert (result.status, result.out) == (1, "")
        assert "cannot be read" in result.err


def test_with_tell_each_person_gets_the_confirmation(
    shell: Shell, messenger: Simulator, ada: str, file: Path
) -> None:
    file.write_text(f"psid,account_id,username\n{ada},7,ada\n")
    assert shell.quick("import", str(file), "--tell").status == 0
    shell.quick("deliver", "--once")
    assert "as ada" in json.dumps(messenger.messages(ada))


def test_a_dry_run_tells_nobody_and_says_so(shell: Shell, file: Path) -> None:
    file.write_text("psid,account_id\n1,a\n")
    result = shell.quick("import", str(file), "--dry-run", "--tell")
    assert (result.status, result.out) == (2, "")
    assert "--tell does not go with --dry-run" in result.err


def test_a_dry_run_judges_and_writes_nothing(shell: Shell, file: Path) -> None:
    file.write_text("psid,account_id\n1,a\n2,b\n")
    result = shell.quick("import", str(file), "--dry-run")
    assert result.status == 0
    assert "2 link(s) are good" in result.err
    assert links_in(shell) == []


@pytest.fixture(params=sorted(PLACES))
def nowhere(request: pytest.FixtureRequest, shell: Shell, tmp_path: Path) -> Iterator[str]:
    """The address of a database that nobody has made; that of SQLite is in a folder that nobody has made."""
    with PLACES[request.param](tmp_path / "gone") as address:
        shell.environment["BOT_LINKING_DATABASE"] = address
        yield address


def is_made(url: str) -> bool:
    with closing(open_store(url, only_look=True)) as store, only_looking():
        try:
            store.check()
        except StoreAbsent:
            return False
        return True


@pytest.mark.parametrize(
    ("text", "options", "status", "said"),
    [
        ("psid,account_id\n1,a\n2,b\n", ["--dry-run"], 0, "2 link(s) are good"),
        ("psid,account_id\n1,a\n,b\n", ["--dry-run", "--skip-bad"], 0, "1 link(s) are good"),
        ("psid,account_id\n1,a\n,b\n", [], 1, "1 line(s) are bad"),
        ("fb_id,account_id\n1,a\n", [], 1, "no column psid"),
        ("psid,account_id\n", [], 0, "0 linked"),
    ],
)
def test_an_import_that_writes_no_link_makes_no_database(
    shell: Shell, nowhere: str, file: Path, text: str, options: list[str], status: int, said: str
) -> None:
    file.write_text(text)
    del shell.environment["BOT_LINKING_PAGE_ID"]  # the only page is asked for, as nobody is remembered
    result = shell.run("import", str(file), *options)
    assert (result.status, result.out) == (status, "")
    assert said in result.err
    assert not is_made(nowhere)
    assert not (file.parent / "gone").exists()


def test_where_pages_may_be_added_lines_are_judged_without_a_database(
    shell: Shell, nowhere: str, file: Path
) -> None:
    shell.environment["BOT_LINKING_PAGE_KEYS"] = "a-key-of-added-pages-0123456789abc"
    file.write_text("psid,account_id,page_id\n1,a,999\n")
    result = shell.run("import", str(file))
    assert (result.status, result.out) == (1, "")
    assert "line 2: page_id 999 is not a page of this bot" in result.err
    assert not is_made(nowhere)


def test_an_import_makes_the_database_in_which_it_writes(shell: Shell, nowhere: str, file: Path) -> None:
    file.write_text("psid,account_id\n1,a\n")
    assert shell.run("import", str(file)).status == 0
    assert is_made(nowhere)
    assert [link.account_id for link in links_in(shell)] == ["a"]


def test_a_dry_run_without_the_database_that_must_be_there_fails(
    shell: Shell, nowhere: str, file: Path
) -> None:
    file.write_text("psid,account_id\n1,a\n")
    result = shell.run("import", str(file), "--dry-run", BOT_LINKING_CREATE_DATABASE="false")
    assert result.status == 1
    assert "BOT_LINKING_CREATE_DATABASE" in result.err


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_what_is_exported_is_imported_as_it_was(
    shell: Shell, tmp_path: Path, options: tuple[str, ...]
) -> None:
    for number, name in enumerate(NAMES):
        shell.link(f"1000{number}", f"account {name}"[:255], username=name, phone_number="+44 1815")
    before = links_in(shell)
    exported = shell.run("export-links", *options)
    assert (exported.status, exported.err) == (0, "")
    (tmp_path / "out").write_text(exported.out)
    other = {"BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/other.db"}
    assert shell.quick("import", str(tmp_path / "out"), **other).status == 0
    again = shell.quick("export-links", *options, **other)
    assert again.out.replace("import", "login") == exported.out
    assert len(before) == len(NAMES)


# Each of these was lost, changed or taken for the end of a line or a value by one program or another.
MARKS = "\r\n\t\v\f\x1c\x85\xa0\u2028\u3000\ufeff\u200b\x07 '\"=+-@,;\\0159a阿\U0001f469"
TEXTS = st.text(st.sampled_from(MARKS) | st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
TEXTS = TEXTS.filter(lambda text: "\0" not in text)  # as no account has one
ACCOUNTS = st.builds(Account, TEXTS, *[st.none() | TEXTS] * 3)
KNOWN = (
    " a ", "a\rb", "a\nb", "a\r\nb", "\ta", "\r=a", "a\x0bb", "a\u2028b", "a,b;c\td", '"q"', "a\x1cb", "0123",
    "1e5", "\ufeffz", "z\x85", "\u3000w", " ", "\r", "\n", "-5", "- 5 a", "é" * 255, "null", "{}", "x\x07",
)  # fmt: skip
NUMBERS = count(1)
THEN = 1_700_000_000_000


@pytest.fixture(params=sorted(DATABASES))
def two_urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The addresses of two databases without rows."""
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    with (
        DATABASES[request.param](tmp_path / "one") as one,
        DATABASES[request.param](tmp_path / "other") as other,
    ):
        yield one, other


def _saved(shell: Shell, url: str, accounts: Sequence[Account]) -> list[Link]:
    """The links to these accounts, in this store."""
    page, then = shell.messenger.page_id, from_ms(THEN)
    links = [
        Link(
            page, str(10_000 + n), each.id, each.username, each.email, each.phone_number, "import", then, then
        )
        for n, each in enumerate(accounts)
    ]
    with closing(open_store(url)) as store:
        store.import_links(links, Import(Policy(), CANNOT_ASK), THEN)
        return list(store.list_links())


def _moved(shell: Shell, url: str, other: str, file: Path, *options: str) -> list[Link]:
    """The links of one store, after an export that the other has imported."""
    file.write_bytes(shell.quick("export-links", *options, BOT_LINKING_DATABASE=url).raw)
    result = shell.quick("import", str(file), BOT_LINKING_DATABASE=other)
    assert (result.status, result.out) == (0, ""), result.err
    with closing(open_store(other)) as store:
        return list(store.list_links())


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_no_text_of_an_account_changes_on_its_way(
    shell: Shell, two_urls: tuple[str, str], file: Path, options: tuple[str, ...]
) -> None:
    links = _saved(shell, two_urls[0], [Account(text, text, text, text) for text in KNOWN])
    assert [link.account_id for link in links] == list(KNOWN)
    assert _moved(shell, *two_urls, file, *options) == links


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(accounts=st.lists(ACCOUNTS, min_size=1, max_size=20))
def test_whatever_links_there_are_an_import_of_the_export_makes_them_again(
    shell: Shell, file: Path, accounts: list[Account]
) -> None:
    with ready.empty_tables():
        urls = [f"sqlite:///{file.parent}/{next(NUMBERS)}.db" for _ in range(3)]
        links = _saved(shell, urls[0], accounts)
        assert len(links) == len(accounts)
        assert _moved(shell, urls[0], urls[1], file) == links
        assert _moved(shell, urls[0], urls[2], file, "--json") == links


def test_an_export_without_links_is_a_head_alone_and_can_be_imported(shell: Shell, file: Path) -> None:
    exported = shell.quick("export-links")
    assert exported.out == (
        "page_id,psid,account_id,username,email,phone_number,source,linked_at,updated_at\n"
    )
    file.write_text(exported.out)
    assert shell.quick("import", str(file)).status == 0
    assert shell.quick("export-links", "--json").out == ""


def test_no_exported_value_is_a_formula(shell: Shell, ada: str) -> None:
    shell.link(ada, "=1+1", username="@SUM(1)", email="-2+3", phone_number="+44 1815")
    row = shell.quick("export-links").out.splitlines()[1].split(",")
    assert row[2:6] == ["'=1+1", "'@SUM(1)", "'-2+3", "+44 1815"]


KILLED = """
import os, signal
from bot_linking.operators import importing
from bot_linking.stores.sqlite.engine import SQLiteEngine
importing.BATCH = 3
write, left = SQLiteEngine.write, int(os.environ["KILL_AFTER"])

def mortal(self, work):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(self, work)

SQLiteEngine.write = mortal
"""


def test_an_import_that_is_killed_is_run_again(shell: Shell, file: Path) -> None:
    """It is killed before each of its transactions; in the end each person is linked once, with one line
    of history."""
    file.write_text("psid,account_id\n" + "".join(f"{number},a{number}\n" for number in range(1, 13)))
    killed = 0
    for after in range(10):
        environment = shell.environment | {"KILL_AFTER": str(after)}
        ended = forked.run(shell.arguments("import", str(file)), env=environment, prelude=KILLED)
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
        killed += ended.returncode != 0
        if ended.returncode == 0:
            break
    assert killed > 1
    assert len(links_in(shell)) == 12
    with shell.store() as store:
        for link in links_in(shell):
            assert len(store.history_of(link.page_id, link.psid)) == 1
