"""A factory that uses the store makes a database only for a command that may, as for every other process."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from flask import Flask

from bot_linking import AccountLinking
from bot_linking.external_account import ExternalAccount
from tests import forked, postgres
from tests.cli.test_unconfigured import ROOT, given
from tests.stores.given import PLACES
from tests.wire import PSID, SETTINGS

FACTORY = """
import click
from flask import Flask
from bot_linking import AccountLinking
from bot_linking.external_account import ExternalAccount

def create_app():
    app = Flask(__name__)
    linking = AccountLinking(authenticate=lambda name, password: None)
    app.register_blueprint(linking.blueprint, url_prefix="/linking")
    app.register_blueprint(ExternalAccount(linking).blueprint)

    @app.cli.command("own")
    def own():
        click.echo("the host's own")

    @linking.blueprint.cli.command("seed")
    def seed():
        click.echo("the host's own below linking")

    linking.store.check()
    return app
"""
SITE = """
from flask import Flask
from bot_linking.external_account import ExternalAccount
app = Flask(__name__)
external = ExternalAccount(app)
app.register_blueprint(external.blueprint)
external.create_app("shop")
"""
LOOKS = (
    "links",
    "check",
    "app list",
    "import people.csv --dry-run",
    "import people.csv",
    "--help",
    "migrate --help",
    "nonsense",
)
MAKES = (
    f"link {PSID} --username ada",
    "api-key create news",
    "app create shop",
    "migrate",
)


@pytest.fixture(params=sorted(PLACES))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with PLACES[request.param](tmp_path) as address:
        yield address


def is_made(url: str) -> bool:
    if url.startswith("sqlite"):
        return Path(url.removeprefix("sqlite:///")).exists()
    return postgres.execute(url, "select 1 from pg_tables where schemaname = current_schema()") != []


def settings(url: str) -> dict[str, str]:
    return {name: str(value) for name, value in SETTINGS.items() if name.startswith("BOT_LINKING_")} | {
        "BOT_LINKING_DATABASE": url,
        "BOT_LINKING_SECRET_KEY": "one-of-the-tests-of-factories-7f3a",
    }


def flask(folder: Path, url: str, *arguments: str, app: str = FACTORY) -> subprocess.CompletedProcess[str]:
    (folder / "people.csv").write_text("psid,account_id\n")
    return forked.run(
        ["flask", "--app", "shop", *arguments], cwd=folder, env=given(folder, app) | settings(url)
    )


@pytest.mark.parametrize("arguments", LOOKS)
def test_a_command_that_only_looks_ends_with_a_sentence_and_makes_none(
    tmp_path: Path, url: str, arguments: str
) -> None:
    done = flask(tmp_path, url, "--debug", "linking", *arguments.split())
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert "Nothing was made" in line
    assert not is_made(url)


@pytest.mark.parametrize("arguments", MAKES)
def test_a_command_that_makes_one_makes_it(tmp_path: Path, arguments: str) -> None:
    url = f"sqlite:///{tmp_path}/links.db"
    done = flask(tmp_path, url, "linking", *arguments.split())
    assert done.returncode == 0, done.stderr
    assert is_made(url)


@pytest.mark.parametrize("arguments", ["own", "routes", "linking seed"])
def test_the_hosts_own_commands_make_one(tmp_path: Path, arguments: str) -> None:
    url = f"sqlite:///{tmp_path}/links.db"
    done = flask(tmp_path, url, *arguments.split())
    assert done.returncode == 0, done.stderr
    assert is_made(url)


def test_a_process_without_a_command_makes_one_whatever_it_is_called_with(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/links.db"
    environment = given(tmp_path, f"{FACTORY}\ncreate_app()") | settings(url)
    done = forked.run(["shop", "linking", "links"], cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert is_made(url)


def test_a_database_that_is_away_is_a_sentence_too(tmp_path: Path) -> None:
    away = "postgresql://bot:hush@127.0.0.1:9/bot"
    for arguments in ("links", "migrate"):
        done = flask(tmp_path, away, "linking", arguments)
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("Error: ")
        assert "hush" not in line


def test_a_site_without_a_bot_is_no_exception(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/links.db"
    done = flask(tmp_path, url, "linking", "app", "list", app=SITE)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Nothing was made" in done.stderr
    assert not is_made(url)
    assert flask(tmp_path, url, "linking", "app", "create", "news", app=SITE).returncode == 0


@pytest.mark.parametrize("arguments", ["links", "check"])
def test_the_example_says_what_every_app_says(tmp_path: Path, url: str, arguments: str) -> None:
    environment = given(tmp_path, "") | settings(url) | {"EXAMPLE_BOT_INSTANCE": str(tmp_path / "instance")}
    done = forked.run(
        ["flask", "--app", "example_bot", "linking", *arguments.split()], cwd=tmp_path, env=environment
    )
    assert done.returncode == 1
    assert "Nothing was made" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not is_made(url)


def test_a_command_inside_another_program_is_found_by_the_same_words(tmp_path: Path) -> None:
    """A host's program may keep `flask` below a command of its own."""
    program = f"""{FACTORY}
from flask.cli import FlaskGroup
@click.group()
@click.option("--site")
def manage(site):
    pass
manage.add_command(FlaskGroup(name="web", create_app=create_app))
manage()
"""
    url = f"sqlite:///{tmp_path}/links.db"
    environment = given(tmp_path, program) | settings(url)
    done = forked.run(["shop", "--site", "a", "web", "linking", "links"], cwd=tmp_path, env=environment)
    assert (done.returncode, is_made(url)) == (1, False)
    assert "Nothing was made" in done.stderr
    done = forked.run(["shop", "--site", "a", "web", "linking", "migrate"], cwd=tmp_path, env=environment)
    assert (done.returncode, is_made(url)) == (0, True)


def test_copy_never_makes_what_it_copies(tmp_path: Path, url: str) -> None:
    other = tmp_path / "other.db"
    quiet = FACTORY.replace("linking.store.check()", "pass")
    assert flask(tmp_path, url, "linking", "copy", "--to", f"sqlite:///{other}", app=quiet).returncode == 1
    assert (is_made(url), other.exists()) == (False, False)
    assert flask(tmp_path, url, "linking", "migrate").returncode == 0
    assert flask(tmp_path, url, "linking", "copy", "--to", f"sqlite:///{other}").returncode == 0
    assert other.exists()


def test_the_guide_names_the_commands_that_make_one() -> None:
    app = Flask(__name__)
    app.config |= SETTINGS | {"BOT_LINKING_DATABASE": "sqlite:///nowhere/links.db"}
    linking = AccountLinking(app, authenticate=lambda name, password: None)
    app.register_blueprint(ExternalAccount(linking).blueprint)
    group = app.cli.commands["linking"]
    assert isinstance(group, click.Group)
    guide = " ".join((ROOT / "bot_linking" / "stores" / "README.md").read_text("utf-8").split())
    (sentence,) = re.findall(r"([^.]+) make one;", guide)
    assert re.findall(r"`([^`]+)`", sentence) == sorted(creating(group))


def creating(group: click.Group, above: str = "") -> Iterator[str]:
    """The commands that may make a database, each as it is typed."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from creating(command, f"{above}{name} ")
        elif getattr(command, "creates", False):
            yield f"{above}{name}"
