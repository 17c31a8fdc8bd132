"""A small identity provider over HTTP, whose keys and tokens a test can change."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from joserfc import jwk, jwt
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from bot_linking.oidc import OIDC
from tests.people import ADA

CLIENT_ID, CLIENT_SECRET = "the client", "the secret:of+it"


@cache
def signing_key(kid: str, owner: str = "the provider") -> jwk.RSAKey:
    """A key that an owner signs with. It is made once: no test changes one."""
    return jwk.RSAKey.generate_key(2048, parameters={"kid": kid, "use": "sig"})


class Provider:
    """Signs people in as `subject`. `spoil` changes the claims before they are signed; `sign` replaces the
    signing."""

    def __init__(self, server: HTTPServer, path: str = "/idp") -> None:
        self.issuer = server.url_for(path)
        self.subject = "ada"
        self.keys = [signing_key("k1")]
        self.seconds: Callable[[], float] = lambda: 1_800_000_000.0
        self.metadata: dict[str, Any] = {}
        self.spoil: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        self.sign: Callable[[dict[str, Any]], str] = self.signed
        self.is_down = False
        self.calls: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        for name in (".well-known/openid-configuration", "jwks", "token"):
            server.expect_request(f"{path}/{name}").respond_with_handler(self._answer)

    def signed(self, claims: dict[str, Any], **header: Any) -> str:
        key = self.keys[-1]
        return jwt.encode({"alg": "RS256", "kid": key.kid, **header}, claims, key)

    def sign_in(self, address: str) -> dict[str, str]:
        """The query that a person brings back from this address."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def _answer(self, request: Request) -> Response:
        name = request.path.rpartition("/")[2]
        self.calls.append(name)
        if self.is_down:
            return Response("down", 503)
        if name == "openid-configuration":
            return _json(self._document())
        if name == "jwks":
            return _json({"keys": [key.as_dict(private=False) for key in self.keys]})
        return self._token(request)

    def _document(self) -> dict[str, Any]:
        names = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "jwks_uri": "jwks",
        }
        addresses = {key: f"{self.issuer}/{name}" for key, name in names.items()}
        return {"issuer": self.issuer, **addresses, **self.metadata}

    def _token(self, request: Request) -> Response:
        given = request.authorization
        assert given is not None
        client = unquote_plus(str(given["username"])), unquote_plus(str(given["password"]))
        assert client == (CLIENT_ID, CLIENT_SECRET)
        asked = self._codes.pop(request.form["code"], None)
        verifier = request.form["code_verifier"].encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge:
            return _json({"error": "invalid_grant"}, 400)
        assert request.form["redirect_uri"] == asked["redirect_uri"]
        now = int(self.seconds())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
        }
        return _json({"access_token": "a", "token_type": "Bearer", "id_token": self.sign(self.spoil(claims))})


def oidc_of(provider: Provider, **given: Any) -> OIDC:
    right: dict[str, Any] = {
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "account_of": lambda claims: ADA if claims["sub"] == "ada" else None,
        "name": "Example ID",
    }
    return OIDC(**right | given)


def answer_query(answer: dict[str, str]) -> str:
    return urlencode(answer)


def unsigned(claims: dict[str, Any]) -> str:
    """A token with the algorithm `none`."""
    return f"{_part(_bytes({'alg': 'none'}))}.{_part(_bytes(claims))}."


def signed_by_text(claims: dict[str, Any], secret: bytes) -> str:
    """A token with the algorithm HS256, keyed with any text."""
    signed = f"{_part(_bytes({'alg': 'HS256', 'kid': 'k1'}))}.{_part(_bytes(claims))}"
    return f"{signed}.{_part(hmac.digest(secret, signed.encode(), 'sha256'))}"


def _bytes(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")
