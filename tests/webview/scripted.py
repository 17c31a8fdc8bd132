"""An identity provider without HTTP, for random histories. The test says who signs in there; a code is good
once, for the question that it answers."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from bot_linking import Account
from bot_linking.oidc import OIDC
from bot_linking.oidc.client import Secrets
from bot_linking.oidc.errors import AnswerRefused

ISSUER = "https://idp.example"


class ScriptedProvider:
    """Takes the place of the pages' client. `answered` are the accounts that it named, in order."""

    def __init__(self, accounts: dict[str, Account]) -> None:
        self.oidc = OIDC(
            issuer=ISSUER,
            client_id="client",
            client_secret="secret",
            account_of=lambda claims: accounts.get(claims["sub"]),
        )
        self.begin()

    def begin(self) -> None:
        self.codes: dict[str, tuple[str, str, str]] = {}  # code to verifier, nonce and who signed in
        self.answered: list[str] = []
        self._asked: dict[str, Secrets] = {}  # by state

    # What the pages ask

    def require_reachable(self) -> None:
        """Always reachable."""

    def address(self, secrets: Secrets) -> str:
        self._asked[secrets.state] = secrets
        return f"{ISSUER}/authorize?{urlencode({'state': secrets.state})}"

    def require_issuer(self, named: list[str]) -> None:
        if named not in ([], [ISSUER]):
            raise AnswerRefused("the answer is another provider's")

    def claims(self, code: str, secrets: Secrets, *, now: int) -> dict[str, Any]:
        verifier, nonce, name = self.codes.pop(code, ("", "", ""))
        if (verifier, nonce) != (secrets.verifier, secrets.nonce):
            raise AnswerRefused("the token endpoint refuses the code")
        self.answered.append(name)
        return {"sub": name}

    # What people do there

    def sign_in(self, address: str, name: str) -> dict[str, str]:
        """The query that a person brings back from this address."""
        (state,) = parse_qs(urlsplit(address).query)["state"]
        asked, code = self._asked[state], f"code-{len(self._asked)}-{len(self.codes)}-{len(self.answered)}"
        self.codes[code] = (asked.verifier, asked.nonce, name)
        return {"code": code, "state": state}
