"""A person's browser over real HTTP: the page that it shows, addresses and forms."""

from __future__ import annotations

from typing import Self

import requests

from bot_linking.simulator import Simulator

TIMEOUT_S = 60.0


class Visitor:
    """A browser with its cookies, of the people who chat in `messenger`."""

    def __init__(self, messenger: Simulator) -> None:
        self._messenger = messenger
        self._session = requests.Session()
        self._session.trust_env = False
        self._page: requests.Response | None = None

    @property
    def page(self) -> requests.Response:
        """The page that the browser shows."""
        if self._page is None:
            raise LookupError("no page has been opened yet")
        return self._page

    def visit(self, url: str) -> requests.Response:
        """Go to an address."""
        self._page = self._session.get(url, timeout=TIMEOUT_S)
        return self._page

    def post(self, url: str, fields: dict[str, str]) -> requests.Response:
        """Send a form."""
        self._page = self._session.post(url, data=fields, timeout=TIMEOUT_S)
        return self._page

    def close(self) -> None:
        """Close the browser."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
