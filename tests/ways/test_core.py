"""The other ways, over both stores: what a chat types or taps links it wholly or not at all."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from bot_linking.core.codes import digest_of
from bot_linking.core.events import Happening, LinkingEvent, LinkingRefused
from bot_linking.core.funnel import Funnel
from bot_linking.core.hooks import Hooks
from bot_linking.core.journey import Stage
from bot_linking.core.linking import Linking
from bot_linking.core.links import Account
from bot_linking.core.ports import Attempt, WebLink
from bot_linking.core.ways import (
    MAX_AGE_MS,
    MOST_WRONG,
    OUT,
    ChatEvent,
    Made,
    Ways,
    code_of,
    digest_of_digits,
    digits_of,
    masked,
    shown,
)
from bot_linking.stores import open_store
from bot_linking.stores.store import SQLStore
from tests.stores.given import DATABASES, NOW, claim

PAGE, PSID, OTHER = "1122", "9988", "7766"
ADA, GRACE = Account("1", "ada", "ada@example.com"), Account("2", "grace", "grace@example.com")


@dataclass
class World:
    store: SQLStore
    now: float = NOW / 1000
    told: list[Happening] = field(default_factory=list)
    hooks: dict[str, Any] = field(default_factory=dict)
    told_stages: list[Happening] = field(default_factory=list)

    def __post_init__(self) -> None:
        hooks = Hooks(clock=lambda: self.now, **self.hooks)
        self.linking = Linking(self.store, tell=self.told.append, page_id=PAGE, hooks=hooks)
        self.funnel = Funnel(
            self.store,
            tell=self.told_stages.append,
            now=self.linking.now,
            sole_page=lambda: PAGE,
            listeners=["told_stages"],
        )
        self.ways = Ways(self.linking, self.funnel)

    def chat(self, psid: str = PSID, page: str = PAGE) -> ChatEvent:
        return ChatEvent(page, psid, self.linking.now())

    def type(self, text: str, psid: str = PSID, page: str = PAGE) -> bool:
        return self.ways.take_text(self.chat(psid, page), text)

    def said(self, psid: str = PSID) -> list[Any]:
        """Take what the outbox has for a chat: the kinds, or the sentences to say."""
        found = list[Any]()
        while entries := claim(self.store, NOW + 10**9):
            for entry in entries:
                found += [entry.payload if entry.kind == "say" else entry.kind] if entry.psid == psid else []
                self.store.claim_due(NOW, NOW, {}, settled=[_done(entry)])
        return found

    def digits(
        self, account: Account = ADA, *, proof: str = "proof", number: int = 1, psid: str = PSID
    ) -> str:
        """Consent on the page of a web link, and return the digits that it shows."""
        digits = digits_of(f"session-{number}", f"attempt-{proof}-{number}")
        if self.store.find_web_link(proof, NOW) is None:
            self.store.save_web_link(WebLink(proof, PAGE, psid, NOW + MAX_AGE_MS))
        attempt = Attempt(
            f"attempt-{proof}-{number}", account, "", "", NOW, PAGE, psid, stage=Stage.OPENED, way="web",
            proof=proof, expires_at=NOW + MAX_AGE_MS, session_digest="s",
        )  # fmt: skip
        code = self.linking.approve(attempt, typed=digest_of_digits(psid, digits))
        assert code is not None
        return digits

    def account(self, psid: str = PSID) -> str | None:
        link = self.linking.link_of(psid)
        return link.account_id if link else None

    def question(self, psid: str = PSID) -> dict[str, Any]:
        """The question that waits in the outbox."""
        (entry,) = [each for each in claim(self.store, NOW + 10**9) if each.kind == "question"]
        self.store.claim_due(NOW, NOW, {}, settled=[_done(entry)])
        assert entry.psid == psid
        return dict(entry.payload)

    def tap(self, question: dict[str, Any], word: str = "yes", psid: str = PSID) -> bool:
        return self.ways.take_answer(self.chat(psid), f"bl.{word}.{question['question']}")

    def ref(self, made: Made, psid: str = PSID, page: str = PAGE) -> bool:
        return self.ways.take_ref(self.chat(psid, page), f"bl.{made.token}")


def _done(entry: Any) -> Any:
    from bot_linking.core.ports import Done

    return Done(entry)


@pytest.fixture(params=sorted(DATABASES))
def store(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[SQLStore]:
    with DATABASES[request.param](tmp_path) as url:
        store = open_store(url)
        yield store
        store.close()


@pytest.fixture
def world(store: SQLStore) -> World:
    return World(store)


# Digits


@pytest.mark.parametrize("spelling", ["{0}", "{0:.3} {1}", " {0}\n", "{0:.3}\u00a0{1}", "full"])
def test_the_digits_of_the_page_link_the_chat_that_types_them(world: World, spelling: str) -> None:
    digits = world.digits()
    text = spelling.format(digits, digits[3:])
    if spelling == "full":
        text = "".join(chr(0xFF10 + int(each)) for each in digits)
    assert world.type(text)
    link = world.linking.link_of(PSID)
    assert link is not None
    assert (link.account_id, link.source) == ("1", "web")
    assert world.said() == ["linked"]


def test_the_digits_typed_in_another_chat_link_nobody(world: World) -> None:
    """A web link was forwarded. Its page shows digits to a stranger, whose chat is not the link's."""
    digits = world.digits()
    assert not world.type(digits, OTHER)
    assert world.account(OTHER) is None
    assert world.account() is None


