"""Calls of a site's and an application's back end, in process, beside a bare view: target 12.

A site that tells everything it knows mostly repeats itself. Such a call writes nothing, and the bound is on
it. The first call about a person waits for the disk, as a linking event does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from flask import Flask

from bot_linking.account_link_api.keys import Keys
from bot_linking.external_account import ExternalAccount

from . import payloads
from .databases import SQLite
from .ideal import bare_app
from .measure import Finding, alternate, busy, waiting
from .ours import our_app
from .webhook import Call, caller, one_after_another


def run(folder: Path, quick: bool) -> Iterator[Finding]:
    rounds, each = (30, 20) if quick else (150, 20)
    (place := folder / "account_link").mkdir()
    app, linking = our_app(place)
    key = Keys(linking.core).create("benchmark")
    again, *first = (_account_link(app, key, number) for number in range(each * (rounds + 1) + 1))
    bare = caller(bare_app(), payloads.ordinary())
    called = {"bare": bare, "again": again, "list": _list_of_three(folder)}
    took = alternate({name: busy(call, each) for name, call in called.items()}, rounds)
    for name, what, bound in (
        ("again", "account_link, the same facts again", 4.0),
        ("list", "a list of 3 external accounts", 2.5),
    ):
        ratio = took.ratio(name, "bare")
        yield Finding("12", f"{what} (in B)", took.of(name), took.of("bare"), ratio, bound, "µs")
    # Apart: who waits for the disk comes back to a processor that others have used.
    took = alternate({"bare": waiting(bare, each), "first": waiting(one_after_another(first), each)}, rounds)
    assert SQLite(place).execute("select count(*) from history") == [(len(first) + 1,)]
    ours, beside, ratio = took.of("first"), took.of("bare"), took.ratio("first", "bare")
    what = "account_link, the first time, durable (in B)"
    yield Finding("12", what, ours, beside, ratio, None, "µs")


def _account_link(app: Flask, key: str, number: int) -> Call:
    facts = {"status": "linked", "username": f"user{number}", "email": f"user{number}@example.com"}
    body = {
        "recipient": {"id": payloads.psid(number)},
        "account_linking": facts,
        "request": {"method": "account_link", "id": f"request-{number}"},
    }
    return caller(app, json.dumps(body).encode(), "/linking/api", HTTP_APIKEY=key)


def _list_of_three(folder: Path) -> Call:
    (place := folder / "external").mkdir()
    app, linking = our_app(place)
    external = ExternalAccount(linking)
    app.register_blueprint(external.blueprint)
    external.create_app("shop")
    path, bearer = "/ExternalAccount/shop", f"Bearer {external.create_token('shop', 7)}"
    for platform in ("qq", "wechat", "github"):
        account = {"unionID": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "platform": platform}
        caller(app, json.dumps(account).encode(), path, HTTP_AUTHORIZATION=bearer)()
    return caller(app, b"", path, REQUEST_METHOD="GET", HTTP_AUTHORIZATION=bearer)
