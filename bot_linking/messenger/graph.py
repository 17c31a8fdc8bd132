"""The Graph calls that linking needs.

Each process has one pooled session. Every call has a time-out, an `appsecret_proof`, and the token in a
header rather than in the URL. Errors are `GraphError`, whose text holds no secret.
"""

from __future__ import annotations

import hmac
import json
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from bot_linking.config.readers import is_sendable
from bot_linking.core.codes import bytes_of
from bot_linking.core.errors import DeliveryFailed
from bot_linking.core.reading import read_id, whole_number
from bot_linking.messenger.refusals import About, refusal_of
from bot_linking.messenger.usage import percent_used, retry_after
from bot_linking.messenger.wording import values_in, wording_of

if TYPE_CHECKING:
    import requests

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 5.0
TOTAL_TIMEOUT_S = 10.0
POOLED = 256  # connections that stay open; more calls at once open more
LARGEST_ANSWER = 1 << 20
INVALID_LINKING_TOKEN = 10303
_INVALID_TOKEN = 190
_UNSENDABLE = "the access token has a character that cannot be sent"

_NO_SUCH_USER = {33, 2018001}
_ADVICE: dict[About, Literal["later", "never", "page", "window"]] = {
    About.PERSON: "never",
    About.WINDOW: "window",
    About.PAGE: "page",
    About.PASSING: "later",
    About.STRANGER: "later",
}


# A call as it was made: path, query without our proof, body.
_Asked = tuple[str, Mapping[str, str], Any]


class Recipient(NamedTuple):
    """The page and the person of an `account_linking_token`."""

    page_id: str
    psid: str


class GraphError(DeliveryFailed):
    """Graph refused a call, or did not answer.

    `status` is the HTTP status (None without an answer), `code` and `subcode` are Graph's numbers, and
    `about` is what the refusal is about, by the table in `messenger.refusals`. The outbox acts by `advice`,
    `whole_page`, `cause` and `retry_after` (seconds). `transient` means that the advice is `later`.
    """

    slug: ClassVar[str] = "graph_error"

    def __init__(
        self,
        problem: str,
        *,
        status: int | None = None,
        code: int | None = None,
        subcode: int | None = None,
        is_transient: bool = False,
        retry_after: float | None = None,
        message: str = "",
    ) -> None:
        super().__init__(problem)
        self.status, self.code, self.subcode = status, code, subcode
        row = refusal_of(status, code, subcode, is_transient=is_transient, message=message)
        self.about, self.cause = row.about, row.cause
        self.advice = _ADVICE[row.about]
        self.whole_page = row.whole_page or status == 429
        self.retry_after = max(retry_after or 0.0, row.pause_s) or None

    @property
    def transient(self) -> bool:
        return self.advice == "later"


