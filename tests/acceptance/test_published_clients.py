"""The published pages' clients in each language, changed only so that they run: their methods in small
letters, their empty fields, their forms."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from flask import Flask

from bot_linking import AccountLinking
from bot_linking.account_link_api.keys import Keys
from bot_linking.external_account import ExternalAccount
from bot_linking.testing import BotServer
from tests.children import require
from tests.wire import SETTINGS

CLIENTS = Path(__file__).with_name("clients")
KEYS = "k3y-of-the-tests-which-is-long-enough-0"
QUICK_JAVA = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # it starts in half the time
COMMANDS: dict[str, tuple[str, ...]] = {
    "python": (sys.executable, "published.py"),
    "node": ("node", "published.mjs"),
    "php": ("php", "published.php"),
    "ruby": ("ruby", "published.rb"),
    "java": ("java", *QUICK_JAVA, "Published.java"),
    "curl": ("bash", "published.sh"),
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """A site with the module on Flask's own server: its address, a user's token, its back end's token."""
    folder = tmp_path_factory.mktemp("shop")
    app = Flask("tests.published", instance_path=str(folder))
    app.config["BOT_LINKING_DATABASE"] = f"sqlite:///{folder}/shop.db"
    app.config["BOT_LINKING_EXTERNAL_KEYS"] = KEYS
    external = ExternalAccount(app)
    app.register_blueprint(external.blueprint)
    server = BotServer()
    server.serve(app)
    back_end = external.create_app("shop")
    yield server.url, external.create_token("shop", 7), back_end
    server.close()
    external._here()._store.close()


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, AccountLinking]]:
    """A bot on Flask's own server: the address of its account_link API, and its linking."""
    folder = tmp_path_factory.mktemp("bot")
    app = Flask("tests.published_bot", instance_path=str(folder))
    app.config.update(
        SETTINGS,
        BOT_LINKING_GRAPH_URL="http://127.0.0.1:9",
        BOT_LINKING_DATABASE=f"sqlite:///{folder}/links.db",
    )
    linking = AccountLinking(app, authenticate=lambda name, password: None)
    server = BotServer()
    server.serve(app)
    yield f"{server.url}/linking/api", linking
    server.close()
    linking.store.close()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """A Go client, compiled once."""
    folder = tmp_path_factory.mktemp("go")
    environment = {**os.environ, "GOCACHE": str(folder / "cache"), "GOFLAGS": "-mod=mod"}

    @cache
    def compile_it(name: str) -> str:
        program = str(folder / name)
        subprocess.run(
            ["go", "build", "-o", program, str(CLIENTS / f"{name}.go")],
            check=True, capture_output=True, text=True, timeout=300, env=environment, cwd=folder,
        )  # fmt: skip
        return program

    return compile_it


def run(command: list[str], *arguments: str) -> None:
    ran = subprocess.run(
        [*command, *arguments],
        cwd=CLIENTS, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr


@pytest.mark.parametrize("language", COMMANDS)
def test_a_client_as_it_is_published_works(shop: tuple[str, str, str], language: str) -> None:
    program, *script = COMMANDS[language]
    require(*{program, language} - {"python"})
    url, *tokens = shop
    run([program, *script], url, "shop", *tokens)


def test_a_compiled_client_as_it_is_published_works(
    shop: tuple[str, str, str], compiled: Callable[[str], str]
) -> None:
    require("go")
    url, *tokens = shop
    run([compiled("published")], url, "shop", *tokens)


@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=list(COMMANDS))
def test_a_client_of_the_account_link_api_works(bot: tuple[str, AccountLinking], number: int) -> None:
    language = list(COMMANDS)[number]
    program, *options, script = COMMANDS[language]
    require(*{program, language} - {"python"})
    script = script.replace("published", "linking").replace("Published", "Linking")
    links_and_unlinks([program, *options, script], bot, psid=f"900719925474{number}")


def test_a_compiled_client_of_the_account_link_api_works(
    bot: tuple[str, AccountLinking], compiled: Callable[[str], str]
) -> None:
    require("go")
    links_and_unlinks([compiled("linking")], bot, psid="9007199254749")


def links_and_unlinks(command: list[str], bot: tuple[str, AccountLinking], *, psid: str) -> None:
    """Each client links by a form and by JSON, and unlinks; the history has all of it."""
    address, linking = bot
    run(command, address, Keys(linking.core).create(psid), psid)
    accounts = [change.account_after for change in linking.core.history_of(psid)]
    assert accounts[0] == "username:myaccount"
    assert accounts[-1] is None
    assert len(accounts) >= 3
