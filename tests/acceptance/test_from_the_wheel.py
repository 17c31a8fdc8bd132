"""A developer and an operator, who have the wheel and the guides and nothing else."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from bot_linking.simulator import Simulator
from bot_linking.testing import LinkingWalk
from tests import packed, postgres
from tests.acceptance.running import ROOT, free_pair, is_ready
from tests.children import LIMIT_S, child, line_from
from tests.guides.blocks import readme_bot
from tests.packed import Place

TEST = """
def test_ada_sees_her_orders_after_logging_in(module_bot, messenger, linking_walk):
    module_bot("shop")
    ada = messenger.people[0].psid
    messenger.say(ada, "orders")
    linking_walk.link(ada, "ada", "lovelace-1815")
    assert linking_walk.hears(ada, "Orders of account 1: none yet.")
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return packed.build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def place(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An empty folder, and an environment with the wheel."""
    folder = tmp_path_factory.mktemp("stranger")
    return packed.make_place(folder, built[0], "postgres", beside=("pytest", "pytest-timeout", "gunicorn"))


@pytest.fixture
def shop(place: Place, tmp_path: Path) -> Place:
    """A fresh folder with the README's bot in it."""
    (tmp_path / "shop.py").write_text(readme_bot(), "utf-8")
    return Place(place.folder, tmp_path)


def test_an_index_would_take_what_is_built(built: tuple[Path, Path]) -> None:
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_wheel_is_named_as_the_readme_says(built: tuple[Path, Path]) -> None:
    assert f"dist/{built[0].name}" in (ROOT / "README.md").read_text("utf-8")


def test_nothing_of_the_checkout_is_seen_from_there(place: Place) -> None:
    where = place.run("site")
    assert str(ROOT) not in where.stdout
    assert place.run("example_bot").returncode == 1


def test_each_guide_comes_along(shop: Place) -> None:
    topics = shop.run("flask", "--app", "shop", "linking", "docs")
    rooms = sorted(guide.parent.name for guide in (ROOT / "bot_linking").glob("*/README.md"))
    assert topics.stdout.splitlines() == rooms
    assert shop.run("flask", "--app", "shop", "linking", "docs", "operators").stdout.startswith(
        "# For operators"
    )


# The developer


@contextmanager
def simulator_of(place: Place, webhook_url: str) -> Iterator[dict[str, str]]:
    """`python -m bot_linking.simulator`, and the settings that it prints for the bot."""
    command = place.command("bot_linking.simulator", "--port", "0", "--webhook-url", webhook_url)
    pipe = subprocess.PIPE
    with child(
        command,
        cwd=place.home,
        env=place.environment(PYTHONUNBUFFERED="1"),
        stdout=pipe,
        stderr=pipe,
        text=True,
    ) as process:
        chat = line_from(process).strip()
        assert requests.get(chat, timeout=30).status_code == 200
        assert process.stderr is not None
        settings = {"CHAT": chat}
        while "BOT_LINKING_RETURN_HOSTS" not in settings:  # the last
            name, _, value = process.stderr.readline().removeprefix("export ").strip().partition("=")
            settings[name] = value.strip("'")
        yield settings
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT_S)


@contextmanager
def served(place: Place, url: str, command: list[str], **settings: str) -> Iterator[Path]:
    """A bot that runs until the block ends; its output goes into the file."""
    log = place.home / "log.txt"
    with (
        log.open("w") as file,
        child(
            command, cwd=place.home, env=place.environment(**settings), stdout=file, stderr=file, text=True
        ) as process,
    ):
        while not is_ready(url):
            assert process.poll() is None, log.read_text()
        yield log
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=LIMIT_S)


def test_a_developer_comes_from_an_empty_folder_to_a_linked_person(shop: Place) -> None:
    """The README's ten lines, `check`, the simulator, a message, and a test with a person who links."""
    check = ("flask", "--app", "shop", "linking", "check")
    unset = shop.run(*check)
    assert unset.returncode == 1
    assert len(re.findall(r"^wrong  BOT_LINKING_\w+ is missing", unset.stdout, re.MULTILINE)) == 5
    port = free_pair()
    url = f"http://127.0.0.1:{port}"
    with simulator_of(shop, f"{url}/webhook") as printed:
        chat = printed.pop("CHAT")
        command = shop.command("flask", "--app", "shop", "run", "--port", str(port))
        with served(shop, url, command, **printed):
            said = shop.run("bot_linking.simulator", "trigger", "text", "orders", "--url", chat.rstrip("/"))
            assert said.returncode == 0, said.stderr
            checked = shop.run(*check, **printed)
            assert checked.returncode == 0, checked.stdout
            assert "wrong" not in checked.stdout
    (shop.home / "test_shop.py").write_text(TEST, "utf-8")
    tested = shop.run("pytest", "-q", "--timeout=100")
    assert tested.returncode == 0, tested.stdout


# The operator


def gunicorn(place: Place, port: int, workers: int) -> list[str]:
    bind = f"127.0.0.1:{port}"
    return place.command("gunicorn", "-b", bind, "--workers", str(workers), "--threads", "4", "shop:app")


def links_of(place: Place, **settings: str) -> list[dict[str, str]]:
    listed = place.run("flask", "--app", "shop", "linking", "links", "--json", **settings)
    assert listed.returncode == 0, listed.stderr
    return [json.loads(line) for line in listed.stdout.splitlines()]


def test_an_operator_moves_from_one_process_on_sqlite_to_three_on_postgres(shop: Place) -> None:
    """The links are kept, linked people are answered at once, and others can link."""
    port = free_pair()
    url = f"http://127.0.0.1:{port}"
    with (
        postgres.empty_schema() as database,
        Simulator(f"{url}/webhook") as messenger,
        LinkingWalk(messenger) as walk,
    ):
        ada, grace = (person.psid for person in messenger.people[:2])
        settings = {**messenger.settings_for_bot(url), "BOT_LINKING_SECRET_KEY": "k9-" * 12}
        with served(shop, url, gunicorn(shop, port, 1), **settings):
            messenger.say(ada, "orders")
            walk.link(ada, "ada", "lovelace-1815")
            assert walk.hears(ada, "Orders of account 1")
        before = links_of(shop, **settings)
        assert [link["psid"] for link in before] == [ada]

        copied = shop.run("flask", "--app", "shop", "linking", "copy", "--to", database, **settings)
        assert copied.returncode == 0, copied.stderr
        moved = {**settings, "BOT_LINKING_DATABASE": database}
        with served(shop, url, gunicorn(shop, port, 3), **moved) as log:
            assert messenger.wait_until(lambda: log.read_text().count("Booting worker with pid") == 3)
            assert links_of(shop, **moved) == before
            heard = len(messenger.messages(ada))
            messenger.say(ada, "orders")
            assert messenger.wait_until(lambda: len(messenger.messages(ada)) > heard)
            assert "Orders of account 1" in json.dumps(messenger.messages(ada)[-1])
            messenger.say(grace, "orders")
            walk.link(grace, "ada", "lovelace-1815")
            assert walk.hears(grace, "Orders of account 1")
            assert {link["psid"] for link in links_of(shop, **moved)} == {ada, grace}
