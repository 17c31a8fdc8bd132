"""`flask linking ...` as an operator runs it: real processes, a clean stdout, reliable exit statuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask, request

from bot_linking import AccountLinking
from bot_linking.core.codes import digest_of
from bot_linking.core.events import LinkingEvent
from bot_linking.core.links import Account
from bot_linking.core.ports import Attempt
from bot_linking.simulator import Simulator
from bot_linking.stores import open_store
from bot_linking.stores.store import SQLStore
from bot_linking.testing import BotServer
from tests import forked
from tests.bots import Bot, NewBot
from tests.children import LIMIT_S, child
from tests.cli.shop import create_app
from tests.wire import SETTINGS

ROOT = Path(__file__).parents[2]
HOSTILE = "\x1b[2J\x1b]0;owned\x07na\nme\r\u202e\u2028"


@dataclass
class Result:
    status: int
    out: str
    err: str
    raw: bytes = b""  # what `quick` finds on stdout, each line end as it is


class Shell:
    """A shell that has the app's settings in its environment."""

    def __init__(self, environment: dict[str, str], messenger: Simulator) -> None:
        self.environment = environment
        self.messenger = messenger

    @contextmanager
    def store(self) -> Iterator[SQLStore]:
        store = open_store(self.environment["BOT_LINKING_DATABASE"])
        try:
            yield store
        finally:
            store.close()

    def is_linked(self, psid: str) -> bool:
        with self.store() as store:
            return store.find_link(self.messenger.page_id, psid) is not None

    def waiting(self) -> int:
        """How many messages wait in the outbox."""
        with self.store() as store:
            return int(store.outbox_depth()["depth"])

    def arguments(self, *arguments: str) -> list[str]:
        """What follows `python -m`."""
        return ["flask", "--app", "tests.cli.shop:create_app", "linking", *arguments]

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", *self.arguments(*arguments)]

    def run(self, *arguments: str, **environment: str) -> Result:
        """Run the command in a process of its own."""
        done = forked.run(self.arguments(*arguments), env=self.environment | environment)
        assert "Traceback" not in done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    def quick(self, *arguments: str, given: str | None = None, **environment: str) -> Result:
        """Run the command in this process, where only its output matters."""
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("BOT_LINKING_")]:
                patch.delenv(name)
            for name, value in (self.environment | environment).items():
                if name.startswith("BOT_LINKING_"):
                    patch.setenv(name, value)
            patch.setenv("BOT_LINKING_DELIVERY", "worker")
            app = create_app()
        done = app.test_cli_runner().invoke(args=["linking", *arguments], input=given, catch_exceptions=False)
        app.extensions["bot_linking"].store.close()
        return Result(done.exit_code, done.stdout, done.stderr, done.stdout_bytes)

    def link(self, psid: str, account: str = "1", page: str | None = None, **identity: str) -> None:
        """Make a link in the store by a code, as a login does."""
        page = page or self.messenger.page_id
        attempt = Attempt(
            f"attempt-{page}-{psid}", Account(account, **identity), "AR", "https://x", 0, page, psid
        )
        code, now = f"code-{page}-{psid}", int(self.messenger.clock() * 1000)
        with self.store() as store:
            assert store.save_code(digest_of(code), attempt, None, now, now + 60_000)
            store.receive([LinkingEvent(page, psid, "linked", code, now)], now)


def _answers_the_handshake() -> Flask:
    """Answer at the public address while commands run."""
    app = Flask("public")
    app.add_url_rule("/linking/webhook", "webhook", lambda: request.args["hub.challenge"])
    return app


@pytest.fixture
def shell(messenger: Simulator, tmp_path: Path, bot_server: BotServer) -> Shell:
    bot_server.serve(_answers_the_handshake())
    database = f"sqlite:///{tmp_path}/links.db"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOT_LINKING_")}
    environment |= messenger.settings_for_bot() | {
        "BOT_LINKING_PUBLIC_URL": bot_server.url, "BOT_LINKING_DATABASE": database,
        "PYTHONPATH": str(ROOT), "NO_COLOR": "1",
    }  # fmt: skip
    open_store(database).close()
    return Shell(environment, messenger)


