"""`python -m example_bot`: the bot and a Messenger to talk to it, on this laptop, with one command."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, make_server

from bot_linking import ConfigurationError
from bot_linking.simulator import NoSuchPort, Simulator, listen_in_a_row
from example_bot import LAST_RUN, create_app
from example_bot.bot import SUGGESTIONS
from example_bot.shop import DEMO_CUSTOMERS

DEFAULT_PORT = 5000


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    if not options.live:  # the first run on a laptop makes a database, which is no reason for a warning
        logging.getLogger("bot_linking.stores").addFilter(lambda line: "made a new database" not in line.msg)
    try:
        return _run_live(options) if options.live else _run_with_simulator(options)
    except NoSuchPort as problem:
        why = "" if problem.port == options.port else f"; Messenger takes the one after {options.port}"
        parser.error(f"argument --port: {problem}{why}")
    except (ConfigurationError, ValueError, RuntimeError, OSError) as problem:
        print(f"The example bot did not start: {problem}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m example_bot", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="where the bot listens (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=int,
        help=f"the bot's port; Messenger takes the next; 0 takes two free ones "
        f"(default: {DEFAULT_PORT}, or two free ones after it)",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="no simulator: talk to the Graph that BOT_LINKING_* of the environment names",
    )
    return parser


def _run_live(options: argparse.Namespace) -> int:
    [listener] = listen_in_a_row(options.host, DEFAULT_PORT if options.port is None else options.port)
    with listener:
        address = _address(options.host, listener)
        app = create_app({"BOT_LINKING_PUBLIC_URL": os.environ.get("BOT_LINKING_PUBLIC_URL", address)})
        server = _server(app, listener)
    print(f"The example bot answers at {address}/webhook", flush=True)
    _serve(app, server)
    return 0


def _run_with_simulator(options: argparse.Namespace) -> int:
    """Take both ports, then build bot and simulator, and print the addresses once both work."""
    first = DEFAULT_PORT if options.port is None else options.port
    listener, for_messenger = listen_in_a_row(options.host, first, how_many=2, search=options.port is None)
    with listener, for_messenger:
        address = _address(options.host, listener)
        with Simulator(
            f"{address}/webhook",
            app_secret=os.environ.get("BOT_LINKING_APP_SECRET"),
            page_access_token=os.environ.get("BOT_LINKING_PAGE_ACCESS_TOKEN"),
            verify_token=os.environ.get("BOT_LINKING_VERIFY_TOKEN"),
            page_name="Acme",
            listener=for_messenger,
            suggestions=SUGGESTIONS,
            wire_out=sys.stderr,
        ) as simulator:
            config = simulator.settings_for_bot()
            app = create_app(config, clock=simulator.clock)
            server = _server(app, listener)
            _keep(config, Path(app.instance_path) / LAST_RUN)
            if options.port is None and server.port != first:
                print(f"Port {first} or {first + 1} is not free: taking {server.port} and {server.port + 1}.")
            _fill_profile(app)
            _introduce(simulator, app)
            _serve(app, server)
    return 0


def _fill_profile(app: Flask) -> None:
    """Fill the page's Get Started, menu and domain, as `flask linking setup --menu` does at Messenger."""
    result = app.test_cli_runner().invoke(args=["linking", "setup", "--menu"])
    if result.exit_code:
        raise RuntimeError(f"the page's profile was not filled: {result.output.strip()}")


def _introduce(simulator: Simulator, app: Flask) -> None:
    print("The example bot is running. Open the chat, say orders, and tap Log In:\n")
    print(f"    {simulator.url}/\n")
    print(f"The shop's site is {app.extensions['bot_linking'].settings.public_url}/ and its mails are in")
    print(f"{simulator.url}/mailbox\n")
    for name, _, password in DEMO_CUSTOMERS:
        print(f"    user name {name}, password {password}")
    if api := app.extensions["example_bot.site_api"]:
        print("\ngrace has two-factor sign-in. For your authenticator app:\n")
        print(f"    {api.enrol_demo_customer()}")
    print("\nStop with Ctrl-C.", flush=True)


def _keep(config: dict[str, Any], path: Path) -> None:
    """Keep the settings for `flask --app example_bot linking ...` beside this run."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        json.dump(config, file)


def _address(host: str, listener: socket.socket) -> str:
    named = f"[{host}]" if ":" in host else host
    return f"http://{named}:{listener.getsockname()[1]}"


def _server(app: Flask, listener: socket.socket) -> BaseWSGIServer:
    """A server that takes the listener over, and ends at SIGINT and SIGTERM from the first word on."""
    host, port = listener.getsockname()[:2]
    with listener:
        server = make_server(host, port, app, threaded=True, fd=listener.fileno())
    for number in (signal.SIGINT, signal.SIGTERM):
        # daemon: it waits for `serve_forever`, which does not run where the rest of the start fails
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    return server


def _serve(app: Flask, server: BaseWSGIServer) -> None:
    """Serve until the server is told to end, then end what is being sent."""
    server.serve_forever()
    server.server_close()
    app.extensions["bot_linking"].delivery.stop()


if __name__ == "__main__":
    sys.exit(main())
