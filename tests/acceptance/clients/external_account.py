"""A client of the ExternalAccount protocol as its page shows one: requests, a Bearer token, JSON.

python external_account.py BASE APPKEY USER_TOKEN BACK_END_TOKEN
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import requests


class Client:
    """One application's calls with one token."""

    def __init__(self, base: str, app_key: str, token: str) -> None:
        self._root = f"{base}/ExternalAccount/{app_key}"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str = "", body: Any = None) -> dict[str, Any]:
        response = self._session.request(method, self._root + path, json=body, timeout=10)
        answer: dict[str, Any] = response.json()
        assert answer["code"] == response.status_code
        assert (answer["error"] == "") == response.ok
        return answer


def main(base: str, app_key: str, user_token: str, back_end_token: str) -> None:
    pair = {"unionID": "python-client_1", "platform": "qq"}
    user, back_end = Client(base, app_key, user_token), Client(base, app_key, back_end_token)
    bound = user.call("POST", body=pair | {"platformName": "QQ", "avatar": "https://img.example.com/a.png"})
    assert bound == {"code": 200, "data": True, "error": ""}
    login = next(each for each in user.call("GET")["data"] if each["unionID"] == pair["unionID"])
    assert {name: type(value) for name, value in login.items()} == {
        "id": int, "userID": int, "platformName": str, "platform": str, "unionID": str, "avatar": str,
        "data": str, "enable": bool, "createDate": str, "lastUpdate": str,
    }  # fmt: skip
    assert datetime.now(UTC) - datetime.fromisoformat(login["createDate"]) < timedelta(minutes=1)
    token = back_end.call("POST", "/SignIn", pair)["data"]
    assert (token["token_type"], type(token["expires_in"])) == ("Bearer", int)
    signed_in = Client(base, app_key, token["access_token"])
    assert signed_in.call("PUT", f"/{login['id']}", {"data": "x", "enable": True})["data"] is True
    assert signed_in.call("GET")["data"][-1]["data"] == "x"
    assert signed_in.call("POST", "/SignIn", pair)["code"] == 403
    assert user.call("PUT", f"/{login['id']}", {"enable": False})["data"] is True
    assert signed_in.call("GET") | {"error": ""} == {"code": 401, "data": [], "error": ""}
    assert back_end.call("POST", "/SignIn", pair)["code"] == 403
    assert user.call("DELETE", f"/{login['id']}")["data"] is True
    assert user.call("DELETE", f"/{login['id']}")["code"] == 404
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
