"""A client as the published page shows one: requests, with JSON, a form, or files for a body.

python published.py BASE APPKEY USER_TOKEN BACK_END_TOKEN
"""

from __future__ import annotations

import json
import sys
from typing import Any

import requests


def main(base: str, app_key: str, user: str, back_end: str) -> None:
    session = requests.Session()
    session.trust_env = False

    def call(method: str, path: str, token: str, **body: Any) -> Any:
        url, headers = f"{base}/ExternalAccount/{app_key}{path}", {"Authorization": f"Bearer {token}"}
        answer = session.request(method, url, headers=headers, timeout=20, **body).json()
        assert answer["code"] == 200, answer
        return answer["data"]

    pair = {"unionID": "python-client_2", "platform": "wechat"}
    nothing = {"platformName": "", "avatar": "", "data": ""}
    assert call("POST", "", user, data=json.dumps(pair | nothing)) is True  # no Content-Type
    assert call("POST", "", user, data=pair | nothing) is True
    assert call("POST", "", user, files={name: (None, value) for name, value in pair.items()}) is True
    (login,) = [each for each in call("GET", "", user) if each["unionID"] == pair["unionID"]]
    assert call("PUT", f"/{login['id']}", user, json=login | {"data": "changed"}) is True
    assert call("POST", "/SignIn", back_end, json=pair | {"twoFactorCode": ""})["token_type"] == "Bearer"
    assert call("DELETE", f"/{login['id']}", user) is True
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
