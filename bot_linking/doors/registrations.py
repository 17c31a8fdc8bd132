"""What an extension has built for each app that it is registered with."""

from __future__ import annotations

import weakref
from typing import Generic, TypeVar

from flask import Flask

T = TypeVar("T")


class Registrations(Generic[T]):
    """One `T` for each app, which keeps it as its extension `key`.

    An extension keeps its only app alive, as it can be used without the app's context. Of several apps each
    lives for as long as the host keeps it: a test's own app no longer than the test.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        self._are_any = False
        self.sole: T | None = None  # while there has been only one

    def __bool__(self) -> bool:
        return self._are_any

    def __len__(self) -> int:
        return len(self._apps)

    def add(self, app: Flask, built: T) -> None:
        """Note what was built for this app."""
        self.sole, self._are_any = None if self._are_any else built, True
        app.extensions[self._key] = built
        self._apps.add(app)

    def of(self, app: Flask) -> T | None:
        """What was built for this app; None where nothing was."""
        return app.extensions[self._key] if app in self._apps else None

    def all(self) -> list[T]:
        """What was built for each app that still lives."""
        return [app.extensions[self._key] for app in list(self._apps)]