def test_six_digits_are_the_bots_where_no_page_shows_any(world: World) -> None:
    assert not world.type("123456")
    assert world.said() == []


@pytest.mark.parametrize("text", ["12345", "1234567", "12 3456", "a123456", "१२३४५", "", "123456 please"])
def test_other_texts_are_the_bots(world: World, text: str) -> None:
    world.digits()
    assert not world.type(text)


def test_five_wrong_ones_are_answered_and_then_everything_is_taken_in_silence(world: World) -> None:
    digits = world.digits()
    wrong = f"{(int(digits) + 1) % 1_000_000:06d}"
    for _ in range(MOST_WRONG):
        assert world.type(wrong)
    assert world.said() == ["digits_wrong"] * MOST_WRONG
    assert _reasons(world) == ["digits_wrong"] * MOST_WRONG
    assert world.type(wrong)
    assert world.type(digits)
    assert world.type("LINK 2222-2222")
    assert world.said() == []
    assert world.account() is None
    world.now += 3601
    assert not world.type("123456")


def _reasons(world: World) -> list[str]:
    return [each.reason for each in world.told if isinstance(each, LinkingRefused)]


def test_what_is_taken_in_silence_is_told_to_the_operator(world: World) -> None:
    digits = world.digits()
    for _ in range(MOST_WRONG):
        world.type(f"{(int(digits) + 1) % 1_000_000:06d}")
    world.told.clear()
    world.type(digits)
    assert _reasons(world) == ["typed_too_often"]


def test_an_unlink_ends_the_addresses_of_a_chat_that_was_not_linked(world: World) -> None:
    token, digits = world.ways.web_token(PSID), world.digits()
    asked = _asked(world)
    assert world.linking.unlink(PSID) is False
    assert world.ways.open_web(token) is None
    assert not world.type(digits)
    world.tap(asked)
    assert world.account() is None
    assert world.told[-1] == LinkingRefused("question_unknown", PAGE, PSID)


def test_a_chat_that_its_owner_disconnected_is_told_so(world: World) -> None:
    world.tap(_asked(world))
    outcome = world.linking.undoing.undo(PAGE, PSID)
    assert not isinstance(outcome, LinkingRefused)
    world.said()
    world.tap(_asked(world))
    assert world.account() is None
    assert world.said() == ["barred"]


def test_each_browser_has_digits_of_its_own_and_those_that_are_typed_decide(world: World) -> None:
    first = world.digits(ADA, number=1)
    second = world.digits(GRACE, number=2)
    assert world.type(second)
    assert world.account() == "2"
    world.said()
    assert world.type(first)  # ended with the other, and no text for the bot
    assert (world.account(), world.said()) == ("2", [])


