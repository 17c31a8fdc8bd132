"""`backup` and `restore`: whole copies of a running bot, put back without the people who were erased."""

from __future__ import annotations

import json
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot_linking.core.codes import digest_of
from bot_linking.stores import open_store
from bot_linking.stores.page_keeper import Keeper
from bot_linking.stores.sqlite import files
from tests import forked, postgres

from .test_commands import Shell, ada, grace, shell

__all__ = ["ada", "grace", "shell"]


@pytest.fixture
def database(shell: Shell) -> Path:
    return Path(shell.environment["BOT_LINKING_DATABASE"].removeprefix("sqlite:///"))


@pytest.fixture
def copy(shell: Shell, ada: str, grace: str, tmp_path: Path) -> Path:
    """A backup in which Ada and Grace are linked."""
    for psid in (ada, grace):
        shell.link(psid, f"account of {psid}", email=f"{psid}@example.com")
    assert shell.quick("backup", str(tmp_path / "copy.db")).status == 0
    return tmp_path / "copy.db"


def linked_in(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        return {row[0] for row in connection.execute("select psid from links where account_id is not null")}


@pytest.fixture
def holder(database: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the database open."""
    code = (
        f"import sqlite3; c = sqlite3.connect({str(database)!r}); c.execute('select 1 from links'); print()"
    )
    command = [sys.executable, "-c", code + "; input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            running.stdout.readline()
            yield running
        finally:
            running.kill()


def test_a_backup_is_whole_for_its_owner_alone_and_without_side_files(
    shell: Shell, copy: Path, ada: str, grace: str
) -> None:
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert linked_in(copy) == {ada, grace}
    assert [path.name for path in copy.parent.glob("copy.db*")] == ["copy.db"]


def test_a_backup_replaces_an_older_one_and_nothing_else(
    shell: Shell, database: Path, copy: Path, ada: str, tmp_path: Path
) -> None:
    shell.link("3000")
    assert shell.run("backup", str(copy)).status == 0
    assert "3000" in linked_in(copy)
    for other in (tmp_path / "notes.txt", tmp_path / "shop.db"):
        with closing(sqlite3.connect(other)) as connection:
            connection.execute("create table t (a)")
        before = other.read_bytes()
        result = shell.quick("backup", str(other))
        assert (result.status, result.out) == (1, "")
        assert other.read_bytes() == before
    for wrong in (database, tmp_path, tmp_path / "no" / "folder.db"):
        assert shell.quick("backup", str(wrong)).status == 1
    assert linked_in(database) >= {ada, "3000"}


def test_an_empty_file_is_no_database_and_replaces_no_backup(shell: Shell, tmp_path: Path, ada: str) -> None:
    """What a start that met a full disk leaves behind."""
    shell.link(ada)
    backup, empty = tmp_path / "backup.db", tmp_path / "empty.db"
    assert shell.quick("backup", str(backup)).status == 0
    kept = backup.read_bytes()
    empty.touch()
    where = {"BOT_LINKING_DATABASE": f"sqlite:///{empty}", "BOT_LINKING_CREATE_DATABASE": "false"}
    refused = shell.quick("backup", str(backup), **where)
    assert (refused.status, refused.out) == (1, "")
    assert "no tables" in refused.err
    assert backup.read_bytes() == kept
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_a_backup_is_consistent_while_others_write(shell: Shell, tmp_path: Path, ada: str) -> None:
    """Each link is written with its line of history; no copy has one without the other."""
    shell.link(ada)
    is_over = threading.Event()

    def write() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            shell.link(f"5{number:05}")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            assert shell.quick("backup", str(tmp_path / f"{number}.db")).status == 0
    finally:
        is_over.set()
        writer.join()
    for number in range(3):
        with closing(sqlite3.connect(tmp_path / f"{number}.db")) as connection:
            both = connection.execute("select (select count(*) from links), (select count(*) from history)")
            links, lines = both.fetchone()
            assert links == lines


def test_restore_brings_back_the_links_and_says_what_comes_and_goes(
    shell: Shell, database: Path, copy: Path, ada: str, grace: str
) -> None:
    shell.quick("unlink", ada)
    shell.link("3000")
    shell.quick("api-key", "create", "newsletter")
    result = shell.run("restore", str(copy), "--yes")
    assert (result.status, result.out) == (0, "")
    assert "1 link(s) that have ended since come back" in result.err
    assert "1 link(s) that were made since are lost" in result.err
    assert linked_in(database) == {ada, grace}
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


@pytest.fixture
def link_to(database: Path, copy: Path, tmp_path: Path) -> Path:
    """Move the database into another folder, with a link in its place; the file itself."""
    real = tmp_path / "volume" / "real.db"
    real.parent.mkdir()
    assert not database.with_name("links.db-wal").exists()
    database.rename(real)
    database.symlink_to(real)
    return real


def test_behind_a_link_the_file_itself_is_replaced(
    shell: Shell, database: Path, copy: Path, link_to: Path, ada: str, grace: str
) -> None:
    """With its write-ahead log, which SQLite keeps beside the file."""
    shell.quick("erase", grace, "--yes")
    _leave_a_log(database)
    assert link_to.with_name("real.db-wal").stat().st_size
    assert shell.quick("restore", str(copy), "--yes").status == 0
    assert database.is_symlink()
    assert linked_in(link_to) == linked_in(database) == {ada}
    assert sorted(path.name for path in link_to.parent.iterdir()) == ["real.db", "real.db.erased"]
    assert sorted(path.name for path in database.parent.glob("links.db*")) == ["links.db"]


def test_behind_a_link_the_erased_stay_erased_by_whatever_name_it_is_opened(
    shell: Shell, database: Path, copy: Path, link_to: Path, ada: str, grace: str
) -> None:
    shell.quick("erase", ada, "--yes", BOT_LINKING_DATABASE=f"sqlite:///{link_to}")
    link_to.unlink()
    assert shell.quick("restore", str(copy), "--yes").status == 0
    assert linked_in(link_to) == {grace}


def test_a_backup_into_a_link_replaces_the_older_backup_behind_it(
    shell: Shell, copy: Path, link_to: Path
) -> None:
    latest = copy.with_name("latest.db")
    latest.symlink_to(copy)
    shell.link("3000")
    assert shell.quick("backup", str(latest)).status == 0
    assert latest.is_symlink()
    assert "3000" in linked_in(copy)


def test_restore_asks_and_in_a_pipe_wants_yes(shell: Shell, database: Path, copy: Path, ada: str) -> None:
    shell.quick("unlink", ada)
    result = shell.quick("restore", str(copy))
    assert result.status == 1
    assert "--yes" in result.err
    assert ada not in linked_in(database)
    assert sorted(path.name for path in database.parent.glob("links.db*")) == ["links.db"]


def test_whoever_was_erased_since_stays_erased(
    shell: Shell, database: Path, copy: Path, ada: str, grace: str
) -> None:
    shell.quick("erase", ada, "--yes")
    result = shell.quick("restore", str(copy), "--yes")
    assert "1 person(s) who were erased since are erased again" in result.err
    assert linked_in(database) == {grace}
    assert f"{ada}@example.com".encode() not in database.read_bytes()
    again = shell.quick("restore", str(copy), "--yes")
    assert "1 person(s)" in again.err, "the list has come through the restore"
    assert linked_in(database) == {grace}


def test_the_list_beside_the_database_is_enough_when_the_database_is_lost(
    shell: Shell, database: Path, copy: Path, ada: str, grace: str
) -> None:
    shell.quick("erase", ada, "--yes")
    beside = database.with_name("links.db.erased")
    assert stat.S_IMODE(beside.stat().st_mode) == 0o600
    assert ada not in beside.read_text()
    for path in database.parent.glob("links.db*"):
        if path != beside:
            path.unlink()
    assert shell.quick("restore", str(copy), "--yes").status == 0
    assert linked_in(database) == {grace}


def test_whoever_came_back_before_the_backup_stays(
    shell: Shell, database: Path, ada: str, tmp_path: Path
) -> None:
    shell.link(ada)
    shell.quick("erase", ada, "--yes")
    with shell.store() as store:
        store.engine.write(lambda tx: tx.run("purge_codes", before=2**62, most=9))
    shell.link(ada)
    shell.quick("backup", str(tmp_path / "copy.db"))
    assert shell.quick("restore", str(tmp_path / "copy.db"), "--yes").status == 0
    assert linked_in(database) == {ada}


def test_a_key_that_was_revoked_since_stays_revoked(shell: Shell, tmp_path: Path) -> None:
    shell.quick("api-key", "create", "newsletter")
    shell.quick("backup", str(tmp_path / "copy.db"))
    shell.quick("api-key", "revoke", "newsletter")
    assert shell.quick("restore", str(tmp_path / "copy.db"), "--yes").status == 0
    (key,) = map(json.loads, shell.quick("api-key", "list", "--json").out.splitlines())
    assert key["revoked_at"] is not None


PAGE_KEY = {"BOT_LINKING_PAGE_KEYS": "a-key-of-added-pages-0123456789abc"}


def lines_of(page: str, of: str = "first") -> str:
    return "".join(f"{what}-of-{page}-{of}\n" for what in ("token", "secret", "verify"))


def secrets_of_pages(shell: Shell) -> dict[str, tuple[str, ...]]:
    with shell.store() as store:
        keeper = Keeper(store, [PAGE_KEY["BOT_LINKING_PAGE_KEYS"]])
        opened = [keeper.open(kept) for kept in keeper.all()]
        return {page.id: page.app_secrets for page in opened if page is not None and page.id is not None}


@pytest.fixture
def with_pages(shell: Shell, tmp_path: Path) -> Path:
    """A backup with the added pages 222, 333 and 444; since then 222 was rotated, 333 removed, 555 added."""
    shell.environment |= PAGE_KEY
    for page in ("222", "333", "444"):
        assert shell.quick("page", "add", page, given=lines_of(page)).status == 0
    assert shell.quick("backup", str(tmp_path / "copy.db")).status == 0
    shell.messenger.clock.advance(1)
    for arguments, given in (
        (("rotate", "222"), lines_of("222", "second")),
        (("rotate", "222", "--finish"), None),
        (("remove", "333", "--yes"), None),
        (("add", "555"), lines_of("555")),
    ):
        assert shell.quick("page", *arguments, given=given).status == 0
    return tmp_path / "copy.db"


def test_a_page_that_was_rotated_removed_or_added_since_stays_as_it_is(
    shell: Shell, with_pages: Path
) -> None:
    """A secret that leaked and was replaced must not be good again."""
    result = shell.quick("restore", str(with_pages), "--yes")
    assert result.status == 0, result.err
    assert "3 page(s), token(s) and second factor(s)" in result.err
    assert secrets_of_pages(shell) == {
        "222": ("secret-of-222-second",),
        "444": ("secret-of-444-first",),
        "555": ("secret-of-555-first",),
    }
    with shell.store() as store:
        assert store.pages_revision() == max(page.revision for page in store.pages_since(0))


@pytest.fixture
def made_anew(shell: Shell, tmp_path: Path) -> Callable[[], Path]:
    """Put an empty database in the place of the shell's, as a bot makes one whose volume was not mounted."""

    def make() -> Path:
        path = tmp_path / "anew.db"
        shell.environment["BOT_LINKING_DATABASE"] = f"sqlite:///{path}"
        open_store(f"sqlite:///{path}").close()
        return path

    return make


def test_a_page_that_was_rotated_stays_so_though_the_clock_went_back(
    shell: Shell, database: Path, with_pages: Path
) -> None:
    with closing(sqlite3.connect(with_pages)) as connection, connection:
        connection.execute("update pages set changed_at = changed_at + 3600000")
    assert shell.quick("restore", str(with_pages), "--yes").status == 0
    assert secrets_of_pages(shell)["222"] == ("secret-of-222-second",)


def test_a_secret_that_was_replaced_after_an_earlier_restore_stays_so(
    shell: Shell, with_pages: Path, tmp_path: Path, made_anew: Callable[[], Path]
) -> None:
    """Then the backup's numbers are higher, though its changes are older."""
    newer = str(tmp_path / "newer.db")
    shell.quick("backup", newer)
    made_anew()
    assert shell.quick("restore", str(with_pages), "--yes").status == 0
    shell.messenger.clock.advance(1)
    assert shell.quick("page", "rotate", "222", given=lines_of("222", "last")).status == 0
    assert shell.quick("page", "rotate", "222", "--finish").status == 0
    assert shell.quick("page", "remove", "333", "--yes").status == 0
    assert shell.quick("restore", newer, "--yes").status == 0
    assert secrets_of_pages(shell)["222"] == ("secret-of-222-last",)
    assert "333" not in secrets_of_pages(shell)


def test_pages_of_a_newer_backup_come_back_over_an_older_database(
    shell: Shell, database: Path, with_pages: Path, tmp_path: Path
) -> None:
    """As where the wrong backup was restored first."""
    newer = secrets_of_pages(shell)
    shell.quick("backup", str(tmp_path / "newer.db"))
    for path in database.parent.glob("links.db-*"):
        path.unlink()
    database.write_bytes(with_pages.read_bytes())
    assert shell.quick("restore", str(tmp_path / "newer.db"), "--yes").status == 0
    assert secrets_of_pages(shell) == newer


def test_pages_come_back_with_the_backup_where_the_database_was_made_anew(
    shell: Shell, made_anew: Callable[[], Path], with_pages: Path
) -> None:
    made_anew()
    shell.quick("page", "add", "555", given=lines_of("555", "anew"))
    assert shell.quick("restore", str(with_pages), "--yes").status == 0
    assert secrets_of_pages(shell) == {
        "222": ("secret-of-222-first",),
        "333": ("secret-of-333-first",),
        "444": ("secret-of-444-first",),
        "555": ("secret-of-555-anew",),
    }


EXTERNAL = "bot_linking_external_account", "bot_linking.external_account"


def change_external(shell: Shell, database: Path, *statements: str) -> None:
    with shell.store() as store:
        store.engine.extend(*EXTERNAL)
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def app(key: str, at: int = 1) -> str:
    return f"insert into external_apps (app_key, created_at, opened_at) values ('{key}', {at}, {at})"


def token(name: str, key: str = "shop") -> str:
    return f"insert into external_tokens values ('{name}', '{name}', '{key}', null, null, 'bind', 1, 9)"


def factor(user: int, secret: str, *codes: str, at: int = 1) -> tuple[str, ...]:
    return (
        f"insert into external_second_factors values ('shop', {user}, '{secret}', 0, 0, '[]', {at})",
        *(f"insert into external_recovery_codes values ('shop', {user}, '{code}')" for code in codes),
    )


SINCE = (
    *("delete from external_tokens where id = 'ended'", token("later")),
    "delete from external_recovery_codes where digest in ('a', 'b', 'used')",
    "delete from external_second_factors where user_id in (1, 2)",
    *factor(2, "anew", "c", at=2),
    *factor(4, "set up since", "d", at=2),
)


def external_in(database: Path) -> tuple[set[str], dict[int, str], set[str]]:
    """The tokens, each user's second factor, and the recovery codes."""
    with closing(sqlite3.connect(database)) as connection:
        return (
            {row[0] for row in connection.execute("select id from external_tokens")},
            dict(connection.execute("select user_id, secret from external_second_factors").fetchall()),
            {row[0] for row in connection.execute("select digest from external_recovery_codes")},
        )


@pytest.fixture
def with_external(shell: Shell, database: Path, tmp_path: Path) -> Path:
    """A backup with tokens, second factors and recovery codes."""
    change_external(
        shell, database, app("shop"), app("other"), token("ended"), token("good"), token("other", "other"),
        *factor(1, "turned off", "a"), *factor(2, "replaced", "b"), *factor(3, "same", "used", "unused"),
    )  # fmt: skip
    assert shell.quick("backup", str(tmp_path / "copy.db")).status == 0
    return tmp_path / "copy.db"


def test_tokens_that_were_ended_and_second_factors_that_were_set_up_since_stay_so(
    shell: Shell, database: Path, with_external: Path
) -> None:
    change_external(shell, database, *SINCE)
    result = shell.quick("restore", str(with_external), "--yes")
    assert result.status == 0, result.err
    assert "3 page(s), token(s) and second factor(s)" in result.err
    assert external_in(database) == (
        {"good", "other"},
        {1: "turned off", 2: "anew", 3: "same", 4: "set up since"},
        {"a", "c", "unused", "d"},
    )


def test_an_older_database_takes_no_second_factor_away_and_brings_none_back(
    shell: Shell, database: Path, with_external: Path, tmp_path: Path
) -> None:
    """As where the wrong backup was restored first."""
    change_external(shell, database, *SINCE)
    shell.quick("backup", str(tmp_path / "newer.db"))
    database.write_bytes(with_external.read_bytes())
    assert shell.quick("restore", str(tmp_path / "newer.db"), "--yes").status == 0
    _, factors, codes = external_in(database)
    assert {user: factors[user] for user in (2, 3, 4)} == {2: "anew", 3: "same", 4: "set up since"}
    assert codes >= {"c", "unused", "d"}
    assert not codes & {"b", "used"}


def test_a_second_factor_stays_encrypted_under_the_keys_of_now_its_code_used_and_its_lock_closed(
    shell: Shell, database: Path, with_external: Path
) -> None:
    changed = "secret = 'sealed anew', last_step = 7, failures = 9, failed_at = '[5]'"
    change_external(shell, database, f"update external_second_factors set {changed} where user_id = 3")
    assert shell.quick("restore", str(with_external), "--yes").status == 0
    assert external_in(database)[1] == {1: "turned off", 2: "replaced", 3: "sealed anew"}
    with closing(sqlite3.connect(database)) as connection:
        kept = "select last_step, failures, failed_at from external_second_factors where user_id = 3"
        assert connection.execute(kept).fetchall() == [(7, 9, "[5]")]


def test_tokens_come_back_with_the_backup_where_the_application_was_made_anew(
    shell: Shell, database: Path, tmp_path: Path, made_anew: Callable[[], Path]
) -> None:
    change_external(shell, database, app("shop"), token("good"), *factor(1, "secret", "a"))
    shell.quick("backup", str(tmp_path / "copy.db"))
    database = made_anew()
    change_external(shell, database, app("shop", at=2), token("later"))
    assert shell.quick("restore", str(tmp_path / "copy.db"), "--yes").status == 0
    assert external_in(database) == ({"good"}, {1: "secret"}, {"a"})


def test_what_was_sent_since_is_not_sent_again(shell: Shell, copy: Path, ada: str) -> None:
    assert shell.waiting() == 2
    shell.quick("deliver", "--once")
    assert "2 message(s) that were sent since are taken out" in shell.quick("restore", str(copy), "--yes").err
    assert shell.waiting() == 0


def test_restore_never_happens_under_a_running_bot(
    shell: Shell, database: Path, copy: Path, ada: str, holder: subprocess.Popen[str]
) -> None:
    shell.quick("unlink", ada)
    result = shell.run("restore", str(copy), "--yes")
    assert (result.status, result.out) == (1, "")
    assert str(holder.pid) in result.err
    assert ada not in linked_in(database)


def test_sqlite_itself_tells_of_a_process_that_cannot_be_seen(
    shell: Shell, database: Path, copy: Path, ada: str, holder: subprocess.Popen[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shell.quick("unlink", ada)
    monkeypatch.setattr("bot_linking.stores.sqlite.restoring.holders_of", lambda *paths: [])
    result = shell.quick("restore", str(copy), "--yes")
    assert result.status == 1
    assert "in use by another process" in result.err
    assert ada not in linked_in(database)


def test_a_write_ahead_log_of_the_old_database_does_not_lie_over_the_new_one(
    shell: Shell, database: Path, copy: Path, ada: str, grace: str
) -> None:
    _leave_a_log(database)
    assert database.with_name("links.db-wal").stat().st_size
    assert shell.quick("restore", str(copy), "--yes").status == 0
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("select count(*) from links where account_id = 'later'").fetchone() == (0,)


def _leave_a_log(database: Path) -> None:
    """Leave a write-ahead log, as a killed bot does."""
    code = (
        f"import sqlite3, os, signal; c = sqlite3.connect({str(database)!r});"
        " c.execute('pragma wal_autocheckpoint = 0'); c.execute(\"update links set account_id = 'later'\");"
        " c.commit(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)


def _not_a_backup(tmp_path: Path, copy: Path) -> dict[str, Path]:
    text, foreign, cut, newer = (tmp_path / name for name in ("text", "foreign", "cut", "newer"))
    text.write_text("no database at all, but long enough to look like something\n" * 50)
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("create table t (a)")
    cut.write_bytes(copy.read_bytes()[:-20_000])
    newer.write_bytes(copy.read_bytes())
    with closing(sqlite3.connect(newer)) as connection, connection:
        connection.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at) values ('bot_linking', 'z', '')"
        )
    return {"text": text, "foreign": foreign, "cut": cut, "newer": newer, "none": tmp_path / "none"}


@pytest.mark.parametrize("what", ["text", "foreign", "cut", "newer", "none"])
def test_what_is_no_backup_of_ours_is_refused(
    shell: Shell, database: Path, copy: Path, ada: str, tmp_path: Path, what: str
) -> None:
    shell.quick("unlink", ada)
    result = shell.quick("restore", str(_not_a_backup(tmp_path, copy)[what]), "--yes")
    assert (result.status, result.out) == (1, "")
    assert result.err.count("Error:") == 1
    assert ada not in linked_in(database)
    assert not database.with_name("links.db.restoring").exists()


@pytest.mark.parametrize("what", ["text", "foreign"])
def test_restore_replaces_no_file_of_another_program(
    shell: Shell, database: Path, copy: Path, tmp_path: Path, what: str
) -> None:
    """As where BOT_LINKING_DATABASE names the shop's own database."""
    theirs = _not_a_backup(tmp_path, copy)[what].read_bytes()
    for each in (database, *database.parent.glob("links.db-*")):
        each.unlink()
    database.write_bytes(theirs)
    result = shell.quick("restore", str(copy), "--yes")
    assert (result.status, result.out) == (1, "")
    assert "is no database of this bot's" in result.err
    assert database.read_bytes() == theirs


@pytest.mark.parametrize("present", [None, b"", b"damaged"])
def test_restore_replaces_no_database_an_empty_file_and_a_damaged_one(
    shell: Shell, database: Path, copy: Path, ada: str, grace: str, present: bytes | None
) -> None:
    for each in database.parent.glob("links.db-*"):
        each.unlink()
    if present is None:
        database.unlink()
    else:
        whole = database.read_bytes()
        database.write_bytes(whole[:100] + b"x" * (len(whole) - 100) if present else b"")
    result = shell.quick("restore", str(copy), "--yes")
    assert result.status == 0, result.err
    said = "There is no database at present" if present is None else "The present database cannot be read"
    assert said in result.err
    assert linked_in(database) == {ada, grace}


KILLED = """
import os, signal, sys
left = int(os.environ["KILL_AFTER"])
STEPS = ("sqlite/files.py", "sqlite/restoring.py")

def count(frame, event, arg):
    global left
    if event in ("call", "c_call") and frame.f_code.co_filename.endswith(STEPS):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.setprofile(count)
"""


def test_a_restore_that_is_killed_leaves_the_old_or_the_new_and_is_run_again(
    shell: Shell, database: Path, copy: Path, ada: str, grace: str
) -> None:
    """It is killed at one call after another, from the first read to the last flush."""
    shell.quick("erase", grace, "--yes")
    shell.link("3000")
    old, new, killed, seen = {ada, "3000"}, {ada}, 0, []
    for after in range(40, 2000, 37):
        environment = shell.environment | {"KILL_AFTER": str(after)}
        ended = forked.run(shell.arguments("restore", str(copy), "--yes"), env=environment, prelude=KILLED)
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
        seen.append(linked_in(database))
        assert seen[-1] in (old, new)
        if ended.returncode == 0:
            break
        killed += 1
    assert killed > 2
    assert linked_in(database) == new


def test_the_list_of_erasures_is_printed_and_replayed(
    shell: Shell, ada: str, grace: str, tmp_path: Path
) -> None:
    """For PostgreSQL, which another tool restores."""
    with postgres.empty_schema() as url:
        shell.environment["BOT_LINKING_DATABASE"] = url
        for psid in (ada, grace):
            shell.link(psid)
        shell.quick("erase", ada, "--yes")
        listed = shell.quick("erasures")
        (line,) = map(json.loads, listed.out.splitlines())
        assert line["psid_digest"] == digest_of(ada)
        (tmp_path / "list").write_text(listed.out)
        for table in ("links", "codes", "attempts", "history", "erasures", "outbox", "undos"):
            postgres.execute(url, f"delete from {table}")
        for psid in (ada, grace):
            shell.link(psid)
        replayed = shell.quick("erasures", "--replay", str(tmp_path / "list"))
        assert "1 person(s) erased again" in replayed.err
        assert (shell.is_linked(ada), shell.is_linked(grace)) == (False, True)
        assert "0 person(s)" in shell.quick("erasures", "--replay", str(tmp_path / "list")).err
        assert shell.quick("backup", str(tmp_path / "copy.db")).status == 1
        assert "pg_dump" in shell.quick("restore", str(tmp_path / "list"), "--yes").err


WITHOUT_EXTRAS = """
import runpy, sys
for name in "pyotp cryptography authlib joserfc prometheus_client redis celery psycopg".split():
    sys.modules[name] = None
runpy.run_module("flask", run_name="__main__", alter_sys=True)
"""


def test_copies_are_put_back_and_made_where_no_extra_is_installed(
    shell: Shell, database: Path, copy: Path, ada: str, grace: str, tmp_path: Path
) -> None:
    """They take up the tables of every room, also of one whose package needs an extra."""

    def run(*arguments: str) -> str:
        command = [sys.executable, "-c", WITHOUT_EXTRAS, *shell.arguments(*arguments)[1:]]
        done = subprocess.run(command, env=shell.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stderr

    shell.quick("erase", ada, "--yes")
    (tmp_path / "list").write_text(shell.quick("erasures").out)
    for path in database.parent.glob("links.db*"):
        path.unlink()
    run("restore", str(copy), "--yes")
    assert linked_in(database) == {ada, grace}
    assert "1 person(s) erased again" in run("erasures", "--replay", str(tmp_path / "list"))
    assert linked_in(database) == {grace}
    run("copy", "--to", f"sqlite:///{tmp_path}/other.db")
    assert linked_in(tmp_path / "other.db") == {grace}


def test_half_a_line_in_the_list_is_told_and_spoils_no_other(
    shell: Shell, database: Path, copy: Path, ada: str
) -> None:
    beside = database.with_name("links.db.erased")
    beside.write_text('{"erased_at": "2026-')
    shell.quick("erase", ada, "--yes")
    result = shell.quick("restore", str(copy), "--yes")
    assert "1 line(s) of the list" in result.err
    assert ada not in linked_in(database)


def test_a_file_is_replaced_though_the_old_one_is_damaged(tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    old.write_bytes(b"garbage" * 1000)
    old.with_name("old.db-wal").write_bytes(b"more")
    with closing(sqlite3.connect(new)) as connection:
        connection.execute("create table t (a)")
    files.put_in_place(new, old)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.db"]
    files.check(old)
