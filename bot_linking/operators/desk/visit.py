"""What each page of the operator's needs of a request: who asks, what is given, how a page is shown."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import Response, request
from werkzeug.datastructures import MultiDict

from bot_linking.core.links import WAYS, from_ms
from bot_linking.core.reading import is_unicode
from bot_linking.core.ways import masked
from bot_linking.doors.body import this_request
from bot_linking.doors.form import form_of
from bot_linking.operators.terminal import how_long_ago, time_of

if TYPE_CHECKING:
    from bot_linking.installation import Installation
    from bot_linking.operators.desk.checks import Checks
    from bot_linking.webview.stamps import Stamps

LARGEST_FORM = 16 * 1024
LONGEST_FIELD = 320
ROWS = 50  # of a list on one page
SOURCES = frozenset(WAYS) | {
    *("messenger", "python", "api", "cli", "import", "undo", "site", "deauthorize"),
}

_log = logging.getLogger("bot_linking")


@dataclass(frozen=True, kw_only=True)
class Question:
    """An action to confirm. `address` is where the form leads, below the operator's page, and names the
    action in its ticket; `fields` say what it is about."""

    address: str
    title: str
    lines: tuple[str, ...]
    button: str
    fields: Mapping[str, str]
    is_final: bool = False

    @property
    def back(self) -> str:
        """The page to go back to."""
        return self.address.partition("/")[0]


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request of an operator. `operator` is the name that the host gives."""

    here: Installation
    operator: str
    stamps: Stamps
    checks: Checks

    @property
    def now(self) -> int:
        """Milliseconds since the epoch."""
        return self.here.linking.now()

    @property
    def source(self) -> str:
        """The source of a change in the history: the operator's name, with a prefix where it equals one of
        our own sources."""
        return f"operator:{self.operator}" if self.operator in SOURCES else self.operator

    # What came in

    def given(self, name: str) -> str:
        """A parameter of the address or, in a POST, a field of the form. Empty where it is missing, given
        twice, too long, or no Unicode text."""
        values = (self._form() if request.method == "POST" else request.args).getlist(name)
        value = values[0].strip() if len(values) == 1 else ""
        return value if len(value) <= LONGEST_FIELD and "\0" not in value and is_unicode(value) else ""

    def number(self, name: str, otherwise: int) -> int:
        """A parameter as a whole number that the store can keep, else `otherwise`."""
        value = self.given(name)
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else otherwise

    def require_ticket(self, act: str, fields: Mapping[str, str]) -> None:
        """Raise `Notice` unless this form was given to this operator in this browser for this act and these
        fields."""
        browser = self.here.webview.browser
        browser.require_stamp(self.stamps, self._form(), f"operator {act}", self._about(fields))

    # What goes out

    def show(self, template: str, status: int = 200, /, **context: Any) -> Response:
        """A page of the operator's, by its template."""
        return self.here.webview.pages.show(
            f"operator/{template}",
            status,
            operator=self.operator,
            place=template,
            ago=self.ago,
            moment=time_of,
            masked=masked,
            query=lambda **values: urlencode({k: v for k, v in values.items() if v not in (None, "")}),
            done=self.given("done") if request.method == "GET" else "",
            **context,
        )

    def ask(self, question: Question) -> Response:
        """The page that asks whether to do it."""
        return self.with_ticket(
            question.address, question.fields, lambda ticket: self.show("ask", ask=question, ticket=ticket)
        )

    def with_ticket(self, act: str, fields: Mapping[str, str], show: Callable[[str], Response]) -> Response:
        """A page with a form for this act; `show` is called with the form's ticket."""
        browser = self.here.webview.browser
        secret = browser.secret()
        ticket = self.stamps.make(f"operator {act}", self._about(fields), secret)
        return browser.remember(show(ticket), secret)

    def go(self, address: str, **query: str) -> Response:
        """303 to an address below the operator's page; the empty one is the first page."""
        root = f"{self.here.webview.pages.root}/operator"
        address = f"{root}/{address}" if address else root
        return self.here.webview.pages.go(f"{address}?{urlencode(query)}" if query else address)

    def note(
        self, act: str, *, page_id: str | None = None, psid: str | None = None, about: str | None = None
    ) -> None:
        """Store what the operator did, and log it without the person."""
        store = self.here.store
        store.save_act(self.operator, act, self.now, page_id=page_id, psid=psid, about=about)
        _log.info("operator %s: %s", self.operator, act)

    def ago(self, ms: int | None) -> str:
        """A time of the store in words, such as `2 hours ago`."""
        return "never" if ms is None else how_long_ago(from_ms(ms), now=from_ms(self.now))

    def _form(self) -> MultiDict[str, str]:
        return form_of(this_request(), LARGEST_FORM)

    def _about(self, fields: Mapping[str, str]) -> str:
        return json.dumps([self.operator, sorted(fields.items())])
