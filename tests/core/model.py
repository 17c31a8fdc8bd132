"""A second, slow implementation of the ordering rules, with which the product must agree. It imports nothing
of the package. One counter numbers everything that happens, so that "minted after it was processed" is a
comparison of two numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

Who = tuple[str, str]


@dataclass
class ModelCode:
    number: int
    attempt: str
    page: str
    bound_to: str | None
    account: str
    dies_at: int
    minted_at: int
    used: bool = False


@dataclass
class ModelPerson:
    account: str | None = None
    link_time: int | None = None  # the timestamp of the event that made the link
    link_number: int = 0  # when the link was made
    link_code: int = 0  # when its code was minted
    unlink_time: int | None = None  # of the last unlink
    unlink_number: int = 0  # when the last unlink was processed
    unlinks_seen: set[int] = field(default_factory=set)


class Model:
    """(page, person) to account, replayed from what arrived."""

    def __init__(self) -> None:
        self.codes: dict[str, ModelCode] = {}
        self.people: dict[Who, ModelPerson] = {}
        self._count = 0

    def account_of(self, who: Who) -> str | None:
        return self._person(who).account

    def mint(
        self, code: str, *, attempt: str, page: str, psid: str | None, account: str, now: int, life: int
    ) -> None:
        self.codes[code] = ModelCode(self._next(), attempt, page, psid, account, now + life, now)

    def linked(self, who: Who, code_text: str, time: int | None, now: int) -> bool:
        """Whether the person is linked by this event."""
        code = self.codes.get(code_text)
        if code is None or code.used:  # rule 2
            return False
        if code.page != who[0] or code.bound_to not in (None, who[1]) or not self._lives(code, time, now):
            return False
        for other in self.codes.values():
            if other.attempt == code.attempt:
                other.used = True
        person = self._person(who)
        if code.number < person.unlink_number and _known_not_later(time, person.unlink_time):
            return False  # rule 3; at the same moment there is a doubt, and rule 5 decides it
        if (
            person.account is not None
            and code.number < person.link_number
            and self._older(code, time, person)
        ):
            return False
        person.account = code.account
        person.link_time, person.link_number, person.link_code = time, self._next(), code.number
        return True

    def unlinked(self, who: Who, time: int | None) -> bool:
        """Whether the person's link is ended by this event."""
        person = self._person(who)
        seen = time in person.unlinks_seen
        if time is not None:
            person.unlinks_seen.add(time)
        if person.account is None:
            # Nothing to end; it is the last unlink from now on if it is the newest of them.
            if time is not None and (person.unlink_time is None or time > person.unlink_time):
                person.unlink_time, person.unlink_number = time, self._next()
            return False
        stale = seen if person.link_time is None else time is not None and time < person.link_time
        if stale:  # rule 4
            return False
        # Rule 8: without a time of its own, it came after the link that it ends.
        self._end(person, time if time is not None else person.link_time)
        return True

    def unlinked_by_us(self, who: Who, now: int) -> bool:
        person = self._person(who)
        if person.account is None:
            return False
        self._end(person, now)
        return True

    def bound_by_us(self, who: Who, account: str) -> bool:
        """Link without an event, and so without a timestamp. The same account again changes nothing."""
        person = self._person(who)
        if person.account == account:
            return False
        person.account = account
        person.link_time, person.link_number, person.link_code = None, self._next(), 0
        return True

    def _end(self, person: ModelPerson, time: int | None) -> None:
        person.account = None
        person.unlink_number = self._next()
        times = [each for each in (time, person.unlink_time) if each is not None]
        person.unlink_time = max(times) if times else None

    def _lives(self, code: ModelCode, time: int | None, now: int) -> bool:
        """Whether the code had not expired. Before its expiry our clock decides; after it the event's
        timestamp, which may be in whole seconds or of a clock that is a minute behind."""
        return now <= code.dies_at or (time is not None and code.minted_at - 60_000 <= time <= code.dies_at)

    def _older(self, code: ModelCode, time: int | None, person: ModelPerson) -> bool:
        """Whether this event lost: of two links the newer event's stays; at one moment, that of the later
        code."""
        if time is None or person.link_time is None:
            return False  # rule 8: order of arrival
        return (time, code.number) < (person.link_time, person.link_code)

    def _person(self, who: Who) -> ModelPerson:
        return self.people.setdefault(who, ModelPerson())

    def _next(self) -> int:
        self._count += 1
        return self._count


def _known_not_later(time: int | None, other: int | None) -> bool:
    return time is not None and other is not None and time <= other