def test_a_web_link_is_good_for_one_link(world: World) -> None:
    token = world.ways.web_token(PSID)
    opened = world.ways.open_web(token)
    assert opened is not None
    assert world.type(world.digits(proof=opened.digest))
    assert world.ways.open_web(token) is None
    attempt = Attempt(
        "later", ADA, "", "", NOW, PAGE, PSID, way="web", proof=opened.digest, session_digest="s"
    )
    assert world.linking.approve(attempt) is None


@pytest.mark.parametrize("ending", ["late", "unlink", "erase", "unknown"])
def test_a_web_link_ends(world: World, ending: str) -> None:
    world.type(world.digits(proof="first"))
    token = world.ways.web_token(PSID)
    match ending:
        case "late":
            world.now += MAX_AGE_MS / 1000
        case "unlink":
            world.linking.unlink(PSID)
        case "erase":
            world.linking.erase(PSID)
        case "unknown":
            token = token.swapcase()
    assert world.ways.open_web(token) is None


def test_only_a_digest_of_each_secret_is_kept(world: World) -> None:
    token, made, digits = world.ways.web_token(PSID), world.ways.make_chat_link(ADA), world.digits()
    kept = str(world.store.export(None, PSID)) + str(world.store.export_account("1"))
    for secret in (token, made.token, made.code, digits):
        assert secret not in kept
    assert digest_of(made.code) not in kept


# Site to chat


def test_a_chat_link_asks_and_only_the_answer_links(world: World) -> None:
    made = world.ways.make_chat_link(ADA)
    assert world.ref(made)
    assert world.account() is None
    asked = world.question()
    assert (asked["account"], asked["replaces"]) == ("a••@example.com", None)
    assert world.tap(asked)
    link = world.linking.link_of(PSID)
    assert link is not None
    assert (link.account_id, link.email, link.source) == ("1", "ada@example.com", "chat")
    assert world.said() == ["linked"]


@pytest.mark.parametrize("change", [str, str.lower, lambda text: text.replace("-", ""), "dash"])
def test_the_code_may_be_typed_as_phones_type_it(world: World, change: Any) -> None:
    made = world.ways.make_chat_link(ADA)
    text = shown(made.code)
    assert world.type(text.replace("-", " \u2013 ") if change == "dash" else change(text))
    assert world.tap(world.question())
    assert world.account() == "1"


@pytest.mark.parametrize(
    ("text", "is_ours"),
    [("LINK 0000-0000", True), ("link abcd-efgh", True), ("link facebook", False), ("link", False),
     ("LINK 222-22222", False), ("LINK 2222-22222", False), ("my LINK 2222-2222", False)],
)  # fmt: skip
def test_a_code_is_ours_by_its_form(world: World, text: str, is_ours: bool) -> None:
    assert world.type(text) is is_ours
    assert world.said() == (["link_unknown"] if is_ours else [])


@pytest.mark.parametrize("ref", ["bl.", "bl.x", "bl." + "A" * 32, "bl." + "A" * 5000, "bl.\ud800"])
def test_an_unknown_ref_of_our_form_is_told_what_to_do(world: World, ref: str) -> None:
    assert world.ways.take_ref(world.chat(), ref)
    assert world.said() == ["link_unknown"]
    assert [each.reason for each in world.told if isinstance(each, LinkingRefused)] == ["chat_link_unknown"]


@pytest.mark.parametrize("ref", ["", "promo", "BL.x", "x.bl."])
def test_another_ref_is_the_bots(world: World, ref: str) -> None:
    assert not world.ways.take_ref(world.chat(), ref)


def test_no_settles_the_question(world: World) -> None:
    asked = _asked(world)
    assert world.tap(asked, "no")
    assert world.tap(asked, "yes")
    assert world.account() is None
    assert world.said() == ["declined"]


