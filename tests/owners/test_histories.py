"""A thousand random histories of link, undo, unlink, Log Out, erase and deletion end where a model of them
ends."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot_linking.core.events import Happening, LinkingEvent
from bot_linking.core.hooks import Hooks
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.linking import Linking
from bot_linking.core.links import Account
from bot_linking.core.ports import Attempt, OutboxEntry
from bot_linking.core.rights import request_deletion
from bot_linking.core.ways import OUT, ChatEvent, Ways
from bot_linking.messenger.owner_deliveries import OwnerDeliveries
from bot_linking.stores import open_store
from bot_linking.stores.store import SQLStore
from tests import postgres

from .model import ModelLink, OwnerModel

PAGE = "102030405060708"
CHUNKS, HISTORIES, STEPS = 10, 100, 14
ACCOUNTS = ("ada", "grace", "joan")
PAUSES_S = (1, 1, 1, 20, 3600, 50_000, 90_000, 700_000)


@pytest.fixture(params=["postgres", "sqlite"])
def store(request: pytest.FixtureRequest) -> Iterator[SQLStore]:
    """A store in memory where the machine has such a folder: these tests are not about disks."""
    memory = Path("/dev/shm")
    with ExitStack() as stack:
        if request.param == "postgres":
            pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
            address = stack.enter_context(postgres.empty_schema())
        else:
            folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
            address = f"sqlite:///{stack.enter_context(folder)}/links.db"
        opened = open_store(address)
        opened.migrate()
        stack.callback(opened.close)
        yield opened


@dataclass
class Stage:
    """The product and the model, side by side, under one clock."""

    store: SQLStore
    rng: random.Random
    now_s: float = 1_800_000_000
    told: list[Happening] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    number: int = 0
    app_users: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model = OwnerModel()
        hooks = Hooks(
            clock=lambda: self.now_s,
            resolve_account=lambda username, email, _: Account(username or "", username, email),
            psids_of=lambda user_id: [(PAGE, self.app_users[user_id])],
        )
        self.linking = Linking(self.store, tell=self.told.append, hooks=hooks, page_id=PAGE)
        counted: Any = None  # no log-out is counted in the funnel
        self.ways = Ways(self.linking, counted)
        bots: Any = None  # the host is asked, never Graph
        self.requests = OwnerDeliveries(self.linking, bots, hooks=hooks, app_id=None, undo_url="")

    @property
    def now(self) -> int:
        return int(self.now_s * 1000)

    def next(self) -> int:
        self.number += 1
        return self.number

    def some_link(self) -> ModelLink:
        account = self.rng.choice(ACCOUNTS)
        return ModelLink(account, f"{account}{self.next()}@example.com")

    # What may happen to a chat

    def mint(self, who: str) -> None:
        link = self.some_link()
        account = Account(link.account, link.account, link.email)
        attempt = Attempt(f"attempt-{who}-{self.next()}", account, "token", "https://x", self.now, PAGE, who)
        code = self.linking.approve(attempt)
        assert code is not None
        self.model.mint(who, code, link, self.now)

    def redeem(self, who: str) -> None:
        codes = self.model.chat(who).codes
        code = self.rng.choice(list(codes) or ["a code that nobody minted".replace(" ", "-").ljust(32, "-")])
        self.linking.receive([LinkingEvent(PAGE, who, "linked", code, self.now)])
        self.model.redeem(who, code, self.now)

    def bind(self, who: str) -> None:
        link = self.some_link()
        self.linking.bind(who, Identifiers(link.account, link.email), source="api")
        self.model.link(who, link, self.now)

    def unlink(self, who: str) -> None:
        assert self.linking.unlink(who) == self.model.unlink(who)

    def log_out(self, who: str) -> None:
        self.linking.receive([LinkingEvent(PAGE, who, "unlinked", None, self.now)])
        self.model.touch(who)  # when they logged out, to know it when it comes again
        self.model.unlink(who)

    def log_out_by_ours(self, who: str) -> None:
        """The button of our own confirmations, whose tap may be delivered again."""
        tap = ChatEvent(PAGE, who, self.now)
        for _ in range(2):
            assert self.ways.take_answer(tap, OUT)
        self.model.touch(who)
        self.model.unlink(who)

    def undo(self, who: str) -> None:
        before = len(self.told)
        self.linking.undoing.undo(PAGE, who)
        did = type(self.told[before]).__name__ != "EventIgnored"
        assert did == self.model.undo(who, self.now)

    def erase(self, who: str) -> None:
        assert (self.linking.erase(who) > 0) == self.model.erase(who)

    def delete(self, who: str) -> None:
        """Meta asks, the host says who that is, and the outbox does it."""
        assert self._ask("deletion", who) == ("done" if self.model.erase(who) else "nothing")

    def deauthorize(self, who: str) -> None:
        assert self._ask("deauthorize", who) == ("done" if self.model.unlink(who) else "nothing")

    def _ask(self, kind: str, who: str) -> str:
        number = self.next()
        user_id, code = str(number), f"{who}{number:032}"
        self.app_users[user_id] = who
        request_deletion(self.linking, kind, user_id, f"digest {who} {number}", code)
        entry = OutboxEntry(1, "", "", "", "deletion", {"code": code}, self.now, 0)
        self.requests.fulfil(entry)
        self.requests.fulfil(entry)  # delivered again
        found = self.store.find_deletion(code)
        assert found is not None
        return found.state

    # Where it stands

    def compare(self, who: str) -> None:
        story = "\n".join(self.log)
        expected, link = self.model.chat(who), self.store.find_link(PAGE, who)
        found = ModelLink(link.account_id, link.email or "") if link else None
        assert found == expected.link, story
        undo = self.store.find_undo(PAGE, who)
        assert (undo is not None and not undo.undone) == (
            expected.change is not None and not expected.change.undone
        ), story
        if not expected.is_held:
            held = self.store.export(None, who)
            assert [table for table, rows in held.items() if rows] == [], story


Do = Callable[[Stage, str], None]
WHAT: tuple[tuple[Do, float], ...] = (
    (Stage.mint, 4),
    (Stage.redeem, 5),
    (Stage.bind, 3),
    (Stage.unlink, 1),
    (Stage.log_out, 1),
    (Stage.log_out_by_ours, 1),
    (Stage.undo, 4),
    (Stage.erase, 0.5),
    (Stage.delete, 0.5),
    (Stage.deauthorize, 0.5),
)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_histories_of_the_owners_control_end_where_the_model_ends(store: SQLStore, chunk: int) -> None:
    did = dict.fromkeys((do.__name__ for do, _ in WHAT), 0)
    restored = 0
    for number in range(HISTORIES):
        stage = Stage(store, random.Random(f"{chunk}/{number}"))
        people = [f"{chunk:02}{number:03}{which}" for which in (1, 2)]
        for _ in range(STEPS):
            who, pause = stage.rng.choice(people), stage.rng.choice(PAUSES_S)
            do = stage.rng.choices([do for do, _ in WHAT], [weight for _, weight in WHAT])[0]
            stage.now_s += pause
            stage.log.append(f"{stage.now}: {do.__name__} {who}")
            do(stage, who)
            did[do.__name__] += 1
            stage.compare(who)
            change = stage.model.chat(who).change
            restored += do is Stage.undo and change is not None and change.before is not None
        for who in people:
            stage.compare(who)
    assert min(did.values()) > 5
    assert restored  # some histories restored a former account
