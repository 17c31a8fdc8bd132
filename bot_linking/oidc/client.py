"""The authorization code flow with PKCE, as the client of one provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

from bot_linking.oidc.calls import ask
from bot_linking.oidc.discovery import Discovery
from bot_linking.oidc.errors import AnswerRefused, ProviderAway
from bot_linking.oidc.provider import OIDC
from bot_linking.oidc.tokens import verified_claims


@dataclass(frozen=True)
class Secrets:
    """The values that bind an answer to one login: `state` comes back in the address, `nonce` in the token,
    and `verifier` is sent when the code is exchanged."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class Client:
    """The client of one provider. `redirect_uri` is the address that the provider sends people back to."""

    def __init__(self, oidc: OIDC, redirect_uri: str) -> None:
        self.oidc = oidc
        self._redirect_uri = redirect_uri
        self._discovery = Discovery(oidc.issuer)

    def require_reachable(self) -> None:
        """Raise `ProviderAway` unless the provider's addresses are known or can be read."""
        self._discovery.metadata()

    def address(self, secrets: Secrets) -> str:
        """The provider's address where a person signs in. Raises `ProviderAway`."""
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        query = {
            "response_type": "code",
            "client_id": self.oidc.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self.oidc.scope,
            "state": secrets.state,
            "nonce": secrets.nonce,
            "code_challenge": create_s256_code_challenge(secrets.verifier),
            "code_challenge_method": "S256",
        }
        endpoint = self._discovery.metadata().authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    def require_issuer(self, named: list[str]) -> None:
        """Raise `AnswerRefused` when an answer's `iss` names another provider, or is missing where this
        provider always names itself. Raises `ProviderAway`, too. Source: RFC 9207."""
        if named != [self.oidc.issuer] and (named or self._discovery.metadata().names_itself):
            raise AnswerRefused("the answer is another provider's")

    def claims(self, code: str, secrets: Secrets, *, now: int) -> dict[str, Any]:
        """Exchange a code for the verified claims of the person who signed in; `now` is in seconds. Raises
        `AnswerRefused` and `ProviderAway`."""
        tokens = self._exchanged(code, secrets)
        return verified_claims(
            tokens.get("id_token"),
            keys=self._discovery.keys,
            issuer=self.oidc.issuer,
            client_id=self.oidc.client_id,
            nonce=secrets.nonce,
            now=now,
            access_token=tokens.get("access_token"),
        )

    def _exchanged(self, code: str, secrets: Secrets) -> dict[str, Any]:
        metadata = self._discovery.metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": secrets.verifier,
        }
        client_id, client_secret = self.oidc.client_id, self.oidc.client_secret
        given: dict[str, Any] = {"data": form}
        if metadata.takes_basic:
            given["auth"] = (quote_plus(client_id), quote_plus(client_secret))
        else:
            form |= {"client_id": client_id, "client_secret": client_secret}
        status, tokens = ask("POST", metadata.token_endpoint, **given)
        if status >= 500:
            raise ProviderAway("the token endpoint failed")
        if status != 200:
            raise AnswerRefused("the token endpoint refuses the code")
        return tokens
