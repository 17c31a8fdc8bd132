"""One webhook in process, by direct WSGI calls: targets 1, 4 (redelivery), 12 (forged), 13 (many app secrets)
and 17 (the search).

Processor time, except where a flush is part of the work, which is measured by the clock.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import Any

from flask import Flask

from bot_linking import AccountLinking
from bot_linking.messenger.events import mentions_ours

from . import payloads
from .ideal import bare_app, host_app, ideal_app, read_json
from .measure import Finding, Round, alternate, busy, made, waiting
from .ours import insist, our_app, seed_ideal, seed_ours

Call = Callable[[], object]
MICROSECONDS_OF_B = 10 / 49  # target 1 allows 10 µs where a bare view took 49


def run(folder: Path, quick: bool) -> Iterator[Finding]:
    with _quiet_log():
        yield from _ordinary(folder, 60 if quick else 250)
        yield from _search(60 if quick else 250)
        yield from _many_secrets(folder, 60 if quick else 250)
        yield from _other_routes(folder, 150 if quick else 600)
        yield from _first_and_again(folder, 15 if quick else 60)
        yield from _forged(folder, 60 if quick else 250)


def caller(
    app: Flask,
    body: bytes,
    path: str = "/webhook",
    *,
    signed: str | None = None,
    expected: str = "200",
    **more: str,
) -> Call:
    """One WSGI call, with more of the environ if given; another status than 200 fails the run."""
    base = payloads.environ(body, path, signed=signed) | more

    def start_response(status: str, *_: object) -> Callable[[bytes], object]:
        assert status.startswith(expected), status
        return len

    def call() -> None:
        answer = app({**base, "wsgi.input": BytesIO(body)}, start_response)
        b"".join(answer)

    return call


def _ordinary(folder: Path, rounds: int) -> Iterator[Finding]:
    body = payloads.ordinary()
    around_host, _ = our_app(made(folder / "around_host"), read_json)
    around_bare, linking = our_app(made(folder / "around_bare"))
    linking.on_message(lambda event: None)
    apps = {"bare": bare_app(), "host": host_app(), "ours": around_host, "around bare": around_bare}
    apps["ideal"] = ideal_app(folder / "ideal_ordinary.db", payloads.SECRET)
    contestants = {name: busy(caller(app, body), 40) for name, app in apps.items()}
    contestants["own"] = busy(caller(around_bare, body, "/linking/webhook"), 40)
    took = alternate(contestants, rounds)
    bare = took.of("bare")
    yield Finding(
        "1", "linking.webhook, above the host's view (in B)", took.of("ours"), took.of("host"),
        took.excess("ours", "host", "bare"), round(MICROSECONDS_OF_B, 2), "µs",
    )  # fmt: skip
    own = took.excess("own", "bare", "bare")
    yield Finding("1", "own /webhook, above a bare view (in B)", took.of("own"), bare, own, 0.6, "µs")
    yield Finding(
        "1", "linking.webhook around a bare view, beside ideal", took.of("around bare"), took.of("ideal"),
        took.ratio("around bare", "ideal"), None, "µs",
    )  # fmt: skip


def _search(rounds: int) -> Iterator[Finding]:
    """How long it takes to see that a body has nothing of ours, beside looking for linking events only."""
    body, text = payloads.ordinary(), payloads.in_chinese()
    took = alternate(
        {
            "one": busy(lambda: b"account_linking" in body, 200),
            "all": busy(lambda: mentions_ours(body), 200),
            "one, escaped": busy(lambda: b"account_linking" in text or b"\\u006" in text, 200),
            "all, escaped": busy(lambda: mentions_ours(text), 200),
        },
        rounds,
    )
    for name, what in (("", "a plain body"), (", escaped", "a body of escapes")):
        ours, beside = took.of("all" + name), took.of("one" + name)
        more = ours - beside
        yield Finding("17", f"the search for all ways, {what} (µs more)", ours, beside, more, 2.0, "µs")


def _many_secrets(folder: Path, rounds: int) -> Iterator[Finding]:
    """A thousand pages, each with its own app secret; the webhook is the last one's."""
    body = payloads.ordinary()
    one_page = ("PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN", "PAGE_ID")
    contestants = dict[str, Round]()
    for name, others in (("one", 0), ("many", 999)):
        secrets = {str(number): f"app-secret-of-page-{number}" for number in range(1, others + 1)}
        secrets[payloads.PAGE] = payloads.SECRET
        pages = {
            page: {
                "access_token": f"access-token-of-{page}",
                "app_secret": secret,
                "verify_token": "verify-of-benchmarks",
            }
            for page, secret in secrets.items()
        }
        config: dict[str, Any] = dict.fromkeys(f"BOT_LINKING_{each}" for each in one_page)
        config["BOT_LINKING_PAGES"] = pages
        app, _ = our_app(made(folder / f"{name}_secrets"), **config)
        contestants[name] = busy(caller(app, body), 40)
    took = alternate(contestants, rounds)
    what = "a webhook with 1,000 app secrets, beside one"
    yield Finding("13", what, took.of("many"), took.of("one"), took.ratio("many", "one"), 1.1, "µs")


