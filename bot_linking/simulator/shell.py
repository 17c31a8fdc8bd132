"""``python -m bot_linking.simulator trigger ...``: an event from a shell, in the simulator that runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import requests

from . import safety
from .triggers import PATIENCE, TRIGGERS

DEFAULT_URL = "http://127.0.0.1:5001"
_EXAMPLES = """examples:
  trigger text orders                   the first person writes "orders"
  trigger linked --person grace         Grace comes back from a login that the bot knows nothing of
  trigger linked CODE                   the same with an authorization_code of yours
  trigger postback START                a postback with this payload
  trigger referral bl.abc               somebody comes by an m.me link with this ref
  trigger redeliver                     the newest webhook once more
"""


def main(arguments: Sequence[str]) -> int:
    """Trigger one event; its line of the wire log goes to stdout. Returns 0 when the bot said 200, else 1."""
    options = _parser().parse_args(arguments)
    try:
        line, ok = _trigger(options)
    except (ValueError, requests.RequestException) as problem:
        print(f"bot_linking.simulator trigger: {_sentence(problem, options.url)}", file=sys.stderr)
        return 1
    print(line)
    return 0 if ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bot_linking.simulator trigger",
        description="Let something happen in the simulator that runs, and see what the bot answers.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=list(TRIGGERS))
    parser.add_argument("value", nargs="?", default="", help="the text, payload, ref, code or line id")
    parser.add_argument("--person", default="", help="a first name or a PSID (default: the first person)")
    parser.add_argument(
        "--url", default=DEFAULT_URL, help="where the simulator runs, on this machine (default: %(default)s)"
    )
    return parser


def _trigger(options: argparse.Namespace) -> tuple[str, bool]:
    """Ask the simulator; raises ``ValueError`` with its own words when it refuses."""
    if not safety.is_loopback_url(options.url):
        raise ValueError(f"the simulator runs on this machine only, not at {options.url!r}")
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(
            f"{safety.origin_of(options.url)}/simulator/trigger",
            json={"what": options.what, "value": options.value, "person": options.person},
            headers={"X-Simulator": "shell"},
            timeout=PATIENCE + 10,
            allow_redirects=False,
        )
    if answer.status_code != 200:
        raise ValueError(answer.text.strip() if answer.status_code == 400 else "that is not a simulator")
    found = answer.json()
    if not isinstance(found, dict) or "line" not in found:
        raise ValueError("that is not a simulator")
    return str(found["line"]), found.get("ok") is True


def _sentence(problem: Exception, url: str) -> str:
    if isinstance(problem, requests.JSONDecodeError):
        return f"{url} is not a simulator"
    if isinstance(problem, requests.RequestException):
        return f"no simulator answers at {url}; where it runs is printed when it starts (--url)"
    return str(problem)
