"""Messenger for a bot that is being killed: it delivers until it is acknowledged, and counts what reaches
it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from itertools import count
from typing import Any
from urllib.parse import urlencode, urljoin

import requests
from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

from bot_linking.testing import forms_of, refresh_of
from tests.owners.test_callbacks import signed_request
from tests.ways.test_pages import signed_request as signed_for_webview
from tests.wire import PAGE, batch, code_in, return_url, signature

PATIENCE_S = 120.0  # a very slow machine's, not the product's
PAUSE_S = 0.05
REQUEST_S = 60.0


_last_ms = 0
_clock = threading.Lock()


def now_ms() -> int:
    """Milliseconds, each later than the one before: a person does one thing at a time."""
    global _last_ms
    with _clock:
        _last_ms = max(_last_ms + 1, int(time.time() * 1000))
        return _last_ms


class Lost(AssertionError):
    """An event was never acknowledged."""


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open, as with the real one
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class Graph:
    """Takes messages, and says whose a token is: `token-of-<psid>`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.hurry = threading.Event()  # a call waits for it, half a second at most
        self.hurry.set()
        self.called = threading.Event()
        self.sent = list[tuple[str, str, str]]()  # entry, PSID, text or "unlink"
        self.replies = dict[str, dict[str, str]]()  # PSID to the newest quick replies, payload by title
        self._server = make_server("127.0.0.1", 0, self._app, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def of(self, psid: str) -> list[tuple[str, str]]:
        """Entry and text of each message to this person, in order."""
        with self._lock:
            return [(entry, text) for entry, who, text in self.sent if who == psid]

    def repeated(self) -> int:
        """How often an entry came again."""
        with self._lock:
            return sum(count - 1 for count in Counter(entry for entry, _, _ in self.sent).values())

    def _app(self, environ: Any, start_response: Any) -> Any:
        return Response(json.dumps(self._answer(Request(environ))), content_type="application/json")(
            environ, start_response
        )

    def _answer(self, request: Request) -> dict[str, Any]:
        self.called.set()
        self.hurry.wait(0.5)
        body = request.get_json(silent=True) or {}
        if request.path.endswith("/me/messages"):
            replies = body["message"].get("quick_replies") or ()
            if replies:
                self.replies[body["recipient"]["id"]] = {each["title"]: each["payload"] for each in replies}
            self._note(request, body["recipient"]["id"], str(body["message"].get("text")))
        elif request.path.endswith("/me/unlink_accounts"):
            self._note(request, body["psid"], "unlink")
        elif "account_linking_token" in request.args:
            return {"id": PAGE, "recipient": request.args["account_linking_token"].removeprefix("token-of-")}
        return {"id": PAGE, "recipient_id": "1", "message_id": "m", "first_name": "A", "last_name": "B"}

    def _note(self, request: Request, psid: str, text: str) -> None:
        with self._lock:
            self.sent.append((request.args["entry"], psid, text))


class Outside:
    """Everything that reaches the bot: Messenger's webhooks, a site's calls, a person's browser. Each
    repeats until it succeeds."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._began, self._openings = time.time(), count()

    def deliver(self, *events: dict[str, Any]) -> None:
        body = batch(*events)
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signature(body)}
        self._insist("/linking/webhook", body, headers)

    def call(self, key: str, psid: str, status: str, **identifiers: str) -> None:
        call = {
            "request": {"method": "account_link", "id": "r-1", "meta": ""},
            "recipient": {"id": psid},
            "account_linking": {"status": status, **identifiers},
        }
        headers = {"Content-Type": "application/json", "APIKEY": key}
        self._insist("/linking/api", json.dumps(call).encode(), headers)

    def unlink(self, psid: str) -> None:
        self._insist(f"/site/unlink/{psid}", b"", {})

    def ask_for(self, callback: str, user_id: str) -> str:
        """Send Meta's request about a person; returns its code."""
        form = urlencode({"signed_request": signed_request(user_id=user_id)}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._insist(f"/linking/{callback}", form, headers)
        return str(answer.json()["confirmation_code"])

    def _insist(self, path: str, body: bytes, headers: dict[str, str]) -> requests.Response:
        deadline, last = time.monotonic() + PATIENCE_S, "never tried"
        while time.monotonic() < deadline:
            try:
                with requests.Session() as session:
                    session.trust_env = False
                    answer = session.post(self.url + path, data=body, headers=headers, timeout=REQUEST_S)
                if answer.status_code == 200:
                    return answer
                last = str(answer.status_code)
            except requests.RequestException as problem:
                last = type(problem).__name__
            time.sleep(PAUSE_S)
        raise Lost(f"{path} was never acknowledged: {last}")

    def walk(self, psid: str, account: str, password: str) -> str:
        """Sign in and consent, and press again after an error; returns the code."""
        token = f"token-of-{psid}"
        opened = f"{self.url}/linking/login?" + urlencode(
            {"account_linking_token": token, "redirect_uri": return_url(token)}
        )
        with requests.Session() as browser:
            browser.trust_env = False
            page = self._press(browser, "GET", opened)
            page = self._submit(browser, page, "login", username=account, password=password)
            page = self._press(browser, "GET", urljoin(page.url, page.headers["Location"]))
            page = self._submit(browser, page, "consent")
            target = page.headers.get("Location") or refresh_of(page.text)
        if not target or "authorization_code=" not in target:
            raise Lost(f"the consent led nowhere ({page.status_code})")
        return code_in(target)

    def walk_web(self, token: str, account: str, password: str) -> str:
        """Walk from a web link to the last page; returns its digits."""
        with requests.Session() as browser:
            browser.trust_env = False
            page = self._press(browser, "GET", f"{self.url}/linking/web/{token}")
            page = self._sign_in_and_consent(browser, page, account, password)
        (digits,) = re.findall(r"\b(\d{3}) (\d{3})\b", re.sub(r"<[^>]+>", " ", page.text))
        return "".join(digits)

    def walk_menu(self, psid: str, account: str, password: str) -> None:
        """Walk in the webview that the menu opens, to the last page."""
        with requests.Session() as browser:
            browser.trust_env = False
            page = self._press(browser, "GET", f"{self.url}/linking/menu")
            # Each opening is of a second of its own, as those of a person are.
            signed = signed_for_webview(self._began - next(self._openings) % 200, psid=psid)
            page = self._submit(browser, page, "menu", signed_request=signed)
            page = self._sign_in_and_consent(browser, page, account, password)
        if "You can close this page" not in page.text:
            raise Lost(f"the menu's consent led nowhere ({page.status_code})")

    def _sign_in_and_consent(
        self, browser: requests.Session, page: requests.Response, account: str, password: str
    ) -> requests.Response:
        page = self._submit(browser, page, "login", username=account, password=password)
        page = self._press(browser, "GET", urljoin(page.url, page.headers["Location"]))
        page = self._submit(browser, page, "consent")
        return self._press(browser, "GET", urljoin(page.url, page.headers["Location"]))

    def _submit(
        self, browser: requests.Session, page: requests.Response, name: str, **fields: str
    ) -> requests.Response:
        form = next((each for each in forms_of(page.text) if each.name == name), None)
        if form is None:
            raise Lost(f"there is no {name} form ({page.status_code})")
        return self._press(browser, "POST", urljoin(page.url, form.action), data={**form.fields, **fields})

    def _press(self, browser: requests.Session, method: str, url: str, **given: Any) -> requests.Response:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                page = browser.request(method, url, timeout=REQUEST_S, allow_redirects=False, **given)
                if page.status_code < 500:
                    return page
            except requests.RequestException:
                pass
            time.sleep(PAUSE_S)
        raise Lost(f"{method} was never answered")