def test_an_answer_to_an_older_question_links_nobody(world: World) -> None:
    older, newer = _asked(world, ADA), _asked(world, GRACE)
    assert world.tap(older)
    assert world.account() is None
    assert world.said() == ["question_old"]
    assert world.tap(newer)
    assert world.account() == "2"


def test_an_answer_counts_for_the_chat_that_was_asked(world: World) -> None:
    asked = _asked(world)
    assert world.tap(asked, psid=OTHER)
    assert (world.account(), world.account(OTHER)) == (None, None)


def test_an_address_may_be_asked_about_in_several_chats_and_the_first_connect_uses_it_up(
    world: World,
) -> None:
    made = world.ways.make_chat_link(ADA)
    world.ref(made)
    first = world.question()
    world.ref(made, OTHER)
    second = world.question(OTHER)
    assert world.tap(second, psid=OTHER)
    assert world.tap(first)
    assert (world.account(), world.account(OTHER)) == (None, "1")
    assert world.said() == ["link_used"]
    assert world.ref(made)
    assert world.said() == ["link_used"]


def test_a_link_of_one_page_is_not_good_on_another(world: World) -> None:
    made = world.ways.make_chat_link(ADA, PAGE)
    assert world.ref(made, page="5555")
    assert world.said() == ["link_other_page"]


@pytest.mark.parametrize("ending", ["late", "drop_pending"])
def test_a_chat_link_ends(world: World, ending: str) -> None:
    made = world.ways.make_chat_link(ADA)
    world.ref(made)
    asked = world.question()
    if ending == "late":
        world.now += MAX_AGE_MS / 1000
    else:
        world.linking.drop_pending("1")
    assert world.tap(asked)
    assert world.account() is None
    assert world.said() == ["link_unknown"]


def test_an_account_that_may_not_be_linked_any_more_is_refused(store: SQLStore) -> None:
    world = World(store, hooks={"may_link": lambda account_id: False})
    asked = _asked(world)
    assert world.tap(asked)
    assert world.account() is None


@pytest.mark.parametrize(("word", "after"), [("move", "2"), ("ask", "2"), ("one_chat", "2"), ("refuse", "1")])
def test_the_question_names_what_is_replaced_and_the_policy_holds(
    store: SQLStore, word: str, after: str
) -> None:
    world = World(store, hooks={"on_conflict": word})
    world.type(world.digits(ADA))
    world.said()
    world.ref(world.ways.make_chat_link(GRACE))
    if word == "refuse":
        assert world.said() == ["already"]
    else:
        asked = world.question()
        assert asked["replaces"] == ("a••@example.com" if word in {"ask", "one_chat"} else None)
        world.tap(asked)
    assert world.account() == after


def test_what_was_agreed_does_not_hold_once_the_chat_has_another_account(store: SQLStore) -> None:
    world = World(store, hooks={"on_conflict": "ask"})
    asked = _asked(world, GRACE)
    world.type(world.digits(ADA))
    world.said()
    world.tap(asked)
    assert world.account() == "1"
    assert world.said() == ["question_old"]


def test_a_late_unlink_of_before_the_answer_does_not_end_the_link(world: World) -> None:
    asked = _asked(world)
    before = world.linking.now() - 5000
    world.tap(asked)
    world.linking.receive([LinkingEvent(PAGE, PSID, "unlinked", None, before)])
    assert world.account() == "1"


# Log Out


def test_our_log_out_ends_a_link_says_farewell_and_tells_messenger(world: World) -> None:
    world.type(world.digits())
    world.said()
    assert world.ways.take_answer(world.chat(), OUT)
    assert world.account() is None
    assert sorted(world.said()) == ["unlink_call", "unlinked"]


def test_our_log_out_that_comes_again_does_not_end_what_was_linked_since(world: World) -> None:
    world.type(world.digits())
    world.now += 1
    tap = world.chat()
    assert world.ways.take_answer(tap, OUT)
    world.now += 1
    world.type(world.digits(number=2, proof="another"))
    world.said()
    assert world.ways.take_answer(tap, OUT)
    assert world.account() == "1"
    assert world.said() == [], "nothing is to be unlinked at Messenger, either"


