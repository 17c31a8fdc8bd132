"""What `check` finds around the bot: its file, its proxy, its Graph, its many pages."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from bot_linking.account_link_api.keys import Keys
from bot_linking.doors.findings import Finding
from bot_linking.operators import file_checks
from bot_linking.operators.checkup import checkup
from bot_linking.operators.file_checks import check_file
from tests.bots import Bot, NewBot
from tests.graph import ScriptedGraph, as_json


def found_in(bot: Bot, words: str) -> list[Finding]:
    return [finding for finding in checkup(bot.linking._here) if words in finding.what]


# The file


@pytest.mark.parametrize(
    ("mode", "state"), [(0o666, "wrong"), (0o604, "wrong"), (0o640, "note"), (0o600, None)]
)
@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
def test_a_file_that_others_can_open_is_named(
    tmp_path: Path, mode: int, state: str | None, ending: str
) -> None:
    path = tmp_path / "links.db"
    for each in ("", "-wal", "-shm"):
        Path(f"{path}{each}").touch(0o600)
    os.chmod(f"{path}{ending}", mode)
    found = [each for each in check_file(f"sqlite:///{path}", is_for_real=True) if "mode" in each.what]
    assert [each.state for each in found] == ([state] if state else [])
    assert all(f"{path}{ending} " in each.what and f"{mode:04o}" in each.what for each in found)


def test_the_file_that_a_bot_makes_is_nobody_elses(bot: Bot) -> None:
    bot.link()
    assert stat.S_IMODE(bot.database.stat().st_mode) == 0o600
    assert found_in(bot, "chmod") == []


@pytest.mark.parametrize(("is_for_real", "state"), [(True, "wrong"), (False, "note")])
def test_a_file_that_is_gone_at_the_next_start_of_the_machine_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_for_real: bool, state: str
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\ntmpfs {tmp_path} tmpfs rw 0 0\nproc /proc proc rw 0 0\n")
    monkeypatch.setattr(file_checks, "MOUNTS", mounts)
    (finding,) = check_file(f"sqlite:///{tmp_path}/new/links.db", is_for_real=is_for_real)
    assert finding.state == state
    assert "tmpfs" in finding.what
    assert list(check_file("sqlite:////var/lib/links.db", is_for_real=is_for_real)) == []


def test_a_system_that_does_not_say_where_files_are_is_asked_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_checks, "MOUNTS", tmp_path / "none")
    assert list(check_file(f"sqlite:///{tmp_path}/links.db", is_for_real=True)) == []
    assert list(check_file("postgresql://host/name", is_for_real=True)) == []


# The proxy


def log_in_from(bot: Bot, **environ: str) -> None:
    browser = bot.browser()
    browser.environ = environ
    browser.open()
    browser.sign_in(password="wrong")


def test_a_proxy_that_the_configuration_does_not_know_is_named_in_check_and_log(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    assert found_in(bot, "TRUSTED_PROXIES") == []
    for _ in range(3):
        log_in_from(bot, HTTP_X_FORWARDED_FOR="198.51.100.7", REMOTE_ADDR="10.0.0.2")
    (finding,) = found_in(bot, "TRUSTED_PROXIES")
    assert finding.state == "wrong"
    assert len([record for record in caplog.records if "TRUSTED_PROXIES" in record.getMessage()]) == 1
    bot.clock.advance(25 * 3600)
    assert found_in(bot, "TRUSTED_PROXIES") == []


@pytest.mark.parametrize(
    ("proxies", "environ"),
    [
        (1, {"HTTP_X_FORWARDED_FOR": "198.51.100.7", "REMOTE_ADDR": "10.0.0.2"}),
        (0, {"REMOTE_ADDR": "10.0.0.2"}),
        (0, {"HTTP_X_FORWARDED_FOR": "198.51.100.7", "REMOTE_ADDR": "8.8.8.8"}),
    ],
    ids=["told", "no header", "a stranger's own header"],
)
def test_what_shows_no_such_proxy_is_not_reported(
    new_bot: NewBot, proxies: int, environ: dict[str, str]
) -> None:
    bot = new_bot(TRUSTED_PROXIES=proxies)
    log_in_from(bot, **environ)
    assert found_in(bot, "TRUSTED_PROXIES") == []


# Graph and pages


def test_a_graph_that_is_not_metas_is_noted(new_bot: NewBot, monkeypatch: pytest.MonkeyPatch) -> None:
    bot = new_bot(GRAPH_URL="https://graph.facebook.com.example")
    monkeypatch.setattr("bot_linking.operators.checkup.check_pages", lambda *_, **__: iter(()))
    (finding,) = found_in(bot, "BOT_LINKING_GRAPH_URL")
    assert finding == ("note", "BOT_LINKING_GRAPH_URL is graph.facebook.com.example, not graph.facebook.com:"
                       " each page token goes there")  # fmt: skip


class ManyPages(ScriptedGraph):
    """Each page's token is `token-of-ID`; the pages in `bad` have no good one."""

    def __init__(self, server: HTTPServer) -> None:
        super().__init__(server)
        self.bad: set[str] = set()
        self.subscribed_app: str | None = "77"
        self.names_its_app, self.ends_at = True, 0

    def _node(self, request: Request, path: str, body: Any) -> Response:
        if path == "debug_token":
            return as_json({"data": {"is_valid": True, "expires_at": self.ends_at}})
        token, _, page = request.headers["Authorization"].rpartition("-of-")
        if token != "Bearer token" or not page.isdecimal():
            return super()._node(request, path, body)
        if page in self.bad:
            return as_json({"error": {"code": 190, "message": "Invalid OAuth access token."}}, 401)
        answers: dict[str, Any] = {
            "me": {"id": page},
            "me/subscribed_apps": {
                "data": [{"id": self.subscribed_app, "subscribed_fields": ["messaging_account_linking"]}]
            },
            "me/messenger_profile": {"data": [{"account_linking_url": "https://bot.example/linking/login"}]},
            "app": {"id": "77"} if self.names_its_app else {},
            "77/subscriptions": {"data": [{"object": "page", "fields": ["messaging_account_linking"]}]},
        }
        return as_json(answers[path])


