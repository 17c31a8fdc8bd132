"""`python -m example_bot`: the bot and a Messenger to talk to it, on this laptop, with one command."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.serving import make_server

from bot_linking import ConfigurationError
from example_bot import LAST_RUN, create_app
from example_bot.bot import SUGGESTIONS
from example_bot.shop import DEMO_CUSTOMERS


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    try:
        return _run_live(options) if options.live else _run_with_simulator(options)
    except (ConfigurationError, ValueError, RuntimeError, OSError) as problem:
        print(f"The example bot did not start: {problem}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m example_bot", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="where the bot listens (default: %(default)s)")
    parser.add_argument("--port", type=int, default=5000, help="the bot's port (default: %(default)s)")
    parser.add_argument(
        "--live",
        action="store_true",
        help="no simulator: talk to the Graph that BOT_LINKING_* of the environment names",
    )
    return parser


def _run_live(options: argparse.Namespace) -> int:
    address = f"http://{options.host}:{options.port}"
    app = create_app({"BOT_LINKING_PUBLIC_URL": os.environ.get("BOT_LINKING_PUBLIC_URL", address)})
    print(f"The example bot answers at {address}/webhook", flush=True)
    _serve(app, options.host, options.port)
    return 0


def _run_with_simulator(options: argparse.Namespace) -> int:
    from bot_linking.simulator import Simulator

    public_url = f"http://{options.host}:{options.port}"
    simulator = Simulator(
        f"{public_url}/webhook",
        app_secret=os.environ.get("BOT_LINKING_APP_SECRET"),
        page_access_token=os.environ.get("BOT_LINKING_PAGE_ACCESS_TOKEN"),
        verify_token=os.environ.get("BOT_LINKING_VERIFY_TOKEN"),
        page_name="Acme",
        port=options.port + 1,
        suggestions=SUGGESTIONS,
    )
    with simulator:
        config = {**simulator.settings_for_bot(), "BOT_LINKING_PUBLIC_URL": public_url}
        app = create_app(config)
        _keep(config, Path(app.instance_path) / LAST_RUN)
        print("The example bot is running. Open the chat and tap Log In:\n")
        print(f"    {simulator.url}/\n")
        for name, _, password in DEMO_CUSTOMERS:
            print(f"    user name {name}, password {password}")
        if api := app.extensions["example_bot.site_api"]:
            print("\ngrace has two-factor sign-in. For your authenticator app:\n")
            print(f"    {api.enrol_demo_customer()}")
        print("\nStop with Ctrl-C.", flush=True)
        _serve(app, options.host, options.port)
    return 0


def _keep(config: dict[str, Any], path: Path) -> None:
    """For `flask --app example_bot linking ...` beside this run."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        json.dump(config, file)


def _serve(app: Flask, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM, then end what is under way."""
    server = make_server(host, port, app, threaded=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    server.server_close()
    delivery = app.extensions["bot_linking"].delivery
    delivery.stop()


if __name__ == "__main__":
    sys.exit(main())
