"""A shop with the ExternalAccount module, and a person's authenticator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyotp
import requests
from flask import Flask

from bot_linking.external_account import ExternalAccount
from tests.bots import Clock

KEYS = "k3y-of-the-tests-which-is-long-enough-0"
UNION = {"unionID": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "platform": "wechat"}
USER, OTHER_USER = 7, 8


@dataclass
class Shop:
    """One shop with one application, `shop`; `user` and `other` are tokens of two of its users."""

    app: Flask
    external: ExternalAccount
    url: str
    clock: Clock
    back_end: str
    user: str
    other: str
    session: requests.Session = field(default_factory=requests.Session)

    def call(
        self, method: str, path: str = "", *, token: str | None = None, app: str = "shop", **kwargs: Any
    ) -> requests.Response:
        headers = dict(kwargs.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        url = f"{self.url}/ExternalAccount/{app}{path}"
        answer = self.session.request(method, url, headers=headers, timeout=30, **kwargs)
        assert answer.headers["Cache-Control"] == "no-store"
        if method != "HEAD":
            assert answer.json()["code"] == answer.status_code
            assert set(answer.json()) == {"code", "data", "error"}
            assert (answer.json()["error"] == "") == (answer.status_code == 200)
        return answer

    def bind(self, token: str | None = None, **fields: Any) -> requests.Response:
        return self.call("POST", token=token or self.user, json=UNION | fields)

    def accounts(self, token: str | None = None) -> list[dict[str, Any]]:
        answer = self.call("GET", token=token or self.user)
        assert answer.status_code == 200
        return list(answer.json()["data"])

    def bound(self, **fields: Any) -> int:
        """Bind an account of the user's, and return its id."""
        assert self.bind(**fields).status_code == 200
        return int(self.accounts()[-1]["id"])

    def update(self, account_id: object, token: str | None = None, **fields: Any) -> requests.Response:
        return self.call("PUT", f"/{account_id}", token=token or self.user, json=fields)

    def unbind(self, account_id: object, token: str | None = None) -> requests.Response:
        return self.call("DELETE", f"/{account_id}", token=token or self.user)

    def sign_in(self, code: Any = None, *, token: str | None = None, **fields: Any) -> requests.Response:
        body = UNION | fields | ({} if code is None else {"twoFactorCode": code})
        return self.call("POST", "/SignIn", token=token or self.back_end, json=body)

    def token(self, code: Any = None, **fields: Any) -> str:
        """Sign in, and return the user's token."""
        answer = self.sign_in(code, **fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["access_token"])

    def is_good(self, token: str) -> bool:
        answer = self.call("GET", token=token)
        assert answer.status_code in {200, 401}
        return answer.status_code == 200

    def enrol(self, user_id: int = USER) -> Authenticator:
        enrolment = self.external.enable_two_factor("shop", user_id)
        return Authenticator(pyotp.parse_uri(enrolment.address), self.clock, enrolment.recovery_codes)  # type: ignore[arg-type]


@dataclass
class Authenticator:
    """A person's authenticator app, by the tests' clock."""

    totp: pyotp.TOTP
    clock: Clock
    recovery_codes: tuple[str, ...]

    def code(self, steps: int = 0) -> str:
        return self.totp.at(int(self.clock()) + 30 * steps)

    def wrong(self, of: int = 0) -> str:
        """A code that is wrong for every step around now."""
        near = {self.code(steps) for steps in range(-2, 3)}
        return next(text for n in range(of, of + 10) if (text := f"{n:06d}") not in near)


MakeShop = Callable[..., Shop]
