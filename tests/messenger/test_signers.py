"""Among a thousand app secrets the right one is found at once; a forged body gets a bounded search."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bot_linking.core.errors import StoreUnavailable
from bot_linking.messenger.pages import Pages
from bot_linking.messenger.signature import sign, signer_of
from bot_linking.messenger.signers import FEW, MOST_TRIED_A_SECOND, Signers
from tests.wire import batch, message_event

MANY = 1000


class FakePages(Pages):
    """Pages 1 to n, each with a secret of its own; `away` names a page that cannot be read."""

    def __init__(self, count: int) -> None:
        self.secrets = {str(number): [f"secret-{number}".encode()] for number in range(1, count + 1)}
        self.away: str | None = None

    def secrets_of(self, page_id: str | None) -> tuple[bytes, ...]:
        if page_id == self.away:
            raise StoreUnavailable("away")
        return tuple(self.secrets.get(page_id or "", ()))

    def pages_by_secret(self) -> Mapping[bytes, frozenset[str] | None]:
        return {secret: frozenset([page]) for page, all_ in self.secrets.items() for secret in all_}


class Tried:
    """Counts the secrets that a body is checked with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.clock = 0.0

        def counting(body: bytes, header: str | None, secrets: Any) -> bytes | None:
            secrets = list(secrets)
            found = signer_of(body, header, secrets)
            self.count += len(secrets) if found is None else secrets.index(found) + 1
            return found

        monkeypatch.setattr("bot_linking.messenger.signers.signer_of", counting)

    def during(self, search: Signers, body: bytes, signature: str | None) -> tuple[bytes | None, int]:
        before = self.count
        return search.find(body, signature), self.count - before


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Tried:
    return Tried(monkeypatch)


def body_of(page: str) -> bytes:
    return batch(message_event("hello", page=page), page=page)


@pytest.mark.parametrize("number", [1, 500, MANY])
@pytest.mark.parametrize("shape", ["as Messenger writes", "the page after its events", "numbers for ids"])
def test_the_page_that_a_body_names_picks_the_secret_that_is_tried(
    tried: Tried, number: int, shape: str
) -> None:
    search, body, secret = Signers(FakePages(MANY)), body_of(str(number)), f"secret-{number}".encode()
    if shape == "the page after its events":
        payload = json.loads(body)
        entry = payload["entry"][0]
        body = json.dumps({"entry": [{"messaging": entry["messaging"], "id": entry["id"]}]}).encode()
    elif shape == "numbers for ids":
        body = body.replace(f'"{number}"'.encode(), str(number).encode())
    found, count = tried.during(search, body, sign(body, secret))
    assert (found, count) == (secret, 1)


def test_what_is_named_is_not_believed(tried: Tried) -> None:
    """A body that names one page and is signed for another belongs to the other."""
    search, body = Signers(FakePages(MANY)), body_of("7")
    assert search.find(body, sign(body, b"secret-8")) == b"secret-8"
    assert search.find(body, sign(body, b"secret-of-a-stranger")) is None
    assert search.find(body, None) is None


def test_a_forged_body_costs_one_try_once_the_budget_is_spent(tried: Tried) -> None:
    search = Signers(FakePages(MANY), now=lambda: tried.clock)
    forged = "sha256=" + "0" * 64
    bodies = [body_of("7"), body_of("999999"), b"{}", b'{"id":"1"}' * 100, b"\xff" * 1000]
    counts = [tried.during(search, bodies[n % len(bodies)], forged)[1] for n in range(500)]
    assert sum(counts) <= MOST_TRIED_A_SECOND + 2 * MANY
    assert max(counts[100:]) <= 1


def test_a_header_of_another_length_costs_nothing(tried: Tried) -> None:
    search = Signers(FakePages(MANY))
    for header in ("", "sha256=", "sha1=" + "0" * 40, "x" * 10_000, "sha256=" + "0" * 63):
        assert tried.during(search, body_of("7"), header) == (None, 0)


def test_an_app_that_delivers_what_is_of_no_page_is_remembered_even_under_a_flood(tried: Tried) -> None:
    """Instagram's webhooks name no page of ours, and the same app signs them."""
    search = Signers(FakePages(MANY), now=lambda: tried.clock)
    body = json.dumps(
        {"object": "instagram", "entry": [{"id": "17841400000000000", "messaging": []}]}
    ).encode()
    good = sign(body, b"secret-900")
    assert tried.during(search, body, good) == (b"secret-900", 900)
    for _ in range(100):
        search.find(b"{}", "sha256=" + "0" * 64)
    assert tried.during(search, body, good) == (b"secret-900", 1)
    other = sign(body, b"secret-901")
    assert search.find(body, other) is None  # the budget is spent: Messenger sends it again
    tried.clock += 1
    assert search.find(body, other) == b"secret-901"


@pytest.mark.parametrize("count", [2, FEW])
def test_few_secrets_are_always_tried(tried: Tried, count: int) -> None:
    search, body = Signers(FakePages(count), now=lambda: 0.0), body_of("nowhere")
    for number in range(2000):
        secret = f"secret-{number % count + 1}".encode()
        assert search.find(body, sign(body, secret)) == secret


def test_pages_may_come_and_go(tried: Tried) -> None:
    pages = FakePages(MANY)
    search, body = Signers(pages), body_of("new")
    assert search.find(body, sign(body, b"secret-new")) is None
    pages.secrets["new"] = [b"secret-new", b"secret-old"]
    assert tried.during(search, body, sign(body, b"secret-old")) == (b"secret-old", 2)
    stranger = sign(body, b"secret-3")
    assert search.find(body, stranger) == b"secret-3"
    del pages.secrets["3"]
    assert search.find(body, stranger) is None


def test_a_page_that_cannot_be_read_yet_does_not_stop_the_others(tried: Tried) -> None:
    pages = FakePages(MANY)
    pages.away = "7"
    search, body = Signers(pages), body_of("7")
    assert search.find(body, sign(body, b"secret-9")) == b"secret-9"
