"""Keeps engines safe when their process forks: a child must not use the connections of its parent."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forkable(Protocol):
    """An engine with connections that a child must not share with its parent."""

    def hold_for_fork(self) -> None:
        """In the parent, before it forks: wait until no other thread is using the engine, and keep it so."""

    def go_on_after_fork(self, *, in_child: bool) -> None:
        """In both processes, after the fork: let threads use the engine again. In the child, every open
        connection is the parent's."""


_engines: weakref.WeakSet[Forkable] = weakref.WeakSet()
_turn = threading.Lock()  # of the thread that forks
_held: list[Forkable] = []


def mind_forks(engine: Forkable) -> None:
    """Call this engine before and after each fork, for as long as the engine lives."""
    _engines.add(engine)


def _before() -> None:
    _turn.acquire()
    for engine in list(_engines):
        engine.hold_for_fork()
        _held.append(engine)


def _after(*, in_child: bool) -> None:
    while _held:
        _held.pop().go_on_after_fork(in_child=in_child)
    _turn.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before,
        after_in_parent=lambda: _after(in_child=False),
        after_in_child=lambda: _after(in_child=True),
    )
