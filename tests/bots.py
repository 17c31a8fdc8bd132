"""A bot under test, with its clock, its host, its Graph, and what its signals sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot_linking import AccountLinking, WebhookReceived
from tests.browser import Browser
from tests.graph import ScriptedGraph
from tests.people import Site
from tests.wire import APP_SECRET, PSID, TOKEN, batch, linked_event, signature

START = 1_800_000_000.0


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, start: float = START) -> None:
        self.seconds = start

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds

    @property
    def ms(self) -> int:
        return int(self.seconds * 1000)


@dataclass
class Heard:
    """The events that the signals of one app sent, in order."""

    events: list[Any] = field(default_factory=list)

    def names(self) -> list[str]:
        """The names of the events, without the funnel's stages."""
        names = [type(event).__name__ for event in self.events]
        return [name for name in names if name != "StageReached"]

    def of(self, name: str) -> list[Any]:
        return [event for event in self.events if type(event).__name__ == name]

    def reasons(self) -> list[str]:
        return [event.reason for event in self.of("LinkingRefused")]

    def hear(self, _app: object, event: Any) -> None:
        if not isinstance(event, WebhookReceived):  # one for each request, whatever it came to
            self.events.append(event)


@dataclass
class Bot:
    """A bot under test, with everything around it."""

    app: Flask
    linking: AccountLinking
    site: Site
    clock: Clock
    graph: ScriptedGraph
    heard: Heard
    database: Path

    def browser(self, prefix: str = "/linking") -> Browser:
        return Browser(self.app, self.linking.settings.public_url, prefix)

    def client(self) -> FlaskClient:
        return self.app.test_client()

    def post(
        self, body: bytes, secret: str = APP_SECRET, path: str = "/linking/webhook", **headers: str
    ) -> TestResponse:
        """One webhook POST, signed."""
        given = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": signature(body, secret),
            **headers,
        }
        return self.client().post(path, data=body, headers=given)

    def link(self, psid: str = PSID, token: str = TOKEN) -> None:
        """Link a person to Ada's account, through the pages and the webhook."""
        code = self.browser().code(token)
        answer = self.post(batch(linked_event(code, psid=psid, at=self.clock.ms)))
        assert answer.status_code == 200

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table with its rows."""
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(self.database)) as connection:
            tables = [
                name
                for (name,) in connection.execute(
                    "select name from sqlite_master where type = 'table' order by 1"
                )
            ]
            return {name: connection.execute(f"select * from {name}").fetchall() for name in tables}


NewBot = Callable[..., Bot]