def test_our_log_out_of_a_chat_that_is_not_linked_says_nothing(world: World) -> None:
    """Messenger is asked nothing, either."""
    assert world.ways.take_answer(world.chat(), OUT)
    assert world.said() == []


# Races


def race(*works: Any) -> None:
    gate = threading.Barrier(len(works))

    def run(work: Any) -> None:
        gate.wait()
        work()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_same_digits_in_two_deliveries_are_one_link(world: World) -> None:
    for number in range(5):
        psid = f"31{number}"
        digits = world.digits(Account(f"a{number}"), proof=f"p{number}", psid=psid)
        race(partial(world.type, digits, psid), partial(world.type, digits, psid))
        assert world.account(psid) == f"a{number}"
        assert world.said(psid).count("linked") == 1


def test_connect_answered_twice_is_one_link(world: World) -> None:
    for number in range(5):
        psid = f"41{number}"
        world.ref(world.ways.make_chat_link(Account(f"a{number}")), psid)
        asked = world.question(psid)
        race(partial(world.tap, asked, psid=psid), partial(world.tap, asked, psid=psid))
        assert world.account(psid) == f"a{number}"
        assert world.said(psid) == ["linked"]


def test_log_in_and_a_web_link_at_once_are_one_link(world: World) -> None:
    """The last one stands, and the history and the chat are told it last."""
    for number in range(5):
        psid = f"61{number}"
        by_button, by_web = Account(f"c{number}"), Account(f"d{number}")
        attempt = Attempt(f"login-{number}", by_button, "token", "", NOW, PAGE, psid)
        code = world.linking.approve(attempt)
        assert code is not None
        digits = world.digits(by_web, proof=f"q{number}", psid=psid)
        event = LinkingEvent(PAGE, psid, "linked", code, world.linking.now())
        race(partial(world.linking.receive, [event]), partial(world.type, digits, psid))
        changes = world.store.history_of(PAGE, psid)
        assert {change.account_after for change in changes} <= {by_button.id, by_web.id}
        assert world.account(psid) == changes[-1].account_after
        assert len([link for link in world.store.list_links() if link.psid == psid]) == 1
        assert world.said(psid) == ["linked"], "the newest news takes the place of older ones"


def test_one_address_answered_in_two_chats_at_once_connects_one(world: World) -> None:
    for number in range(5):
        made = world.ways.make_chat_link(Account(f"b{number}"))
        people = [f"51{number}", f"52{number}"]
        asked = []
        for psid in people:
            world.ref(made, psid)
            asked.append(world.question(psid))
        race(*(partial(world.tap, each, psid=psid) for each, psid in zip(asked, people, strict=True)))
        assert sorted(filter(None, map(world.account, people))) == [f"b{number}"]


# Spelling


def test_a_code_is_shown_so_that_it_can_be_typed_back(world: World) -> None:
    made = world.ways.make_chat_link(ADA)
    assert re.fullmatch(r"LINK [2-9A-Z]{4}-[2-9A-Z]{4}", shown(made.code))
    assert code_of(shown(made.code)) == made.code


@pytest.mark.parametrize(
    ("label", "is_shown"),
    [
        ("ada@example.com", "a••@example.com"),
        ("ada", "a••"),
        ("+44 1815", "+••"),
        ("", "••"),
        ("@ada", "@••"),  # a handle is no address: all of it is the name
        ("@ada@social.example", "@••@social.example"),
        ("ada@b\u00fccher.example", "a••@b\u00fccher.example"),
        ("Ada @ https://evil.example/prize", "A••"),  # a name that its owner has made a message of
        ("ada@evil.example/prize", "a••"),
        ("ada@evil.example\nYou have won", "a••"),
        ("Ada @home Lovelace", "A••"),
        ("\u202eada@example.com", "a••@example.com"),
    ],
)
def test_a_name_is_masked(label: str, is_shown: str) -> None:
    assert masked(label) == is_shown


def _asked(world: World, account: Account = ADA) -> dict[str, Any]:
    world.ref(world.ways.make_chat_link(account))
    return world.question()
