"""`flask linking page ...` reads three lines on stdin; no secret is on the command line or in the output."""

from __future__ import annotations

import json
from collections.abc import Callable

import click
import pytest
from click.testing import Result

from tests.bots import Bot, NewBot
from tests.wire import PAGE, batch, message_event

KEY = "the-key-of-added-pages-0123456789"
LINES = "token-of-the-new-page\nsecret-of-the-new-page\nverify-the-new-page\n"
ANEW = "token-anew\n\nverify-anew\n"
Run = Callable[..., Result]


@pytest.fixture
def bot(new_bot: NewBot) -> Bot:
    return new_bot(PAGE_KEYS=KEY)


@pytest.fixture
def run(bot: Bot) -> Run:
    def run(*arguments: str, lines: str | bytes = "") -> Result:
        return bot.app.test_cli_runner().invoke(args=["linking", "page", *arguments], input=lines)

    return run


def post(bot: Bot, secret: str) -> int:
    return bot.post(batch(message_event("hi", page="555"), page="555"), secret).status_code


def test_add_reads_three_lines_and_the_page_is_served(run: Run, bot: Bot) -> None:
    result = run("add", "555", lines=LINES)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "page 555 is added" in result.stderr
    assert post(bot, "secret-of-the-new-page") == 200
    assert bot.linking.bot_of("555").access_token == "token-of-the-new-page"
    assert not [line for line in LINES.split() if line in result.output]


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
def test_lines_of_every_system_are_read_and_the_last_may_lack_its_end(
    run: Run, bot: Bot, ending: str
) -> None:
    assert run("add", "555", lines=LINES.rstrip("\n").replace("\n", ending)).exit_code == 0
    assert post(bot, "secret-of-the-new-page") == 200


def test_a_mark_before_the_first_line_is_none_of_the_token(run: Run, bot: Bot) -> None:
    """Programs on Windows begin UTF-8 with it."""
    assert run("add", "555", lines="\ufeff" + LINES).exit_code == 0
    assert bot.linking.bot_of("555").access_token == "token-of-the-new-page"


@pytest.mark.parametrize("lines", ["", "one\n", "one\ntwo\n", LINES + "four\n"])
def test_anything_but_three_lines_is_refused(run: Run, bot: Bot, lines: str) -> None:
    result = run("add", "555", lines=lines)
    assert result.exit_code == 1
    assert "not three" in result.stderr
    assert len(bot.linking.pages.list()) == 1


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("\nsecret-of-the-new-page\nverify-the-new-page\n", "page access token is empty"),
        ("token-of-the-new-page\nsh0rt\nverify-the-new-page\n", "app_secret is too short"),
        ("token-of-the-new-page\nsecret-of-the-new-page\nchangeme\n", "verify_token is a sample"),
    ],
)
def test_what_is_no_secret_is_named_and_not_shown(run: Run, lines: str, words: str) -> None:
    result = run("add", "555", lines=lines)
    assert (result.exit_code, result.stdout) == (1, "")
    assert words in result.stderr
    assert not [line for line in lines.split() if line in result.stderr]


def test_the_mark_that_editors_on_windows_put_before_a_text_is_no_part_of_the_token(
    run: Run, bot: Bot
) -> None:
    assert run("add", "555", lines=b"\xef\xbb\xbf" + LINES.encode()).exit_code == 0
    assert bot.linking.bot_of("555").access_token == "token-of-the-new-page"
    assert run("rotate", "555", lines=b"\xef\xbb\xbf" + ANEW.encode()).exit_code == 0
    assert bot.linking.bot_of("555").access_token == "token-anew"


@pytest.mark.parametrize("lines", [b"EAAt\xffok\n" + LINES.encode(), LINES.encode("utf-16")])
def test_bytes_that_are_no_utf_8_are_refused_in_one_sentence(run: Run, lines: bytes) -> None:
    result = run("add", "555", lines=lines)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Error: stdin is not UTF-8 text\n")


@pytest.mark.parametrize("verb", ["add", "rotate"])
@pytest.mark.parametrize("mark", ["\0", "\x01", "\x0b", "\ufeff", "\u2028", "\x85"], ids=ascii)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_character_that_cannot_be_sent_is_refused_by_the_name_of_its_line(
    run: Run, bot: Bot, verb: str, mark: str, number: int
) -> None:
    if verb == "rotate":
        run("add", "555", lines=LINES)
    lines = [f"spoilt{mark}of-the-page" if at == number else line for at, line in enumerate(LINES.split())]
    result = run(verb, "555", lines="\n".join(lines))
    assert (result.exit_code, result.stdout) == (1, "")
    assert ("access_token", "app_secret", "verify_token")[number] in result.stderr
    assert "spoilt" not in result.output
    assert len(bot.linking.pages.list()) == (2 if verb == "rotate" else 1)


