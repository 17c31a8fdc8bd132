"""``python -m bot_linking.simulator``: the simulator alone, for a bot that runs already."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from queue import Empty, SimpleQueue

from . import safety, shell
from .ports import NoSuchPort, listen_in_a_row, port_of
from .simulator import Simulator

DEFAULT_PORT = 5001


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until interrupted; the chat page's address goes to stdout, all else to stderr.

    With ``trigger`` as first argument: let an event happen in the simulator that runs already.
    """
    _write_utf8()
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["trigger"]:
        return shell.main(given[1:])
    parser = _parser()
    options = parser.parse_args(given)
    try:
        listener = _listener(options.host, options.port)
        port = port_of(listener)
        simulator = Simulator(
            options.webhook_url,
            messaging_type_required=not options.any_messaging_type,
            listener=listener,
            wire_out=None if options.quiet else sys.stderr,
        )
        simulator.start()
    except NoSuchPort as problem:
        parser.error(f"argument --port: {problem}")
    except (ValueError, RuntimeError, OSError) as problem:
        print(f"bot_linking.simulator: {problem}", file=sys.stderr)
        return 1
    signals = _signals_to_end()  # before the first word, as whoever reads it may end us
    if options.port is None and port != DEFAULT_PORT:
        print(f"port {DEFAULT_PORT} is not free: taking {port}", file=sys.stderr)
    _introduce(simulator)
    _wait_for_one(signals)
    print(file=sys.stderr)
    simulator.stop()
    return 0


def _write_utf8() -> None:
    """Write UTF-8 into a file or a pipe, also on Windows, where it would be a code page: the lines of the
    wire have arrows, and what people said. A terminal keeps its own encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bot_linking.simulator",
        description="Messenger on a laptop.",
        epilog="python -m bot_linking.simulator trigger --help: events from a shell, while it runs.",
    )
    parser.add_argument(
        "--webhook-url", default="http://127.0.0.1:5000/webhook", help="where your bot listens"
    )
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, help=f"0 takes a free one (default: {DEFAULT_PORT}, or the next free one)"
    )
    parser.add_argument(
        "--any-messaging-type",
        action="store_true",
        help="accept messages without messaging_type, for clients that never send one",
    )
    parser.add_argument("--quiet", action="store_true", help="no line for each request over the wire")
    return parser


def _listener(host: str, port: int | None) -> socket.socket:
    safety.require_loopback_host(host)
    [listener] = listen_in_a_row(host, DEFAULT_PORT if port is None else port, search=port is None)
    return listener


def _introduce(simulator: Simulator) -> None:
    print(f"{simulator.url}/", flush=True)
    print("# give these to your bot, then start it:", file=sys.stderr)
    for name, value in simulator.settings_for_bot().items():
        print(environment_line(name, value), file=sys.stderr, flush=True)


def environment_line(name: str, value: str, *, windows: bool = os.name == "nt") -> str:
    """Return the line that sets an environment variable in this system's shell."""
    if windows:  # PowerShell, whose quotes are doubled
        return f"$env:{name} = '{value.replace(chr(39), chr(39) * 2)}'"
    return f"export {name}={shlex.quote(value)}"


def _signals_to_end() -> SimpleQueue[int]:
    """Ctrl-C, and what asks a process to end. Of all queues and events this one alone may be filled by a
    handler while the thread that it interrupts is inside of it."""
    signals = SimpleQueue[int]()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda number, _: signals.put(number))
    return signals


def _wait_for_one(signals: SimpleQueue[int]) -> None:
    while True:  # on Windows a wait without an end hears no signal
        with suppress(Empty):
            signals.get(timeout=0.5)
            return


if __name__ == "__main__":
    sys.exit(main())
