"""A client of the account_link API as its page shows one: requests, with a form, files or JSON for a body.

python linking.py ADDRESS APIKEY PSID
"""

from __future__ import annotations

import json
import sys
from typing import Any

import requests


def main(address: str, key: str, psid: str) -> None:
    session = requests.Session()
    session.trust_env = False

    def call(status: int = 200, apikey: str = key, **body: Any) -> Any:
        answer = session.post(address, headers={"APIKEY": apikey}, timeout=20, **body)
        assert answer.status_code == status, answer.text
        assert answer.json()["request_id"] == ("F4js0Za2" if status == 200 else ""), answer.text
        return answer.json()

    form = {
        "request.method": "account_link",
        "request.id": "F4js0Za2",
        "request.meta": "",
        "recipient.id": psid,
        "account_linking.username": "myaccount",
        "account_linking.email": "",
        "account_linking.phone_number": "",
        "account_linking.status": "linked",
        "timestamp": "1409291011",
    }
    nested: dict[str, Any] = {
        "recipient": {"id": int(psid)},
        "timestamp": 1409291011,
        "account_linking": {"status": "linked", "email": "mike@example.com", "phone_number": 18900001111},
        "request": {"method": "account_link", "id": "F4js0Za2", "meta": ""},
    }
    assert call(data=form)["result"] is True
    assert call(files={name: (None, value) for name, value in form.items()})["error_code"] == 0
    assert call(json=nested)["result"] is True
    assert call(data=json.dumps(nested))["result"] is True  # no Content-Type
    assert call(401, "wrong", json=nested)["error_code"] == 10005
    nested["account_linking"] = {"status": "unlinked"}
    assert call(json=nested)["error_message"] == ""
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
