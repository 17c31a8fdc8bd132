"""Reads the linking pages as a browser without JavaScript does: their forms and their redirects."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """One form: the address that it is sent to, and its fields with their values."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The last part of its action: `login`, `signup`, `consent`, `switch` or `cancel`."""
        return self.action.partition("?")[0].rstrip("/").rpartition("/")[2]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.refresh: str | None = None
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
            self._inside = True
        elif tag == "input" and self._inside and "name" in given:
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self.refresh = given.get("content", "").partition("url=")[2] or None

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def forms_of(html: str) -> list[Form]:
    """The forms of a page, in order."""
    return _read(html).forms


def refresh_of(html: str) -> str | None:
    """The address to which the page leads automatically; None where it does not."""
    return _read(html).refresh