@pytest.fixture
def many(httpserver: HTTPServer) -> ManyPages:
    return ManyPages(httpserver)


@pytest.fixture
def scripted(many: ManyPages) -> ManyPages:
    return many


def pages(count: int) -> dict[str, Any]:
    each = {
        str(1000 + number): {
            "access_token": f"token-of-{1000 + number}",
            "app_secret": "the-secret-of-the-only-app",
            "verify_token": "verify-of-the-only-app",
        }
        for number in range(count)
    }
    return {**dict.fromkeys(("PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN", "PAGE_ID")), "PAGES": each}


def test_many_pages_are_a_line_each_and_the_app_is_asked_once(new_bot: NewBot, many: ManyPages) -> None:
    bot = new_bot(**pages(40))
    many.bad = {"1007", "1031"}
    left = list[int]()
    found = list(checkup(bot.linking._here, tell_left=left.append))
    lines = [each for each in found if each.what.startswith("page 10")]
    assert [each.what.partition(":")[0] for each in lines] == [f"page {1000 + n}" for n in range(40)]
    assert [each.what[5:9] for each in lines if each.state == "wrong"] == ["1007", "1031"]
    assert len(many.calls_to("77/subscriptions")) == 1
    assert left == list(range(39, -1, -1))


def test_a_page_that_tells_only_another_app_of_its_events_is_not_subscribed(
    new_bot: NewBot, many: ManyPages
) -> None:
    """Messenger unsubscribes one app of a page; the page's other apps stay."""
    bot = new_bot(**pages(1))
    assert found_in(bot, "the page is not subscribed") == []
    many.subscribed_app = "78"
    assert [finding.state for finding in found_in(bot, "the page is not subscribed")] == ["wrong"]


@pytest.mark.parametrize("app_id", ["77", None])
def test_a_token_is_looked_at_though_graph_does_not_say_whose_app_it_is(
    new_bot: NewBot, many: ManyPages, app_id: str | None
) -> None:
    """Then the app's id is the configured one, or the token is asked about itself."""
    many.names_its_app, many.ends_at = False, 1
    bot = new_bot(**pages(1), APP_ID=app_id)
    asked_as = many.calls_to("debug_token")
    assert [finding.state for finding in found_in(bot, "access token has ended")] == ["wrong"]
    assert len(many.calls_to("debug_token")) == len(asked_as) + 1


def test_a_command_that_takes_long_says_how_many_pages_are_left(
    new_bot: NewBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot_linking.operators.upkeep.SAY_EVERY_S", 0.0)
    bot = new_bot(**pages(3))
    result = bot.app.test_cli_runner().invoke(args=["linking", "check"])
    assert [line for line in result.stderr.splitlines() if "left" in line] == [
        "2 page(s) left to check",
        "1 page(s) left to check",
    ]


# Accounts


def test_where_people_sign_in_and_calls_name_accounts_the_site_is_asked_to_say_whose(new_bot: NewBot) -> None:
    words = "no resolve_account"
    bot = new_bot()
    assert found_in(bot, words) == [], "without a key no call names an account"
    Keys(bot.linking.core).create("site")
    (finding,) = found_in(bot, words)
    assert finding.state == "note"
    assert found_in(new_bot(resolve_account=lambda *_: None), words) == []
    assert found_in(new_bot(authenticate=None), words) == [], "nobody signs in"
    Keys(bot.linking.core).revoke("site")
    assert found_in(bot, words) == []


def test_a_bad_token_of_an_added_page_is_mended_by_a_command(new_bot: NewBot, many: ManyPages) -> None:
    bot = new_bot(**pages(1), PAGE_KEYS="a-key-of-added-pages-0123456789abc")
    cli = bot.app.test_cli_runner()
    for page, token in (("2000", "token-of-2000"), ("2001", "token-of-1000")):
        lines = f"{token}\nsecret-of-{page}\nverify-of-{page}\n"
        assert cli.invoke(args=["linking", "page", "add", page], input=lines).exit_code == 0
    many.bad = {"2000"}
    for page in ("2000", "2001"):
        (finding,) = [each for each in found_in(bot, f"page {page}:") if each.state == "wrong"]
        assert finding.what.endswith(f"run flask linking page rotate {page}")
    bot = new_bot(**pages(1), PAGE_KEYS="a-key-of-added-pages-0123456789abc", GRAPH_URL="http://127.0.0.1:9")
    silent = [each.what for each in found_in(bot, "page 200") if each.state == "wrong"]
    assert [what.rpartition(": ")[2] for what in silent] == ["check BOT_LINKING_GRAPH_URL"] * 2
