"""Faults on demand: each switch makes Messenger fail in one way in which the real one fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class SwitchNote:
    """How the chat page names and explains one switch."""

    name: str
    label: str
    explanation: str


#: The switches in the order in which the page shows them.
SWITCH_NOTES = (
    SwitchNote("redeliver", "Redeliver", "Post each event three times in all."),
    SwitchNote("batch", "Batch", "Hold up to three events, then post them as one."),
    SwitchNote("delay", "Delay", "Wait before each event is posted."),
    SwitchNote("wrong_signature", "Wrong signature", "Sign events with another secret."),
    SwitchNote("graph_down", "Graph down", "Every Graph call answers 503."),
    SwitchNote("rate_limited", "Rate limited", "Every Graph call answers code 613."),
    SwitchNote("expired_token", "Page token expired", "Graph refuses the page token: code 190."),
    SwitchNote("european_page", "European page", "Log In buttons are refused: 10/2018336."),
    SwitchNote("missing_permission", "No permission", "Changing the page or the app is refused: code 200."),
    SwitchNote("unmatched", "Ids not matched", "ids_for_pages finds nobody."),
    SwitchNote("outside_window", "24 hours over", "Messages outside the window are refused: 10/2018278."),
    SwitchNote("utility_refused", "Template refused", "Utility messages are refused: code 100."),
    SwitchNote(
        "expired_linking_token", "Log-in link expired", "The account_linking_token is refused: code 10303."
    ),
)
_NAMES = tuple(note.name for note in SWITCH_NOTES)
#: Longest ``delay`` in seconds.
LONGEST_DELAY = 600.0


class Switches:
    """Switches to flip from a test or from the page, at any time and from any thread.

    All are ``bool`` except ``delay``, which is a number of seconds. A wrong name raises
    ``AttributeError``, a wrong value ``ValueError``.
    """

    redeliver: bool
    batch: bool
    delay: float
    wrong_signature: bool
    graph_down: bool
    rate_limited: bool
    expired_token: bool
    european_page: bool
    missing_permission: bool
    unmatched: bool
    outside_window: bool
    utility_refused: bool
    expired_linking_token: bool

    def __init__(self, on_change: Callable[[str], None] = lambda name: None) -> None:
        object.__setattr__(self, "_lock", threading.Lock())
        object.__setattr__(self, "_values", {name: 0.0 if name == "delay" else False for name in _NAMES})
        object.__setattr__(self, "_on_change", on_change)

    def __getattr__(self, name: str) -> bool | float:
        values: dict[str, bool | float] = self.__dict__["_values"]
        if name not in values:
            raise AttributeError(f"there is no switch {name!r}; there are {', '.join(_NAMES)}")
        with self.__dict__["_lock"]:
            return values[name]

    def __setattr__(self, name: str, value: bool | float) -> None:
        if name not in _NAMES:
            raise AttributeError(f"there is no switch {name!r}; there are {', '.join(_NAMES)}")
        checked = _seconds(value) if name == "delay" else _flag(name, value)
        with self.__dict__["_lock"]:
            self.__dict__["_values"][name] = checked
        self.__dict__["_on_change"](name)

    def as_dict(self) -> dict[str, bool | float]:
        """Return every switch and its value."""
        with self.__dict__["_lock"]:
            return dict(self.__dict__["_values"])

    def reset(self) -> None:
        """Set every switch back to its value at the start."""
        for name in _NAMES:
            setattr(self, name, 0.0 if name == "delay" else False)


def _seconds(value: bool | float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LONGEST_DELAY:
        raise ValueError(f"delay is a number of seconds between 0 and {LONGEST_DELAY:.0f}")
    return float(value)


def _flag(name: str, value: bool | float) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} is either True or False")
    return value
