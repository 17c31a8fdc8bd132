"""Reads a provider's addresses and keys, and keeps them for an hour. Source: OpenID Connect Discovery."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bot_linking.core.addresses import is_guarded
from bot_linking.oidc.calls import ask
from bot_linking.oidc.errors import ProviderAway

KEPT_S = 3600.0
BETWEEN_KEYS_S = 60.0  # keys are read again for an unknown one, at most once in this time
AGAIN_S = 5.0  # a provider that did not answer is asked again after this time
LONGEST_WAIT_S = 3.0  # for another request that is asking
_ADDRESSES = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True)
class Metadata:
    """The values of the provider's discovery document that are used."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    names_itself: bool
    """Whether each answer names the issuer, in `iss`."""
    takes_basic: bool
    """Whether the token endpoint takes the client's secret by HTTP Basic."""


@dataclass
class _Keys:
    by_id: list[dict[str, Any]] = field(default_factory=list)
    read_at: float = float("-inf")


class Discovery:
    """The addresses and the keys of one issuer. `now` is a monotonic clock in seconds."""

    def __init__(self, issuer: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._now = now
        self._lock = threading.Lock()
        self._metadata: Metadata | None = None
        self._read_at = self._failed_at = float("-inf")
        self._keys = _Keys()

    def metadata(self) -> Metadata:
        """The issuer's addresses. Those that were read before are used when the provider does not answer.
        Raises `ProviderAway` without any."""
        with self._turn():
            is_old = self._now() - self._read_at > KEPT_S
            if is_old and self._now() - self._failed_at > AGAIN_S:
                self._refresh()
            if self._metadata is None:
                raise ProviderAway("it did not answer a moment ago")
            return self._metadata

    def keys(self, key_id: str | None) -> list[dict[str, Any]]:
        """The public keys with this id, or all for None. They are read again for an unknown id. Raises
        `ProviderAway`."""
        jwks_uri = self.metadata().jwks_uri
        with self._turn():
            found, age = _of_id(self._keys.by_id, key_id), self._now() - self._keys.read_at
            if age > KEPT_S or (not found and age > BETWEEN_KEYS_S):
                self._keys = _Keys(_public_keys(*ask("GET", jwks_uri)), self._now())
                found = _of_id(self._keys.by_id, key_id)
            return found

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """A turn to ask the provider. Raises `ProviderAway` after a short wait for another request's turn."""
        if not self._lock.acquire(timeout=LONGEST_WAIT_S):
            raise ProviderAway("it has not answered yet")
        try:
            yield
        finally:
            self._lock.release()

    def _refresh(self) -> None:
        """Read the document again. Raises `ProviderAway` where none was read before."""
        try:
            self._metadata, self._read_at = self._read(), self._now()
        except ProviderAway:
            self._failed_at = self._now()
            if self._metadata is None:
                raise

    def _read(self) -> Metadata:
        url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        status, given = ask("GET", url)
        if status != 200 or given.get("issuer") != self._issuer:
            raise ProviderAway("the discovery document is not this issuer's")
        if not all(_is_address(given.get(name)) for name in _ADDRESSES):
            raise ProviderAway("the discovery document lacks an address")
        methods = given.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if not isinstance(methods, list):
            raise ProviderAway("the discovery document is not of the protocol's form")
        return Metadata(
            authorization_endpoint=given["authorization_endpoint"],
            token_endpoint=given["token_endpoint"],
            jwks_uri=given["jwks_uri"],
            names_itself=given.get("authorization_response_iss_parameter_supported") is True,
            takes_basic="client_secret_basic" in methods,
        )


def _is_address(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(urlsplit(value).hostname) and is_guarded(value)
    except ValueError:
        return False


def _public_keys(status: int, given: dict[str, Any]) -> list[dict[str, Any]]:
    """The keys to verify with, without symmetric ones: any caller could sign with a published key."""
    keys = given.get("keys")
    if status != 200 or not isinstance(keys, list):
        raise ProviderAway("the provider shows no keys")
    return [
        key
        for key in keys
        if isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"
    ]


def _of_id(keys: list[dict[str, Any]], key_id: str | None) -> list[dict[str, Any]]:
    return [key for key in keys if key_id is None or key.get("kid") == key_id]
