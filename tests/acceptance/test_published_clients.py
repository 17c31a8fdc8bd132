"""Clients in the languages of the published pages, with the smallest mend that makes them run: their methods
in small letters, their empty fields, their forms.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from bot_linking.external_account import ExternalAccount
from bot_linking.testing import BotServer

CLIENTS = Path(__file__).with_name("clients")
KEYS = "k3y-of-the-tests-which-is-long-enough-0"
COMMANDS: dict[str, tuple[str, ...]] = {
    "python": (sys.executable, "published.py"),
    "node": ("node", "published.mjs"),
    "php": ("php", "published.php"),
    "ruby": ("ruby", "published.rb"),
    "java": ("java", "Published.java"),
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


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """The Go client, compiled once."""
    made: list[str] = []

    def compile_it() -> str:
        if not made:
            program = tmp_path_factory.mktemp("go") / "published"
            environment = {**os.environ, "GOCACHE": str(program.parent / "cache"), "GOFLAGS": "-mod=mod"}
            subprocess.run(
                ["go", "build", "-o", str(program), str(CLIENTS / "published.go")],
                check=True, capture_output=True, text=True, timeout=300, env=environment, cwd=program.parent,
            )  # fmt: skip
            made.append(str(program))
        return made[0]

    return compile_it


def run(command: list[str], shop: tuple[str, str, str]) -> None:
    url, user, back_end = shop
    ran = subprocess.run(
        [*command, url, "shop", user, back_end],
        cwd=CLIENTS, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr


@pytest.mark.parametrize("language", COMMANDS)
def test_a_client_as_it_is_published_works(shop: tuple[str, str, str], language: str) -> None:
    program, script = COMMANDS[language]
    for needed in {program, language} - {"python"}:
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} is not installed")
    run([program, script], shop)


def test_a_compiled_client_as_it_is_published_works(
    shop: tuple[str, str, str], compiled: Callable[[], str]
) -> None:
    if shutil.which("go") is None:
        pytest.skip("go is not installed")
    run([compiled()], shop)