@pytest.fixture
def ada(messenger: Simulator) -> str:
    return messenger.people[0].psid


@pytest.fixture
def grace(messenger: Simulator) -> str:
    return messenger.people[1].psid


def test_show_prints_one_link_and_its_identifiers(shell: Shell, ada: str) -> None:
    shell.link(ada, "7", username="ada", email="ada@example.com", phone_number="+44 1")
    shown = shell.run("show", ada)
    assert (shown.status, shown.err) == (0, "")
    for line in (
        f"psid: {ada}",
        "account_id: 7",
        "username: ada",
        "email: ada@example.com",
        "phone_number: +44 1",
    ):
        assert line in shown.out.splitlines()
    as_json = shell.quick("show", ada, "--json")
    assert json.loads(as_json.out)["account_id"] == "7"
    assert shell.quick("show", ada, "--page", "999").status == 1


def test_show_of_somebody_who_is_not_linked_is_status_1_with_an_empty_stdout(shell: Shell) -> None:
    shown = shell.run("show", "12345")
    assert (shown.status, shown.out) == (1, "")
    assert shown.err == "12345 is not linked\n"


def test_links_lists_each_link_on_a_line_and_as_json(shell: Shell, ada: str, grace: str) -> None:
    assert shell.quick("links") == Result(0, "", "nobody is linked\n")
    shell.link(ada, "1", username="ada")
    shell.link(grace, "2", username="grace")
    listed = shell.run("links")
    assert listed.err == ""
    assert [line.split("\t")[1] for line in listed.out.splitlines()] == [ada, grace]
    rows = [json.loads(line) for line in shell.quick("links", "--json").out.splitlines()]
    assert [(row["psid"], row["username"]) for row in rows] == [(ada, "ada"), (grace, "grace")]
    only = shell.quick("links", "--account", "2", "--json").out.splitlines()
    assert [json.loads(line)["psid"] for line in only] == [grace]
    assert shell.quick("links", "--page", "999").out == ""


def test_names_cannot_move_the_cursor_or_end_the_line(shell: Shell, ada: str) -> None:
    shell.link(ada, "1", username=HOSTILE, email=HOSTILE)
    for arguments in (("links",), ("show", ada), ("links", "--json"), ("show", "\x1b[2Jx")):
        result = shell.quick(*arguments)
        printed = (result.out + result.err).replace("\n", "").replace("\t", "")
        assert printed.isprintable(), arguments
    assert len(shell.quick("links").out.splitlines()) == 1


def test_unlink_ends_the_link_here_and_at_messenger(shell: Shell, messenger: Simulator, ada: str) -> None:
    messenger._mark_linked(ada)
    shell.link(ada)
    unlinked = shell.run("unlink", ada)
    assert (unlinked.status, unlinked.out) == (0, "")
    assert unlinked.err.endswith(f"{ada} is unlinked\n")
    assert not shell.is_linked(ada)
    assert not messenger.is_linked(ada)
    assert shell.quick("unlink", ada).status == 1


def test_unlink_is_done_though_messenger_is_away(shell: Shell, messenger: Simulator, ada: str) -> None:
    shell.link(ada)
    messenger.switches.graph_down = True
    assert shell.quick("unlink", ada).status == 0
    assert not shell.is_linked(ada)
    assert shell.waiting() >= 1


def test_erase_removes_everything(shell: Shell, messenger: Simulator, ada: str) -> None:
    shell.link(ada)
    erased = shell.run("erase", ada, "--yes")
    assert (erased.status, erased.out) == (0, "")
    assert "removed" in erased.err
    assert not shell.is_linked(ada)
    assert shell.waiting() == 0


def test_erase_names_what_goes_and_in_a_pipe_wants_yes(shell: Shell, ada: str) -> None:
    shell.link(ada)
    refused = shell.run("erase", ada)
    assert (refused.status, refused.out) == (1, "")
    assert "--yes" in refused.err
    assert "1 of links" in refused.err
    assert shell.is_linked(ada)


