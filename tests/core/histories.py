"""Random histories of people who log in and out, as they reach us: late, twice, out of order, with clocks
that differ. A `Stage` plays each to the product and to the model."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from bot_linking.core.events import AccountLinked, Happening, LinkingEvent
from bot_linking.core.hooks import Hooks
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.linking import Linking
from bot_linking.core.links import Account
from bot_linking.core.ports import Attempt, Store

from .model import Model, Who

START_S = 1_800_000_000
STATIC_MS = 1_234_567_890_000
ACCOUNTS = ("ada", "grace", "joan")
CLOCKS = ("real", "seconds", "static", "missing", "mixed", "wild")


@dataclass
class Stage:
    """The product and the model, side by side, under one clock that the test turns."""

    store: Store
    now_s: float = START_S
    told: list[Happening] = field(default_factory=list)
    model: Model = field(default_factory=Model)

    def __post_init__(self) -> None:
        hooks = Hooks(clock=lambda: self.now_s, resolve_account=_customer)
        self.linking = Linking(self.store, tell=self.told.append, hooks=hooks)

    @property
    def now(self) -> int:
        return int(self.now_s * 1000)

    def mint(self, attempt_id: str, page: str, psid: str | None, account: str) -> str:
        attempt = Attempt(attempt_id, Account(account), "token", "https://example", self.now, page, psid)
        code = self.linking.approve(attempt)
        if code is None:
            return "refused"
        life = 300_000 if psid else 60_000
        self.model.mint(
            code, attempt=attempt_id, page=page, psid=psid, account=account, now=self.now, life=life
        )
        return code

    def deliver(self, events: list[LinkingEvent]) -> None:
        """Deliver one POST to the product and to the model."""
        self.linking.receive(events)
        for event in events:
            self.tell_model(event)

    def tell_model(self, event: LinkingEvent) -> None:
        who = (event.page_id, event.psid)
        if event.status == "linked":
            self.model.linked(who, event.authorization_code or "", event.timestamp, self.now)
        else:
            self.model.unlinked(who, event.timestamp)

    def unlink(self, who: Who) -> None:
        assert self.linking.unlink(who[1], who[0]) == self.model.unlinked_by_us(who, self.now)

    def bind(self, who: Who, account: str) -> None:
        outcome = self.linking.bind(who[1], Identifiers(username=account), who[0], source="api")
        assert isinstance(outcome, AccountLinked) == self.model.bound_by_us(who, account)

    def account_of(self, who: Who) -> str | None:
        link = self.store.find_link(*who)
        return link.account_id if link else None


def _customer(username: str | None, _email: str | None, _phone_number: str | None) -> Account:
    """`resolve_account` of the site: the account that the customer of this name signs in to."""
    assert username is not None
    return Account(username)


class History:
    """A history of two people of one page, each of whom may try the other's codes."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.rng = rng
        self.clock = rng.choice(CLOCKS)
        self.page = f"page-{rng.randrange(3)}"
        self.people: list[Who] = [(self.page, f"{name}-a"), (self.page, f"{name}-b")]
        self.name = name
        self.codes: list[tuple[str, Who]] = []
        self.in_flight: list[LinkingEvent] = []
        self.delivered: list[LinkingEvent] = []
        self.log: list[str] = []

    def step(self, stage: Stage) -> LinkingEvent | None:
        """Do one step. Returns the event to deliver now, if the step is a delivery."""
        do = self.rng.choices(
            (
                self._mint,
                self._tap_login,
                self._tap_logout,
                self._arrive,
                self._again,
                self._unlink_by_us,
                self._bind_by_us,
            ),
            (4, 6, 3, 9, 2, 0.5, 0.5),
        )[0]
        return do(stage)

    def last_deliveries(self) -> list[LinkingEvent]:
        """What is still under way, in any order."""
        self.rng.shuffle(self.in_flight)
        return [self._note_late(event) for event in self.in_flight]

    def _mint(self, stage: Stage) -> None:
        who = self.rng.choice(self.people)
        psid = who[1] if self.rng.random() < 0.8 else None
        attempt = f"{self.name}-{self.rng.randrange(4) if self.rng.random() < 0.2 else stage.model._count}"
        code = stage.mint(attempt, self.page, psid, self.rng.choice(ACCOUNTS))
        if code != "refused":
            self.codes.append((code, who))
            self.log.append(f"{stage.now}: mint {code} in {attempt} for {psid}")

    def _tap_login(self, stage: Stage) -> None:
        if not self.codes:
            return self._mint(stage)
        code, who = self.rng.choice(self.codes[-3:])
        if self.rng.random() < 0.05:
            who = self.rng.choice(self.people)
        self._emit(LinkingEvent(*who, "linked", code, self._timestamp(stage)))
        return None

    def _tap_logout(self, stage: Stage) -> None:
        page, psid = self.rng.choice(self.people)
        self._emit(LinkingEvent(page, psid, "unlinked", None, self._timestamp(stage)))

    def _emit(self, event: LinkingEvent) -> None:
        self.in_flight.append(event)

    def _arrive(self, stage: Stage) -> LinkingEvent | None:
        if not self.in_flight:
            self._tap_login(stage)
            return None
        which = 0 if self.rng.random() < 0.5 else self.rng.randrange(len(self.in_flight))
        event = self.in_flight.pop(which)
        self.delivered.append(event)
        return self._note(stage, event)

    def _again(self, stage: Stage) -> LinkingEvent | None:
        return self._note(stage, self.rng.choice(self.delivered)) if self.delivered else None

    def _note(self, stage: Stage, event: LinkingEvent) -> LinkingEvent:
        self.log.append(f"{stage.now}: {event} {event.authorization_code}")
        return event

    def _note_late(self, event: LinkingEvent) -> LinkingEvent:
        self.log.append(f"last: {event} {event.authorization_code}")
        return event

    def _unlink_by_us(self, stage: Stage) -> None:
        who = self.rng.choice(self.people)
        self.log.append(f"{stage.now}: we unlink {who}")
        stage.unlink(who)

    def _bind_by_us(self, stage: Stage) -> None:
        who, account = self.rng.choice(self.people), self.rng.choice(ACCOUNTS)
        self.log.append(f"{stage.now}: we link {who} to {account}")
        stage.bind(who, account)

    def _timestamp(self, stage: Stage) -> int | None:
        clock = self.rng.choice(CLOCKS) if self.clock == "mixed" else self.clock
        match clock:
            case "real":
                return stage.now
            case "seconds":
                return stage.now // 1000 * 1000
            case "static":
                return STATIC_MS
            case "wild":
                return STATIC_MS + self.rng.randrange(4)
        return None
