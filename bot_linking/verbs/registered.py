"""The base of every verb: the installation of the current app."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from flask import Flask, current_app

from bot_linking import signals
from bot_linking.config.settings import Settings
from bot_linking.core.errors import ConfigurationError
from bot_linking.core.events import Happening, LoginCancelled
from bot_linking.core.linking import Linking
from bot_linking.delivery import Delivery
from bot_linking.delivery.worker import STOP_S
from bot_linking.doors import neighbour
from bot_linking.doors.registrations import Registrations
from bot_linking.installation import Installation
from bot_linking.interrupted import Interrupted

if TYPE_CHECKING:
    from bot_linking.messenger.kept_pages import RuntimePages
    from bot_linking.stores.store import SQLStore


class Registered:
    """The apps that this extension is registered with."""

    def __init__(self) -> None:
        self._interrupted = Interrupted()
        self._apps = Registrations[Installation](neighbour.EXTENSION)
        self._put_off: ConfigurationError | None = None

    def _here(self) -> Installation:
        """The installation of the current app, or of the only one. Raises `ConfigurationError` in a command
        of an app that is not configured."""
        if self._apps.sole is not None:
            return self._apps.sole
        if not self._apps:
            raise self._put_off or RuntimeError("this AccountLinking is not registered with any app yet")
        installation = self._apps.of(current_app._get_current_object())  # type: ignore[attr-defined]
        if installation is None:
            raise RuntimeError("this AccountLinking is not registered with the current app")
        return installation

    @property
    def settings(self) -> Settings:
        """The settings of the current app, as they were read and checked."""
        return self._here().settings

    @property
    def pages(self) -> RuntimePages:
        """Add, list, replace and remove pages while the bot runs; `flask linking page` is the same."""
        return self._here().runtime_pages

    @property
    def delivery(self) -> Delivery:
        """The worker of the outbox; in a test, `drain()` delivers what is due."""
        return self._here().delivery

    def stop(self, timeout: float = STOP_S) -> None:
        """Before the process ends: begin no new send, and finish those under way, within `timeout` seconds.

        Called automatically when Python ends and, where no other handler is set, at SIGTERM. Call it in the
        shutdown hook of a server that ends its workers in another way: see the table in
        `bot_linking/delivery/README.md`.
        """
        for installation in self._apps.all():
            installation.delivery.stop(timeout)
            installation.funnel.write()

    @property
    def store(self) -> SQLStore:
        """The store of the current app, for commands and tests."""
        return self._here().store

    @property
    def core(self) -> Linking:
        """The core of the current app, which the other methods call; for commands and tests."""
        return self._here().linking

    def now(self) -> int:
        """Milliseconds since the epoch, by the clock in use."""
        return self._here().linking.now()

    def _tell(self, app: weakref.ref[Flask], event: Happening) -> None:
        if isinstance(event, LoginCancelled):
            self._interrupted.cancel(event.resume)
        signals.tell(app(), event)