def test_erase_asks_on_a_terminal(shell: Shell, ada: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.link(ada)
    monkeypatch.setattr("bot_linking.operators.terminal.can_ask", lambda: True)
    assert shell.quick("erase", ada, given="n\n").status == 1
    assert shell.is_linked(ada)
    assert shell.quick("erase", ada, given="y\n").status == 0
    assert not shell.is_linked(ada)


def test_erase_of_an_account_removes_everybody_who_is_linked_to_it(
    shell: Shell, ada: str, grace: str
) -> None:
    shell.link(ada, "7")
    shell.link(grace, "8")
    assert shell.quick("erase", "--account", "7", "--yes").status == 0
    assert (shell.is_linked(ada), shell.is_linked(grace)) == (False, True)
    assert shell.quick("erase", "--yes").status == 2
    assert shell.quick("erase", ada, "--account", "7", "--yes").status == 2


def test_on_several_pages_the_operator_is_asked_which_one(shell: Shell, ada: str) -> None:
    shell.link(ada, page="111")
    shell.link(ada, page="222")
    page = {"access_token": "simulator-token", "app_secret": "simulator-secret"}
    page["verify_token"] = "verify-of-cli"
    for name in ("APP_SECRET", "PAGE_ACCESS_TOKEN", "VERIFY_TOKEN", "PAGE_ID"):
        del shell.environment[f"BOT_LINKING_{name}"]
    shell.environment["BOT_LINKING_PAGES"] = json.dumps({"111": page, "222": page})
    shown = shell.quick("show", ada)
    assert (shown.status, shown.out) == (1, "")
    assert "several pages" in shown.err
    assert shell.quick("show", ada, "--page", "222").status == 0


def test_deliver_once_sends_what_is_due(shell: Shell, messenger: Simulator, ada: str) -> None:
    shell.link(ada, username="ada")
    delivered = shell.run("deliver", "--once")
    assert (delivered.status, delivered.out) == (0, "")
    assert "1 message(s) tried" in delivered.err
    assert "as ada" in json.dumps(messenger.messages(ada))
    assert "0 message(s) tried" in shell.quick("deliver", "--once").err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_deliver_runs_until_it_is_stopped(
    shell: Shell, messenger: Simulator, ada: str, number: signal.Signals
) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with child(shell.command("deliver"), env=shell.environment, cwd=ROOT, text=True, **pipes) as worker:
        shell.link(ada, username="ada")
        assert messenger.wait_until(lambda: messenger.messages(ada), timeout=LIMIT_S)
        worker.send_signal(number)
        out, err = worker.communicate(timeout=LIMIT_S)
    assert (worker.returncode, out) == (0, "")
    assert "delivering" in err
    assert "Traceback" not in err


def test_dead_letters_are_listed_with_their_reason_and_tried_again(
    shell: Shell, messenger: Simulator, grace: str
) -> None:
    shell.link("999999")  # nobody here has this PSID: Graph refuses for good
    shell.quick("deliver", "--once")
    listed = shell.run("dead-letters")
    (line,) = listed.out.splitlines()
    number, _, kind, page, psid, state, reason = line.split("\t")
    assert (kind, page, psid, state) == ("linked", messenger.page_id, "999999", "dead")
    assert "2018001" in reason
    again = shell.quick("dead-letters", "--retry", number)
    assert (again.status, again.out) == (0, "")
    assert shell.quick("dead-letters").out == ""
    assert shell.waiting() == 1


def test_all_dead_letters_of_one_reason_are_tried_again_and_no_others(shell: Shell) -> None:
    for psid in ("999998", "999999"):  # nobody here has these PSIDs: Graph refuses for good
        shell.link(psid)
    shell.quick("deliver", "--once")
    assert shell.quick("dead-letters", "--reason", "2018001").status == 2  # goes with --retry-all alone
    assert shell.quick("dead-letters", "--retry-all", "--since", "yesterday").status == 2
    none = shell.quick("dead-letters", "--retry-all", "--reason", "no such reason")
    assert (none.status, none.out) == (0, "")
    assert shell.waiting() == 0
    assert (
        "2 message(s)"
        in shell.quick("dead-letters", "--retry-all", "--reason", "2018001", "--since", "1h").err
    )
    assert shell.waiting() == 2
    assert shell.quick("dead-letters").out == ""


def test_a_dead_letter_that_is_not_there_is_an_error(shell: Shell) -> None:
    result = shell.quick("dead-letters", "--retry", "77")
    assert (result.status, result.out) == (1, "")
    assert "no dead letter 77" in result.err


def test_messages_that_wait_for_another_token_are_listed_too(
    shell: Shell, messenger: Simulator, ada: str
) -> None:
    shell.link(ada)
    messenger.switches.expired_token = True
    shell.quick("deliver", "--once")
    assert "\theld\t" in shell.quick("dead-letters").out


def test_a_store_that_cannot_be_opened_is_one_line_on_stderr(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    result = subprocess.run(
        shell.command("links"), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        env=shell.environment | {"BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/folder.db"},
    )  # fmt: skip
    assert result.returncode != 0
    assert result.stdout == ""
    assert "folder.db" in result.stderr


@pytest.mark.parametrize(
    "arguments", [("show", "1"), ("page", "list"), ("setup",), ("export-links",)], ids=str
)
def test_a_database_that_is_away_is_one_sentence_though_pages_are_kept_in_it(
    shell: Shell, tmp_path: Path, caplog: pytest.LogCaptureFixture, arguments: tuple[str, ...]
) -> None:
    """And nothing is set up for a part of the pages."""
    shell.environment |= {
        "BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/gone.db",
        "BOT_LINKING_CREATE_DATABASE": "false",
        "BOT_LINKING_PAGE_KEYS": "kEy3" * 10,
    }
    result = shell.quick(*arguments)
    assert (result.status, result.out, len(result.err.splitlines())) == (1, "", 1)
    assert [text for text in caplog.messages if "pages" in text] == []


@pytest.mark.parametrize("key", ["APP_SECRET", "PUBLIC_URL"])
def test_a_missing_setting_is_named_and_no_value_is_shown(
    shell: Shell, messenger: Simulator, key: str
) -> None:
    del shell.environment[f"BOT_LINKING_{key}"]
    result = subprocess.run(
        shell.command("links"), cwd=ROOT, env=shell.environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert result.returncode != 0
    assert result.stdout == ""
    assert f"BOT_LINKING_{key} is missing" in result.stderr
    assert messenger.page_access_token not in result.stderr


# check


def findings(result: Result) -> dict[str, list[str]]:
    """The findings by their state."""
    found: dict[str, list[str]] = {}
    for line in result.out.splitlines():
        state, _, what = line.partition(" ")
        found.setdefault(state, []).append(what.strip())
    return found


def test_check_says_that_everything_is_set_up(shell: Shell, messenger: Simulator) -> None:
    messenger.profile["account_linking_url"] = "https://bot.example/linking/login"
    result = shell.run("check", BOT_LINKING_PUBLIC_URL="https://bot.example")
    assert (result.status, result.err) == (0, "")
    (note,) = findings(result).pop("note")  # which no test can mend
    assert note.startswith("https://bot.example/linking/webhook cannot be reached from here")
    assert set(findings(result)) == {"ok", "note"}
    said = "\n".join(findings(result)["ok"])
    for words in (
        "configuration", "https://bot.example, https", "store", "outbox", f"page {messenger.page_id}'s",
        "the page is subscribed", "the app is subscribed", "the webhook is the blueprint's own",
    ):  # fmt: skip
        assert words in said


def test_check_notes_what_may_be_meant_so(shell: Shell) -> None:
    result = shell.quick("check")
    assert result.status == 0
    notes = "\n".join(findings(result)["note"])
    assert "plain http" in notes
    assert "account_linking_url is not set" in notes
    assert "wrong" not in findings(result)


def wrong_in(result: Result) -> str:
    assert result.status == 1
    assert result.err == ""
    (line,) = findings(result)["wrong"]
    return line


def test_check_with_a_wrong_finding_ends_with_status_1(shell: Shell, messenger: Simulator) -> None:
    messenger.app_fields = []
    assert shell.run("check").status == 1


def test_what_graph_says_cannot_move_the_cursor(bot: Bot) -> None:
    bot.graph.failures["me"] = {"code": 100, "message": HOSTILE, "fbtrace_id": HOSTILE}
    result = bot.app.test_cli_runner().invoke(args=["linking", "check"])
    assert result.exit_code == 1
    assert result.stdout.replace("\n", "").isprintable()


def test_check_finds_a_page_that_is_not_subscribed(shell: Shell, messenger: Simulator) -> None:
    messenger.page_fields = ["messages"]
    assert "page is not subscribed to messaging_account_linking" in wrong_in(shell.quick("check"))


def test_check_finds_an_app_that_is_not_subscribed(shell: Shell, messenger: Simulator) -> None:
    messenger.app_fields = ["messages"]
    assert "app's webhook is not subscribed" in wrong_in(shell.quick("check"))


def test_check_finds_a_token_of_another_page(shell: Shell) -> None:
    assert "the configured page is 999" in wrong_in(shell.quick("check", BOT_LINKING_PAGE_ID="999"))


@pytest.mark.parametrize("switch", ["expired_token", "graph_down"])
def test_check_finds_a_graph_that_refuses(shell: Shell, messenger: Simulator, switch: str) -> None:
    setattr(messenger.switches, switch, True)
    line = wrong_in(shell.quick("check"))
    assert "BOT_LINKING_PAGE_ACCESS_TOKEN" in line
    assert messenger.page_access_token not in line


def test_check_finds_a_wrong_app_secret(shell: Shell) -> None:
    result = shell.quick("check", BOT_LINKING_APP_SECRET="simulator-another-secret")
    assert result.status == 1
    assert "appsecret_proof" in "\n".join(findings(result)["wrong"])
    assert "simulator-another-secret" not in result.out


def test_check_finds_messages_that_nobody_delivers(shell: Shell, messenger: Simulator, ada: str) -> None:
    an_hour_ago = int(messenger.clock() * 1000) - 3_600_000
    with shell.store() as store:
        store.engine.write(
            lambda tx: tx.run(
                "queue", page_id=messenger.page_id, psid=ada, kind="linked", payload="null", now=an_hour_ago
            )
        )
    line = wrong_in(shell.quick("check"))
    assert "60 min late" in line
    assert "deliver" in line


def test_check_finds_messages_that_wait_for_a_token_and_notes_dead_ones(
    shell: Shell, messenger: Simulator, ada: str
) -> None:
    shell.link("999999")
    shell.quick("deliver", "--once")
    shell.link(ada)
    messenger.switches.expired_token = True
    shell.quick("deliver", "--once")
    messenger.switches.reset()
    result = shell.quick("check")
    assert f"page {messenger.page_id} may not send (token): Graph answered 401" in wrong_in(result)
    notes = "\n".join(findings(result)["note"])
    assert "1 message(s) are held until the page or the app is mended" in notes
    assert "1 dead letter(s)" in notes


def test_help_names_every_command(shell: Shell) -> None:
    result = shell.quick("--help")
    assert result.status == 0
    for name in ("links", "show", "unlink", "erase", "deliver", "dead-letters", "check"):
        assert name in result.out


def test_commands_are_made_when_one_is_first_looked_for(
    new_bot: NewBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(_here: object) -> None:
        raise AssertionError("a command was made")

    with monkeypatch.context() as patched:
        patched.setattr("bot_linking.operators.commands.commands", made)
        bot = new_bot()
        bot.link()
    group = bot.app.cli.commands["linking"]
    assert {"show", "status", "deliver"} <= group.commands.keys()  # type: ignore[attr-defined]


def test_a_host_may_have_the_commands_without_a_group(tmp_path: Path) -> None:
    app = Flask("host")
    app.config.from_mapping(SETTINGS, BOT_LINKING_DATABASE=f"sqlite:///{tmp_path / 'links.db'}")
    linking = AccountLinking(authenticate=lambda username, password: None)
    app.register_blueprint(linking.blueprint, cli_group=None)
    assert {"show", "status", "deliver"} <= app.cli.commands.keys()