class Graph:
    """Calls for one page. `url` is the Graph address, `version` is like `v26.0`. `on_error` gets each failed
    call's error, `on_usage` the used per cent of a limit from each answer that names it."""

    def __init__(
        self,
        access_token: str,
        app_secret: str,
        *,
        url: str,
        version: str,
        on_error: Callable[[GraphError], None] = lambda problem: None,
        on_usage: Callable[[float], None] = lambda percent: None,
    ) -> None:
        self._token = access_token
        self._url, self.version = url, version
        self._on_error = on_error
        self._on_usage = on_usage
        self.base = f"{url.rstrip('/')}/{version}"
        self._way: dict[str, Any] | None = None
        self._proof = hmac.digest(bytes_of(app_secret), bytes_of(access_token), "sha256").hex()

    def __repr__(self) -> str:
        return f"Graph({self.base!r})"

    def owner_of(self, account_linking_token: str) -> Recipient:
        """Who opened the linking page. Raises `GraphError`, with code 10303 for a token that has expired or
        is not Messenger's.

        Source: account linking, "Retrieving the PSID".
        """
        answer = self.get("me", fields="recipient", account_linking_token=account_linking_token)
        page_id, psid = read_id(answer.get("id")), read_id(answer.get("recipient"))
        if page_id is None or psid is None:
            raise GraphError("Graph named no recipient for the account_linking_token", status=200)
        return Recipient(page_id, psid)

    def as_app(self, app_id: str, app_secret: str) -> Graph:
        """Calls of the app itself, to the same address and version."""
        return Graph(f"{app_id}|{app_secret}", app_secret, url=self._url, version=self.version)

    def page_id(self) -> str | None:
        """The page that the access token belongs to."""
        return read_id(self.get("me", fields="id").get("id"))

    def unlink(self, psid: str) -> None:
        """End the link on Messenger's side. Source: account linking, "Unlinking"."""
        self.post("me/unlink_accounts", {"psid": psid})

    def profile_name(self, psid: str) -> str | None:
        """The person's first and last name; None when this page may not know it.

        Source: User Profile API, which answers an empty object without permission.
        """
        answer = self.get(psid, fields="first_name,last_name")
        names = (answer.get("first_name"), answer.get("last_name"))
        return " ".join(name for name in names if isinstance(name, str) and name) or None

    def knows(self, psid: str) -> bool:
        """Whether this PSID is a person on this page.

        Source: Graph's error table; 100 with subcode 33 or 2018001 is "no such user".
        """
        try:
            self.get(psid, fields="id")
        except GraphError as problem:
            if problem.code == 100 and problem.subcode in _NO_SUCH_USER:
                return False
            raise
        return True

    def send(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """One Send API call; the answer has `recipient_id` and `message_id`."""
        return self.post("me/messages", {"messaging_type": "RESPONSE", **payload})

    def get(self, path: str, **parameters: str) -> dict[str, Any]:
        return self._call("GET", path, params=parameters)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._call("POST", path, json=body)

    def _call(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, **body: Any
    ) -> dict[str, Any]:
        try:
            return self._ask(method, path, params or {}, **body)
        except GraphError as problem:
            self._on_error(problem)
            raise

    def _ask(self, method: str, path: str, params: Mapping[str, str], **body: Any) -> dict[str, Any]:
        import requests
        from urllib3.exceptions import HTTPError

        if not is_sendable(self._token):  # http.client would raise an error that shows it
            raise GraphError(_UNSENDABLE, status=400, code=_INVALID_TOKEN)
        deadline = time.monotonic() + TOTAL_TIMEOUT_S
        query = {**params, "appsecret_proof": self._proof}
        try:
            url, how = f"{self.base}/{path}", {"params": query, "auth": self._authorize, **body}
            how |= {"timeout": (CONNECT_TIMEOUT_S, READ_TIMEOUT_S), "allow_redirects": False, "stream": True}
            how |= self._way_out()
            with _session().request(method, url, **how) as response:
                if (percent := percent_used(response.headers)) is not None:
                    self._on_usage(percent)
                content = _read(response, deadline)
                return self._judge(response, content, asked=(path, params, body.get("json")))
        except (requests.RequestException, HTTPError) as problem:  # HTTPError: while the body is read
            # The error's text holds the whole URL.
            raise GraphError(f"Graph did not answer: {type(problem).__name__}") from None

    def _way_out(self) -> dict[str, Any]:
        """Proxies and certificates as the environment named them at the first call: requests would read the
        whole environment again for each, which takes longer than all the rest."""
        if self._way is None:
            import requests

            with requests.Session() as trusting:
                found = trusting.merge_environment_settings(self.base, {}, None, None, None)
            self._way = {"proxies": found["proxies"], "verify": found["verify"]}
        return self._way

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the header in an `auth` callable: without one, requests would take a login from .netrc."""
        request.headers["Authorization"] = "Bearer " + self._token
        return request

    def _judge(self, response: requests.Response, content: bytes, asked: _Asked) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        error = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(answer, dict) and error is None and response.status_code == 200:
            return answer
        error = error if isinstance(error, dict) else {}
        code, subcode = whole_number(error.get("code")), whole_number(error.get("error_subcode"))
        raise GraphError(
            self._explain(response.status_code, code, subcode, error, asked),
            status=response.status_code,
            code=code,
            subcode=subcode,
            is_transient=error.get("is_transient") is True,
            retry_after=retry_after(response.headers),
            message=str(error.get("message", "")),
        )

    def _explain(
        self, status: int, code: int | None, subcode: int | None, error: dict[str, Any], asked: _Asked
    ) -> str:
        numbers = f"Graph answered {status}" + (f", code {code}" if code is not None else "")
        numbers += f", subcode {subcode}" if subcode is not None else ""
        path, params, body = asked
        secrets = [self._token, self._proof, *(params[name] for name in params if name != "fields")]
        return numbers + wording_of(error, secrets, [*values_in(path.split("/")), *values_in(body)])


def _read(response: requests.Response, deadline: float) -> bytes:
    """The answer's bytes. Raises `GraphError` when they are too many or take longer than the whole call
    may."""
    content = b""
    while chunk := response.raw.read1(65536, decode_content=True):
        content += chunk
        if len(content) > LARGEST_ANSWER or time.monotonic() > deadline:
            raise GraphError("Graph's answer is too long or too slow")
    return content


_sessions: dict[int, requests.Session] = {}


def _session() -> requests.Session:
    """This process's pooled session. A forked child gets its own, since it must not share its parent's
    sockets."""
    session = _sessions.get(os.getpid())
    if session is None:
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        session = requests.Session()
        session.trust_env = False  # each `Graph` has read it once
        # Only a failed connect is retried here. A request may have arrived: the outbox decides about those.
        retry = Retry(total=None, connect=1, read=0, status=0, redirect=0, other=0, backoff_factor=0.1)
        adapter = HTTPAdapter(pool_connections=8, pool_maxsize=POOLED, max_retries=retry)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        _sessions.clear()
        _sessions[os.getpid()] = session
    return session
