"""The processes of a bot in a fresh interpreter: a server with threads, the delivery worker, and an
operator's command. The environment configures them, and may name the place where they die."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import sys
import threading
from typing import Any

from flask import Flask
from flask.cli import FlaskGroup
from werkzeug.serving import WSGIRequestHandler, make_server

from bot_linking import Account, AccountLinking
from tests.stores.processes import SPAWN
from tests.wire import PAGE

from .kills import Kill, arm, break_promise

if sys.platform == "linux":
    SPAWN.set_forkserver_preload(
        [
            "__main__",
            "tests.faults.__main__",  # and all that it needs, so that no process has to load it again
            "tests.faults.rounds",
            "tests.faults.loads_of_ways",
            "psycopg",
            "sqlite_utils",
            "requests",
            "pymessenger.bot",
            "bot_linking.operators.cli",
            "bot_linking.operators.commands",
            "bot_linking.stores.sqlite.engine",
            "bot_linking.stores.postgres.engine",
            "dotenv",
            "flask_limiter.commands",  # the command of a neighbour, which Flask's own command line loads
            "gunicorn.app.base",
            "gunicorn.workers.gthread",
            "tests.faults.warmed",
        ]
    )

PASSWORD = "lovelace-1815"
EXTERNAL_KEY = "external-key-of-the-tests-0123456789"
Settings = dict[str, str]


def create_app() -> Flask:
    """A bot whose messages name their entry."""
    app = Flask("tests.faults.shop")
    linking = AccountLinking(
        authenticate=lambda name, password: Account(name, username=name) if password == PASSWORD else None,
        resolve_account=lambda username, _email, _phone_number: Account(username) if username else None,
        confirmation=lambda link: {"text": f"linked to {link.account_id}"},
        farewell=lambda page_id, psid: {"text": "unlinked"},
        psids_of=lambda user_id: [(PAGE, user_id)],
    )
    app.register_blueprint(linking.blueprint, url_prefix="/linking")

    @app.post("/site/unlink/<psid>")
    def unlink(psid: str) -> str:
        return str(linking.unlink(psid))

    app.extensions["linking"] = linking
    if "BOT_LINKING_EXTERNAL_KEYS" in os.environ:
        from bot_linking.external_account import ExternalAccount

        app.register_blueprint(ExternalAccount(linking).blueprint)
    return app


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def web(settings: Settings, port: int, kill: Kill | None) -> None:
    _prepare(settings, kill)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = make_server("127.0.0.1", port, create_app(), threaded=True, request_handler=_Quiet)
    server.serve_forever(0.05)


def preforked(settings: Settings, port: int, told: Any, kill: Kill | None) -> None:
    """gunicorn with two workers, forked after the app is made; it reports each worker's start and end."""
    from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped, unused-ignore]

    _prepare(settings, kill)

    class Server(BaseApplication):  # type: ignore[misc, unused-ignore]
        def load_config(self) -> None:
            for name, value in {
                "bind": f"127.0.0.1:{port}", "workers": 2, "threads": 4, "preload_app": True,
                "graceful_timeout": 5, "control_socket_disable": True,
                "post_fork": lambda server, worker: told.send(os.getpid()),
                "child_exit": lambda server, worker: told.send(-worker.pid),
            }.items():  # fmt: skip
                self.cfg.set(name, value)

        def load(self) -> Flask:
            return create_app()

    Server().run()


def worker(settings: Settings, kill: Kill | None) -> None:
    """`flask linking deliver`, in which each call to Graph names its entry."""
    _prepare(settings, kill)
    _name_entries()
    lease_s, poll_s = int(settings["LEASE_S"]), float(settings["POLL_S"])
    from bot_linking.delivery import leases
    from bot_linking.delivery import worker as module

    leases.RENEW_EVERY_S *= lease_s / leases.LEASE_S
    leases.LEASE_S = module.LEASE_S = lease_s  # type: ignore[attr-defined]
    module.POLL_S = poll_s
    _run(["linking", "deliver"])


def command(settings: Settings, kill: Kill | None, answer: Any, *arguments: str) -> None:
    """`flask ...`; what it prints goes through the pipe."""
    _prepare(settings, kill)
    answer.send(_run(list(arguments)))


def drop_pending(settings: Settings, kill: Kill | None, answer: Any, account_id: str) -> None:
    """What a host does when a password changes."""
    _prepare(settings, kill)
    create_app().extensions["linking"].drop_pending(account_id)
    answer.send("done")


def _prepare(settings: Settings, kill: Kill | None) -> None:
    for name in [each for each in os.environ if each.startswith("BOT_LINKING_")]:
        del os.environ[name]
    os.environ.update({name: value for name, value in settings.items() if name.startswith("BOT_LINKING_")})
    logging.disable(logging.CRITICAL)
    if settings["BROKEN"]:
        break_promise(settings["BROKEN"])
    if kill is not None:
        arm(kill)


def _run(arguments: list[str]) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        FlaskGroup(create_app=create_app, load_dotenv=False).main(
            arguments, prog_name="flask", standalone_mode=False
        )
    return said.getvalue()


def _name_entries() -> None:
    from bot_linking.delivery.attempt import Attempts
    from bot_linking.messenger.graph import Graph

    here, make, call = threading.local(), Attempts.make, Graph._call

    def make_by_name(self: Attempts, entry: Any) -> Any:
        here.entry = f"{entry.id}"
        return make(self, entry)

    def call_by_name(self: Graph, method: str, path: str, *, params: Any = None, **body: Any) -> Any:
        return call(self, method, path, params={**(params or {}), "entry": here.entry}, **body)

    Attempts.make = make_by_name  # type: ignore[method-assign]
    Graph._call = call_by_name  # type: ignore[method-assign]
