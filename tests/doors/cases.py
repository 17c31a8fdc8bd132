"""What every door with a key must pass: a class of cases that each door's own test inherits."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass
class Answer:
    """A status, and whether the door's envelope says that the call was done."""

    status: int
    is_done: bool


class Door(ABC):
    """One door with a good key, a right call, and what the store holds after the calls so far."""

    key: str
    call: dict[str, Any]
    largest_body: int

    @abstractmethod
    def send(self, body: bytes, key: str | None) -> Answer:
        """Send a body as JSON, with this key or with none."""

    @abstractmethod
    def rotate(self) -> str:
        """Make another key, revoke the one before, and return the new one."""

    @abstractmethod
    def facts(self) -> list[Any]:
        """What the store holds of the calls, without times."""

    def right(self, **more: Any) -> bytes:
        return json.dumps(self.call | more).encode()


class Cases:
    """Inherited by a class that has a fixture `door`."""

    @pytest.mark.parametrize("key", [None, "", "wrong", "é" * 40, "x" * 5000])
    def test_without_a_good_key_nothing_is_done(self, door: Door, key: str | None) -> None:
        before = door.facts()
        assert door.send(door.right(), key) == Answer(401, False)
        assert door.facts() == before

    @pytest.mark.parametrize("body", [b"", b"no JSON", b'{"a":' * 9, b"\xff\xfe"])
    def test_without_a_good_key_no_body_is_looked_at(self, door: Door, body: bytes) -> None:
        assert door.send(body, None) == Answer(401, False)
        assert door.send(b" " * (door.largest_body + 1), None) == Answer(401, False)

    @pytest.mark.parametrize("at", [0, 7, -1])
    def test_a_key_of_which_one_character_was_altered_is_no_key(self, door: Door, at: int) -> None:
        at %= len(door.key)
        altered = door.key[:at] + ("A" if door.key[at] != "A" else "B") + door.key[at + 1 :]
        before = door.facts()
        assert door.send(door.right(), altered) == Answer(401, False)
        assert door.facts() == before
        assert door.send(door.right(), door.key) == Answer(200, True)

    def test_after_a_rotation_the_new_key_alone_is_good(self, door: Door) -> None:
        old = door.key
        new = door.rotate()
        assert door.send(door.right(), old) == Answer(401, False)
        assert door.send(door.right(), new) == Answer(200, True)

    def test_a_body_that_is_too_large_is_refused_and_one_that_just_fits_is_not(self, door: Door) -> None:
        before, room = door.facts(), door.largest_body - len(door.right(more=""))
        assert door.send(door.right(more="x" * (room + 1)), door.key) == Answer(413, False)
        assert door.facts() == before
        assert door.send(door.right(more="x" * room), door.key) == Answer(200, True)

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b"{} {}", b'{"\xff": 1}'])
    def test_what_is_no_json_object_is_refused(self, door: Door, body: bytes) -> None:
        before = door.facts()
        assert door.send(body, door.key) == Answer(400, False)
        assert door.facts() == before

    def test_a_call_that_is_sent_twice_is_one_fact(self, door: Door) -> None:
        before = door.facts()
        first = door.send(door.right(), door.key)
        after = door.facts()
        assert first == door.send(door.right(), door.key) == Answer(200, True)
        assert door.facts() == after != before
