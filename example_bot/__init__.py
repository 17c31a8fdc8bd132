"""A small existing Messenger bot of a made-up shop, with account linking added in about ten lines.

`python -m example_bot` runs it with a Messenger on this laptop; `create_app` is the factory for
`flask --app example_bot ...` and for a production server, configured by `BOT_LINKING_*`.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Flask

from example_bot.bot import add_bot
from example_bot.mail import Mail
from example_bot.shop import Shop
from example_bot.site import Site

LAST_RUN = "simulator.json"
BRAND = {
    "BOT_LINKING_BRAND_NAME": "Acme",
    "BOT_LINKING_NEXT_STEP": "Try: orders, points.",
    "BOT_LINKING_LOGIN_URL": "/login?next={next}",  # the shop's own, for the pages about connected chats
    "BOT_LINKING_OFFER_WEB": "true",  # for people who read the chat on a desktop
}


def create_app(config: Mapping[str, Any] | None = None, *, clock: Callable[[], float] = time.time) -> Flask:
    """The shop's app. `config` wins over `BOT_LINKING_*` of the environment.

    Its files are in the folder `instance`, or in the one that `EXAMPLE_BOT_INSTANCE` names. Without settings,
    a `flask` command takes those of the last run with the simulator, so that the operator's commands can be
    tried beside it; a server never does. `clock` gives seconds: with the simulator's, its buttons turn the
    bot's time forward, too.
    """
    app = Flask(__name__, instance_path=os.environ.get("EXAMPLE_BOT_INSTANCE"))
    instance = Path(app.instance_path)
    app.secret_key = _kept_secret(instance / "secret_key")
    for key, value in BRAND.items():
        app.config[key] = os.environ.get(key, value)
    app.config.from_mapping(BOT_LINKING_EXTERNAL_KEYS=_external_keys(instance))
    app.config.from_mapping(config or _last_run(instance))
    mail = Mail(app.config.get("BOT_LINKING_GRAPH_URL") or os.environ.get("BOT_LINKING_GRAPH_URL", ""))
    # The demo customers have public passwords: they are for a simulator alone, unless the variable says more.
    is_demo = mail.has_simulator or os.environ.get("EXAMPLE_BOT_DEMO_CUSTOMERS") == "1"
    shop = Shop(instance / "shop.db", demo_customers=is_demo)
    add_bot(app, shop, Site(app, shop), mail=mail, clock=clock)
    return app


def _external_keys(instance: Path) -> str:
    """The key that encrypts the secrets of two-factor sign-in. For this demo it is kept beside the
    database."""
    return os.environ.get("BOT_LINKING_EXTERNAL_KEYS") or _kept_secret(instance / "external_key")


def _last_run(instance: Path) -> dict[str, Any]:
    is_command = os.environ.get("FLASK_RUN_FROM_CLI") == "true"
    path = instance / LAST_RUN
    if not is_command or "BOT_LINKING_APP_SECRET" in os.environ or not path.exists():
        return {}
    return dict(json.loads(path.read_text("utf-8")))


def _kept_secret(path: Path) -> str:
    """A secret that is made once and kept in this file, for every process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    with suppress(FileExistsError):
        _place(draft, path)
    draft.unlink(missing_ok=True)
    return path.read_text("ascii")


def _place(draft: Path, path: Path) -> None:
    """Give the draft its name: in one step, and never over a file that is there already."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except (AttributeError, OSError):  # a disk, or a system, without hard links
        if path.exists():
            raise FileExistsError(path) from None
        os.rename(draft, path)
