"""Verifies an id_token: its signature, and the claims about issuer, client, time and login."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot_linking.oidc.errors import AnswerRefused

LEEWAY_S = 60  # between the provider's clock and ours
OLDEST_S = 600  # since the token was issued
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LONGEST = 32 * 1024

Keys = Callable[[str | None], list[dict[str, Any]]]


def verified_claims(
    token: object, *, keys: Keys, issuer: str, client_id: str, nonce: str, now: int, access_token: object
) -> dict[str, Any]:
    """The claims of an id_token, which this provider must have signed for this client and this login. `now`
    is in seconds. Raises `AnswerRefused`, and what `keys` raises."""
    from joserfc.errors import JoseError

    if not isinstance(token, str) or not 0 < len(token) <= LONGEST or not token.isascii():
        raise AnswerRefused("there is no id_token")
    try:
        header, claims = _decoded(token, keys)
        _validate(header, claims, issuer, client_id, nonce, now, access_token)
    except JoseError as problem:
        raise AnswerRefused(f"the id_token is refused ({type(problem).__name__})") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise AnswerRefused(f"the id_token cannot be read ({type(problem).__name__})") from None
    return claims


def _decoded(token: str, keys: Keys) -> tuple[dict[str, Any], dict[str, Any]]:
    from joserfc import jwk, jws, jwt

    header = jws.extract_compact(token.encode("ascii")).headers()
    key_id = header.get("kid")
    if header.get("alg") not in ALGORITHMS or not isinstance(key_id, str | None):
        raise AnswerRefused("the id_token is signed in a way that is not taken")
    found = keys(key_id)
    if len(found) != 1:
        raise AnswerRefused("no single key of the provider's is the one that the id_token names")
    key = jwk.import_key(found[0], found[0]["kty"])
    if found[0].get("alg", header["alg"]) != header["alg"]:
        raise AnswerRefused("the key is for another algorithm")
    return dict(header), dict(jwt.decode(token, key, algorithms=list(ALGORITHMS)).claims)


def _validate(
    header: dict[str, Any],
    claims: dict[str, Any],
    issuer: str,
    client_id: str,
    nonce: str,
    now: int,
    access_token: object,
) -> None:
    from authlib.oidc.core import CodeIDToken

    must_be: Any = {
        "iss": {"essential": True, "value": issuer},
        "aud": {"essential": True, "value": client_id},
        "nonce": {"essential": True, "value": nonce},
    }
    params = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
    CodeIDToken(claims, header, must_be, params).validate(now=now, leeway=LEEWAY_S)
    if claims["iat"] < now - OLDEST_S - LEEWAY_S:
        raise AnswerRefused("the id_token is old")
    if not claims["sub"] or len(claims["sub"]) > 255:
        raise AnswerRefused("the id_token names no subject")
