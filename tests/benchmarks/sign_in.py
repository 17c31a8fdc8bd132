"""Webhooks while twelve people sign in again and again, with eight threads: target 10.

The site hashes with scrypt, 32 MiB a time. Every sign-in is answered by a redirect back to the form or, where
too many come at once, by 503 with Retry-After.
"""

from __future__ import annotations

import re
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from . import payloads
from .load import drive, generators
from .measure import Finding, percentile
from .serve import LOAD_CORE, memory_of, server

PEOPLE = 12
CONNECTIONS = 4
MIB = 1 << 20
_RETURN = "https://www.facebook.com/messenger_platform/account_linking/?account_linking_token=TOKEN"


def run(folder: Path, quick: bool) -> Iterator[Finding]:
    rounds, each = (3, 300) if quick else (10, 600)
    webhooks = [payloads.wire(payloads.ordinary())] * each
    idle: list[float] = []
    busy: list[float] = []
    with generators(LOAD_CORE, 2) as pool, server("sign_in", folder, threads=8) as (port, process):
        pool.submit(drive, port, webhooks, CONNECTIONS).result()
        forms = [_form(port, number) for number in range(PEOPLE)]
        largest = before = memory_of(process.pid)
        said: Counter[int] = Counter()
        for _ in range(rounds):
            idle += pool.submit(drive, port, webhooks, CONNECTIONS).result().waits
            people = pool.submit(drive, port, forms, PEOPLE)
            while not people.done():
                answers = pool.submit(drive, port, webhooks[:40], CONNECTIONS).result()
                assert set(answers.statuses) == {200}, answers.statuses
                busy += answers.waits
                largest = max(largest, memory_of(process.pid))
            said += people.result().statuses
        assert said[303], said
        assert said.keys() <= {303, 503}, said
    quiet, beside = percentile(idle, 0.99) * 1e3, percentile(busy, 0.99) * 1e3
    what = f"webhooks' p99 while {PEOPLE} sign in at once, beside idle"
    yield Finding("10", what, beside, quiet, beside / quiet, 10.0, "ms")
    grown = (largest - before) / MIB
    yield Finding("10", "... memory that takes, in MiB", largest / MIB, before / MIB, grown, 140.0, "MiB")


def _form(port: int, number: int) -> bytes:
    """One browser's filled-in sign-in form: a user name of its own and a wrong password."""
    query = urlencode({"account_linking_token": "TOKEN", "redirect_uri": _RETURN})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/linking/login?{query}") as page:
        html, cookie = page.read().decode(), page.headers["Set-Cookie"].partition(";")[0]
    (ticket,) = set(re.findall(r'name="ticket" value="([^"]+)"', html))
    body = urlencode({"ticket": ticket, "username": f"user{number}", "password": "a wrong password"}).encode()
    head = (
        f"POST /linking/login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
