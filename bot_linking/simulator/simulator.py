"""``Simulator``, which a developer starts and tests use: the engine with its HTTP server."""

from __future__ import annotations

from .engine import Engine
from .ports import listen
from .web.server import Server


class Simulator(Engine):
    """Messenger on a laptop: a chat page and a Graph API over HTTP, and signed events to ``webhook_url``.

    Begin with ``with Simulator(webhook_url) as sim`` or ``sim.start()``; the chat page is then at
    ``sim.url``. ``port=0`` takes a free port, which it keeps when it is started again. ``clock`` gives
    seconds since the epoch: tokens expire by it and events are stamped with it.
    ``messaging_type_required=False`` accepts the messages of older clients that never send a
    ``messaging_type``. ``retry_pauses`` are the seconds between the tries of a delivery. ``listener`` is a
    loopback socket that listens already, in place of ``host`` and ``port``: see ``listen_in_a_row``.
    ``wire_out`` gets one line of text for each request over the wire.

    Raises ``ValueError`` for an address that is not loopback and for a secret that could be a real one;
    ``start`` raises ``RuntimeError`` beside a production server or real credentials, ``PortTaken`` (an
    ``OSError``) when the port is in use, ``NoSuchPort`` (a ``ValueError``) when there is no such port.
    """

    _server: Server | None = None

    def start(self) -> None:
        """Begin to listen and to deliver, both in the background."""
        super().start()
        listener, self._listener = self._listener, None
        try:
            self._server = Server(self, listener or listen(self.host, self._port))
        except (OSError, ValueError):
            super().stop()
            raise
        self._port = self._server.port
        self._server.start()

    def stop(self) -> None:
        """End listening and delivering; stopping twice is allowed. What was said can still be read."""
        super().stop()
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def __enter__(self) -> Simulator:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
