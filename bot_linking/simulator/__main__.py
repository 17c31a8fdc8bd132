"""``python -m bot_linking.simulator``: the simulator alone, for a bot that runs already."""

from __future__ import annotations

import argparse
import shlex
import sys
import threading
from collections.abc import Sequence

from .simulator import Simulator


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until interrupted; the chat page's address goes to stdout, what to export goes to stderr."""
    options = _parser().parse_args(arguments)
    try:
        simulator = Simulator(
            options.webhook_url,
            host=options.host,
            port=options.port,
            messaging_type_required=not options.any_messaging_type,
        )
        simulator.start()
    except (ValueError, RuntimeError, OSError) as problem:
        print(f"bot_linking.simulator: {problem}", file=sys.stderr)
        return 1
    _introduce(simulator)
    return _wait(simulator)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bot_linking.simulator", description="Messenger on a laptop."
    )
    parser.add_argument(
        "--webhook-url", default="http://127.0.0.1:5000/webhook", help="where your bot listens"
    )
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    parser.add_argument("--port", type=int, default=5001, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--any-messaging-type",
        action="store_true",
        help="accept messages without messaging_type, for clients that never send one",
    )
    return parser


def _introduce(simulator: Simulator) -> None:
    print(f"{simulator.url}/", flush=True)
    print("# give these to your bot, then start it:", file=sys.stderr)
    for name, value in simulator.settings_for_bot().items():
        print(f"export {name}={shlex.quote(value)}", file=sys.stderr, flush=True)


def _wait(simulator: Simulator) -> int:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        simulator.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
