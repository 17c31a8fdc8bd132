"""What a provider says of itself, while it does not answer."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from bot_linking.oidc import discovery
from bot_linking.oidc.calls import ask
from bot_linking.oidc.discovery import Discovery
from bot_linking.oidc.errors import ProviderAway

from .provider import Provider

SILENT_S = 0.2
AT_ONCE = 8


@pytest.mark.xfail(strict=True, reason="known keys are none for a minute after the first reading failed")
def test_keys_that_could_not_be_read_are_read_by_the_next_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_once(method: str, url: str, **given: Any) -> tuple[int, dict[str, Any]]:
        if url.endswith("/jwks"):
            monkeypatch.setattr(discovery, "ask", ask)
            raise ProviderAway("no answer")
        return ask(method, url, **given)

    with HTTPServer() as server:
        keys = Discovery(Provider(server).issuer).keys
        monkeypatch.setattr(discovery, "ask", fail_once)
        with pytest.raises(ProviderAway):
            keys("k1")
        assert len(keys("k1")) == 1


@pytest.mark.xfail(strict=True, reason="each request waits for those before it, under one lock")
def test_requests_at_the_same_time_wait_for_a_silent_provider_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def stay_silent(method: str, url: str, **given: Any) -> tuple[int, dict[str, Any]]:
        time.sleep(SILENT_S)
        raise ProviderAway("no answer")

    monkeypatch.setattr(discovery, "ask", stay_silent)
    away = Discovery("https://id.example.com")

    def ask_it(_: int) -> None:
        with suppress(ProviderAway):
            away.metadata()

    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(ask_it, range(AT_ONCE)))
    assert time.monotonic() - began < SILENT_S * AT_ONCE / 2