def _other_routes(folder: Path, rounds: int) -> Iterator[Finding]:
    """The same app with and without linking, at its other routes."""
    with_linking, _ = our_app(made(folder / "other"))
    calls = {
        name: caller(app, b"", "/other", REQUEST_METHOD="GET")
        for name, app in (("ours", with_linking), ("bare", bare_app()))
    }
    took = alternate({name: busy(call, 50) for name, call in calls.items()}, rounds)
    above = took.ratio("ours", "bare") - 1
    yield Finding("1", "the host's other routes (in B)", took.of("ours"), took.of("bare"), above, 0.01, "µs")


def _first_and_again(folder: Path, rounds: int) -> Iterator[Finding]:
    """New linking events, durable, one by one; and events that were delivered before."""
    each, seen = 20, 20
    total = seen + each * (rounds + 1)
    app, linking = our_app(made(folder / "first"))
    ideal_path = folder / "ideal_first.db"
    seed_ours(linking, range(total))
    seed_ideal(ideal_path, range(total))
    contestants: dict[str, Round] = {}
    for name, side in (("ours", app), ("ideal", ideal_app(ideal_path, payloads.SECRET))):
        caller(side, payloads.linking(range(seen)))()
        fresh = [caller(side, payloads.linking([number])) for number in range(seen, total)]
        old = cycle([caller(side, payloads.linking([number])) for number in range(seen)])
        contestants[name] = waiting(one_after_another(fresh), each)
        contestants[name + " again"] = waiting(partial(_next_of, old), each)
    took = alternate(contestants, rounds)
    insist(_database_of(linking), total)
    insist(ideal_path, total)
    for name, beside, what, bound in (
        ("ours", "ideal", "one linking event, beside ideal", None),
        ("ours again", "ours", "a redelivery, beside the first delivery", 0.5),
        ("ours again", "ideal again", "a redelivery, beside ideal's", None),
    ):
        yield Finding("4", what, took.of(name), took.of(beside), took.ratio(name, beside), bound, "µs")


def one_after_another(calls: Iterable[Call]) -> Call:
    return partial(_next_of, iter(calls))


def _next_of(calls: Iterator[Call]) -> object:
    return next(calls)()


def _forged(folder: Path, rounds: int) -> Iterator[Finding]:
    """A refusal must not cost more than an answer, and parses nothing."""
    app, _ = our_app(made(folder / "forged"), read_json)
    forged = "sha256=" + "0" * 64
    body, broken = payloads.ordinary(), b"{" * payloads.ORDINARY_SIZE
    refused = busy(caller(app, body, signed=forged, expected="403"), 40)
    took = alternate(
        {
            "valid": busy(caller(app, body), 40),
            "forged": refused,
            "broken": busy(caller(app, broken, signed=forged, expected="403"), 40),
            "unlogged": lambda: _without_log(refused),
        },
        rounds,
    )
    for name, what, bound in (
        ("forged", "a forged webhook", 1.0),
        ("broken", "forged, and no JSON at all", 1.0),
        ("unlogged", "(forged, with no log written)", None),
    ):
        ratio = took.ratio(name, "valid")
        what += ", beside a valid one"
        yield Finding("12", what, took.of(name), took.of("valid"), ratio, bound, "µs")


def _without_log(one_round: Round) -> float:
    logging.disable(logging.WARNING)
    try:
        return one_round()
    finally:
        logging.disable(logging.NOTSET)


def _database_of(linking: AccountLinking) -> Path:
    return Path(linking.settings.database.removeprefix("sqlite:///"))


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Format and write log lines as a server does, to a file that is discarded."""
    log = logging.getLogger("bot_linking")
    with open(os.devnull, "w") as nowhere:
        handler = logging.StreamHandler(nowhere)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        log.addHandler(handler)
        log.propagate = False
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.propagate = True