@pytest.mark.parametrize("verb", ["add", "rotate", "remove"])
def test_pages_of_the_configuration_are_not_changed(run: Run, bot: Bot, verb: str) -> None:
    result = run(verb, PAGE, *(["--yes"] if verb == "remove" else []), lines=LINES)
    assert result.exit_code == 1
    assert f"page {PAGE} is in the configuration" in result.stderr
    assert len(bot.linking.pages.list()) == 1


@pytest.mark.parametrize("verb", ["add", "rotate", "remove"])
def test_what_is_no_page_id_is_wrong_usage(run: Run, verb: str) -> None:
    assert run(verb, "not a page", lines=LINES).exit_code == 2


def test_add_twice_is_a_refusal(run: Run) -> None:
    run("add", "555", lines=LINES)
    result = run("add", "555", lines=LINES)
    assert (result.exit_code, result.stderr) == (1, "Error: page 555 is there already\n")


def test_without_a_key_the_command_names_it(new_bot: NewBot) -> None:
    result = new_bot().app.test_cli_runner().invoke(args=["linking", "page", "add", "555"], input=LINES)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: BOT_LINKING_PAGE_KEYS is missing")


def test_list_shows_where_each_page_is_from_and_no_secret(run: Run) -> None:
    run("add", "555", lines=LINES)
    run("rotate", "555", lines=ANEW)
    rows = [line.split("\t")[:5] for line in run("list").stdout.splitlines()]
    assert rows == [[PAGE, "configuration", "1", "1", "1"], ["555", "store", "2", "1", "2"]]
    result = run("list", "--json")
    configured, added = (json.loads(line) for line in result.stdout.splitlines())
    assert configured["added_at"] is None
    assert added["page_id"] == "555"
    assert added["changed_at"].startswith("20")
    assert not [line for line in (LINES + ANEW).split() if line in result.output]


def test_rotate_replaces_what_is_not_empty_and_finish_ends_the_old(run: Run, bot: Bot) -> None:
    run("add", "555", lines=LINES)
    assert run("rotate", "555", lines=ANEW).exit_code == 0
    page = bot.linking._here().pages.page("555")
    assert page.access_tokens == ("token-anew", "token-of-the-new-page")
    assert page.app_secrets == ("secret-of-the-new-page",)
    assert run("rotate", "555", "--finish").exit_code == 0
    page = bot.linking._here().pages.page("555")
    assert (page.access_tokens, page.verify_tokens) == (("token-anew",), ("verify-anew",))


def test_rotate_without_any_value_is_a_refusal(run: Run) -> None:
    run("add", "555", lines=LINES)
    result = run("rotate", "555", lines="\n\n\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no value was given" in result.stderr


@pytest.mark.parametrize("arguments", ["rotate 555", "rotate 555 --finish", "remove 555 --yes"])
def test_a_page_that_is_not_there_is_a_refusal(run: Run, arguments: str) -> None:
    result = run(*arguments.split(), lines=LINES)
    assert result.exit_code == 1
    assert "no page 555" in result.stderr


def test_remove_asks_and_without_a_terminal_wants_yes(run: Run, bot: Bot) -> None:
    run("add", "555", lines=LINES)
    result = run("remove", "555")
    assert result.exit_code == 1
    assert "--yes" in result.stderr
    assert post(bot, "secret-of-the-new-page") == 200
    assert run("remove", "555", "--yes").exit_code == 0
    assert post(bot, "secret-of-the-new-page") == 403


def test_reseal_says_how_many(run: Run) -> None:
    run("add", "555", lines=LINES)
    assert run("reseal").stderr == "1 page(s) encrypted with the newest key\n"


def test_on_a_terminal_the_three_are_asked_for_and_not_shown(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bot_linking.operators import pages

    asked = list[tuple[str, bool]]()

    def prompt(text: str, *, hide_input: bool, **_: object) -> str:
        asked.append((text, hide_input))
        return LINES.split()[len(asked) - 1]

    monkeypatch.setattr(click, "prompt", prompt)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert pages._read(may_stay=False) == LINES.split()
    assert asked == [("Page access token", True), ("App secret", True), ("Verify token", True)]


def not_utf_8(*_: object, **__: object) -> str:
    """What reads a terminal on which such a byte is typed."""
    return b"\xff".decode()


def test_a_typed_byte_that_is_no_utf_8_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from bot_linking.operators import pages, terminal

    monkeypatch.setattr(click, "prompt", not_utf_8)
    monkeypatch.setattr(click, "confirm", not_utf_8)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    with pytest.raises(click.ClickException, match="stdin is not UTF-8 text"):
        pages._read(may_stay=False)
    with pytest.raises(click.ClickException, match="stdin is not UTF-8 text"):
        terminal.ask("Remove it?", yes=False)
