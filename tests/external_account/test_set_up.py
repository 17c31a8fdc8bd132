"""It is optional: a site that does not register it has no route, no table and no import of it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from bot_linking import AccountLinking, ConfigurationError
from bot_linking.external_account import ExternalAccount
from tests.bots import NewBot
from tests.wire import batch, unlinked_event

from .shop import UNION, USER, MakeShop

ROOT = Path(__file__).parents[2]


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}


def test_a_bot_without_it_has_no_route_and_no_table_of_it(new_bot: NewBot) -> None:
    bot = new_bot()
    assert bot.client().get("/ExternalAccount/shop").status_code == 404
    assert not [rule for rule in bot.app.url_map.iter_rules() if "External" in rule.rule]
    assert not [name for name in bot.rows() if name.startswith("external")]
    assert "app" not in bot.app.cli.commands["linking"].commands  # type: ignore[attr-defined]


def test_importing_the_package_imports_nothing_of_it() -> None:
    """Also when its packages are missing."""
    code = (
        "import sys\n"
        "for name in ('pyotp', 'segno', 'cryptography'): sys.modules[name] = None\n"
        "import bot_linking, bot_linking.operators.commands, bot_linking.doors.openapi\n"
        "import bot_linking.account_link_api.endpoint\n"
        "import example_bot\n"
        "assert not [name for name in sys.modules if name.startswith('bot_linking.external_account')]\n"
    )
    code = code.replace("import example_bot\n", "")
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


@pytest.mark.parametrize("missing", ["pyotp", "cryptography"])
def test_a_missing_extra_says_what_to_install(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import bot_linking.external_account"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 1
    assert "bot-linking[external-account]" in ran.stderr


def test_the_example_bot_does_without_the_extra(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('pyotp', 'segno', 'cryptography'): sys.modules[name] = None\n"
        "from example_bot import create_app\n"
        "app = create_app({'BOT_LINKING_APP_SECRET': 'f00d5ecret-of-a-shop',"
        " 'BOT_LINKING_PAGE_ACCESS_TOKEN': 'EAAG12345',"
        " 'BOT_LINKING_VERIFY_TOKEN': 'verify-of-a-shop', 'BOT_LINKING_PUBLIC_URL': 'https://bot.example'})\n"
        "assert app.extensions['example_bot.site_api'] is None\n"
        "assert app.test_client().get('/ExternalAccount/acme').status_code == 404\n"
    )
    environment = {"EXAMPLE_BOT_INSTANCE": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, timeout=60)


def test_the_tables_are_made_when_it_is_registered(tmp_path: Path, new_shop: MakeShop) -> None:
    new_shop()
    assert {name for name in tables(tmp_path / "shop.db") if name.startswith("external")} == {
        "external_apps", "external_accounts", "external_tokens", "external_second_factors",
        "external_recovery_codes",
    }  # fmt: skip


def test_it_stands_beside_the_linking_that_was_registered_before(
    settings: dict[str, str], tmp_path: Path
) -> None:
    app = Flask("tests.early", instance_path=str(tmp_path))
    app.config.update(settings)
    linking = AccountLinking(authenticate=lambda *_: None)
    external = ExternalAccount(linking)
    with pytest.raises(RuntimeError, match="before"):
        app.register_blueprint(external.blueprint)


def test_it_is_registered_once_in_an_app(new_shop: MakeShop) -> None:
    shop = new_shop()
    with pytest.raises(RuntimeError, match="once"):
        shop.app.register_blueprint(ExternalAccount(shop.app).blueprint, name="again")


def test_it_follows_the_bot_of_the_app_even_when_it_was_given_the_app(new_bot: NewBot) -> None:
    bot = new_bot(EXTERNAL_KEYS="k" * 32)
    external = ExternalAccount(bot.app)
    bot.app.register_blueprint(external.blueprint)
    external.create_app("shop")
    bot.link()
    assert len(bot.rows()["external_accounts"]) == 1
    bot.post(batch(unlinked_event(at=bot.clock.ms + 1)))
    assert bot.rows()["external_accounts"] == []


@pytest.mark.parametrize("keys", ["short", "changeme", ["k" * 32, "short"], 5])
def test_malformed_keys_stop_the_start_and_are_not_shown(tmp_path: Path, keys: object) -> None:
    app = Flask("tests.keys", instance_path=str(tmp_path))
    app.config["BOT_LINKING_EXTERNAL_KEYS"] = keys
    with pytest.raises(ConfigurationError, match="BOT_LINKING_EXTERNAL_KEYS") as problem:
        app.register_blueprint(ExternalAccount(app).blueprint)
    assert "short" not in str(problem.value).replace("too short", "")


def test_an_unknown_setting_stops_the_start(tmp_path: Path) -> None:
    app = Flask("tests.unknown", instance_path=str(tmp_path))
    app.config["BOT_LINKING_EXTERNAL_KEY"] = "k" * 32
    with pytest.raises(ConfigurationError, match="EXTERNAL_KEY"):
        app.register_blueprint(ExternalAccount(app).blueprint)


def test_without_keys_everything_works_but_the_second_factor(tmp_path: Path, new_shop: MakeShop) -> None:
    shop = new_shop(EXTERNAL_KEYS=None)
    shop.bind()
    assert shop.token()
    with pytest.raises(ConfigurationError, match="BOT_LINKING_EXTERNAL_KEYS"):
        shop.external.enable_two_factor("shop", USER)


def test_a_prefix_of_the_host_goes_before_the_published_paths(tmp_path: Path) -> None:
    app = Flask("tests.prefix", instance_path=str(tmp_path))
    external = ExternalAccount(app)
    app.register_blueprint(external.blueprint, url_prefix="/v1")
    external.create_app("shop")
    headers = {"Authorization": f"Bearer {external.create_token('shop', 7)}"}
    client = app.test_client()
    assert client.post("/v1/ExternalAccount/shop", json=UNION, headers=headers).status_code == 200
    document = client.get("/v1/ExternalAccount/openapi.json").get_json()
    assert "/v1/ExternalAccount/{appKey}/SignIn" in document["paths"]
    external._here()._store.close()


def test_a_hosts_error_pages_and_csrf_change_no_answer(new_shop: MakeShop) -> None:
    class CSRF:
        exempted: list[object]

        def exempt(self, view: object) -> None:
            self.exempted = [view]

    app = Flask("tests.csrf")
    app.extensions["csrf"] = csrf = CSRF()
    app.register_error_handler(404, lambda error: ("<h1>nothing here</h1>", 404))
    app.config["BOT_LINKING_DATABASE"] = new_shop().app.config["BOT_LINKING_DATABASE"]
    external = ExternalAccount(app)
    app.register_blueprint(external.blueprint)
    assert csrf.exempted == [external.blueprint]
    headers = {"Authorization": f"Bearer {external.create_token('shop', 7)}"}
    answer = app.test_client().delete("/ExternalAccount/shop/9", headers=headers)
    assert answer.get_json()["code"] == 404
    external._here()._store.close()


def test_old_counters_go_where_no_bot_sees_to_it(new_shop: MakeShop, tmp_path: Path) -> None:
    shop = new_shop()
    shop.bind()
    for union in "abc":
        shop.sign_in(unionID=union)
    shop.clock.advance(3601)
    shop.token()
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        (count,) = connection.execute("select count(*) from limits").fetchone()
    assert count == 3, "address, application and unionID of the last one"
