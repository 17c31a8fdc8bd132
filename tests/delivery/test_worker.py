"""One worker and its entries: what each answer of Messenger's leads to."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter as Counts
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot_linking.core.codes import digest_of
from bot_linking.core.errors import GiveUp, StoreUnavailable
from bot_linking.core.events import LinkingEvent, MessageFailed, MessageSent
from bot_linking.core.links import Account
from bot_linking.core.ports import Attempt, OutboxEntry
from bot_linking.delivery import Delivery, Handler, leases, worker
from bot_linking.delivery.backoff import MESSAGE_MAX_AGE_S
from bot_linking.delivery.leases import LEASE_S, RENEW_EVERY_S
from tests.bots import Clock

from .post import Post, Refusal

LOG = "bot_linking.delivery"


def test_an_entry_that_gets_through_is_signalled_and_removed(post: Post, clock: Clock) -> None:
    post.put("1")
    clock.advance(2.5)
    assert post.worker().drain() == 1
    assert post.told == [MessageSent("page", "1", "linked", 2.5)]
    assert post.store.outbox_depth() == {"depth": 0, "oldest": None, "held": 0, "dead": 0}
    assert post.worker().drain() == 0


def test_a_process_that_was_asked_to_end_and_lives_on_delivers_again(post: Post) -> None:
    """A host's own handler of SIGTERM may leave its process running."""
    post.put()
    worker = post.worker()
    worker.take_nothing_for(60)
    assert worker.drain() == 0
    worker.take_nothing_for(0)
    assert worker.drain() == 1


def test_a_failed_entry_is_tried_again_after_the_wait_and_not_before(post: Post, clock: Clock) -> None:
    post.put()
    post.answers["1"] = Refusal("later")
    assert post.worker().drain() == 1
    assert post.told == [MessageFailed("page", "1", "linked", "scripted later", False)]
    clock.advance(0.49)
    assert post.worker().drain() == 0
    post.answers.clear()
    clock.advance(0.52)
    assert post.worker().drain() == 1
    assert [entry.attempts for entry in post.done] == [2]


def test_waits_grow_with_the_tries(post: Post, clock: Clock) -> None:
    post.put()
    post.answers["1"] = Refusal("later")
    for wait in (1, 2, 4, 8):
        assert post.worker().drain() == 1
        clock.advance(wait * 0.49)
        assert post.worker().drain() == 0
        clock.advance(wait * 0.52)


def test_the_workers_next_try_obeys_a_retry_after(post: Post, clock: Clock) -> None:
    post.put()
    post.answers["1"] = Refusal("later", retry_after=90)
    post.worker().drain()
    clock.advance(89.9)
    assert post.worker().drain() == 0
    clock.advance(0.2)
    assert post.worker().drain() == 1


def test_a_permanent_refusal_is_buried_at_once_and_listed(post: Post, clock: Clock) -> None:
    post.put()
    post.answers["1"] = Refusal("never")
    assert post.worker().drain() == 1
    assert post.told == [MessageFailed("page", "1", "linked", "scripted never", True)]
    clock.advance(10 * MESSAGE_MAX_AGE_S)
    assert post.worker().drain() == 0
    (dead,) = post.store.list_dead()
    assert (dead.psid, dead.last_error) == ("1", "scripted never")


def test_a_dead_letter_that_is_retried_goes_out(post: Post) -> None:
    post.put()
    post.answers["1"] = Refusal("never")
    post.worker().drain()
    (dead,) = post.store.list_dead()
    post.answers.clear()
    assert post.store.retry_dead(dead.id, post.clock.ms)
    assert post.worker().drain() == 1
    assert post.sent == ["1"]
    assert post.store.list_dead() == []


def test_a_bad_token_holds_the_entry_until_the_page_has_another(post: Post, clock: Clock) -> None:
    post.put()
    post.answers["1"] = Refusal("page", whole_page=True, cause="token")
    post.worker().drain()
    (held,) = post.store.list_dead()
    assert held.held
    post.answers.clear()
    clock.advance(10 * MESSAGE_MAX_AGE_S)
    assert post.worker().drain() == 0
    post.token = "another token"
    assert post.worker().drain() == 1
    assert post.sent == ["1"]


def test_a_bad_token_holds_the_whole_page_after_one_call(post: Post, clock: Clock) -> None:
    for psid in ("1", "2", "3"):
        post.put(psid)
        post.answers[psid] = Refusal("page", whole_page=True, cause="token")
    post.put("4", page="other")
    post.worker().drain()
    assert len(post.failures) == 1
    assert post.sent == ["4"]
    post.answers.clear()
    post.token = "another token"
    clock.advance(2)
    post.worker().drain()
    assert sorted(post.sent) == ["1", "2", "3", "4"]


def test_a_rate_limit_pauses_its_page_and_no_other(post: Post, clock: Clock) -> None:
    for psid in ("1", "2"):
        post.put(psid, page="limited")
    post.put("3", page="other")
    post.answers["1"] = Refusal("later", whole_page=True, retry_after=60)
    assert post.worker().drain() == 2
    assert post.sent == ["3"]
    clock.advance(61)
    post.answers.clear()
    post.worker().drain()
    assert (post.sent[0], sorted(post.sent[1:])) == ("3", ["1", "2"])


def test_old_news_is_given_up_after_a_day(post: Post, clock: Clock) -> None:
    post.put()
    post.answers["1"] = Refusal("later")
    clock.advance(MESSAGE_MAX_AGE_S)
    post.worker().drain()
    assert not post.failures[-1].dead
    clock.advance(3)
    post.worker().drain()
    assert post.failures[-1].dead


def test_unlinking_at_messenger_is_tried_until_it_works(post: Post, clock: Clock) -> None:
    post.put(kind="unlink_call")
    post.answers["1"] = Refusal("later")
    clock.advance(30 * MESSAGE_MAX_AGE_S)
    post.worker().drain()
    assert not post.failures[-1].dead
    post.answers.clear()
    clock.advance(2)
    assert post.worker().drain() == 1


@pytest.mark.parametrize("advice", ["never", "window", "page"])
def test_no_refusal_gives_up_unlinking_at_messenger(post: Post, clock: Clock, advice: str) -> None:
    post.put(kind="unlink_call")
    post.answers["1"] = Refusal(advice)
    for _ in range(40):
        post.worker().drain()
        clock.advance(MESSAGE_MAX_AGE_S)
    assert not any(failure.dead for failure in post.failures)
    post.answers.clear()
    post.token = "another token"
    assert post.worker().drain() == 1


@pytest.mark.parametrize("cause", ["permission", "restriction", "app"])
def test_a_page_to_be_mended_at_meta_is_tried_now_and_then_and_never_given_up(
    post: Post, clock: Clock, cause: str
) -> None:
    post.put("1")
    post.put("2")
    post.answers["1"] = post.answers["2"] = Refusal("page", whole_page=True, cause=cause)
    for _ in range(500):
        post.worker().drain()
        clock.advance(600)
    assert 50 < len(post.failures) <= 500
    assert not any(failure.dead for failure in post.failures)
    post.answers.clear()
    clock.advance(600)
    post.worker().drain()
    assert sorted(post.sent) == ["1", "2"]


def test_a_handler_of_the_sites_own_that_fails_is_run_again_for_a_day(
    post: Post, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def send(entry: OutboxEntry) -> None:
        if entry.kind == "resume":
            raise KeyError("secret order")
        post.send(entry)

    post.put(kind="resume")
    post.worker(send).drain()
    assert post.failures == [MessageFailed("page", "1", "resume", "KeyError in the handler", False)]
    assert "delivering a resume entry failed" in caplog.text
    for _ in range(2 * MESSAGE_MAX_AGE_S // 600):
        clock.advance(600)
        post.worker(send).drain()
    assert 100 < len([each for each in post.failures if each.kind == "resume"]) < 200
    assert post.failures[-1].dead
    assert [entry.kind for entry in post.store.list_dead()] == ["resume"]
    assert [entry.kind for entry in post.done] == ["sorry"]


def test_a_person_is_told_once_that_their_question_was_given_up(post: Post) -> None:
    post.put("1", kind="resume")
    post.put("2", kind="linked")
    post.answers |= {"1": GiveUp("no such order"), "2": GiveUp("no such message")}
    said = list[OutboxEntry]()
    handlers: dict[str, Handler] = {"resume": post.send, "linked": post.send, "sorry": said.append}
    post.worker(handlers=handlers).drain()
    assert [(entry.psid, entry.kind) for entry in said] == [("1", "sorry")]
    assert sorted(entry.last_error or "" for entry in post.store.list_dead()) == [
        "no such message",
        "no such order",
    ]


def test_a_person_who_cannot_be_written_to_is_not_told(post: Post) -> None:
    post.put("1", kind="resume")
    post.answers["1"] = Refusal("never")
    post.worker().drain()
    assert post.store.outbox_depth()["depth"] == 0


def test_a_store_that_is_away_in_a_handler_makes_the_entry_wait(post: Post) -> None:
    post.put()
    post.answers["1"] = StoreUnavailable("away")
    post.worker().drain()
    assert not post.failures[-1].dead


def test_a_kind_without_a_handler_is_buried_with_the_reason(post: Post) -> None:
    post.put(kind="from a later release")
    post.worker().drain()
    (dead,) = post.store.list_dead()
    assert dead.last_error == "nothing handles entries of kind from a later release"


def test_a_reason_has_an_end(post: Post) -> None:
    post.put()
    post.answers["1"] = StoreUnavailable("x" * 10_000)
    post.worker().drain()
    assert len(post.failures[-1].reason) == 500


def test_each_person_gets_the_news_in_order_whatever_others_do(post: Post, clock: Clock) -> None:
    for number in range(3):
        for psid in ("1", "2"):
            post.put(psid, payload=str(number))
    post.answers["1"] = Refusal("later")
    post.worker().drain()
    assert [(entry.psid, entry.payload) for entry in post.done] == [("2", 0), ("2", 1), ("2", 2)]
    post.answers.clear()
    clock.advance(2)
    post.worker().drain()
    assert [entry.payload for entry in post.done if entry.psid == "1"] == [0, 1, 2]


def test_a_handler_runs_in_its_context(post: Post) -> None:
    inside = list[bool]()

    @contextmanager
    def context() -> Iterator[None]:
        inside.append(True)
        yield
        inside.append(False)

    post.put()
    post.worker(context=context).drain()
    assert inside == [True, False]


def test_news_that_newer_news_replaced_is_not_sent(post: Post, clock: Clock) -> None:
    link(post, "1", at=clock.ms)
    clock.advance(1)
    post.store.receive([LinkingEvent("page", "1", "unlinked", None, clock.ms)], clock.ms)
    post.worker().drain()
    assert [entry.kind for entry in post.done] == ["unlinked"]


def test_newer_news_follows_news_that_is_being_sent(post: Post, clock: Clock) -> None:
    link(post, "1", at=clock.ms)
    kinds = list[str]()

    def send(entry: OutboxEntry) -> None:
        kinds.append(entry.kind)
        if entry.kind == "linked":
            post.store.receive([LinkingEvent("page", "1", "unlinked", None, clock.ms)], clock.ms)
            assert post.worker(send).drain() == 0

    post.worker(send).drain()
    assert kinds == ["linked", "unlinked"]


def test_an_entry_that_a_dead_worker_held_goes_to_another_when_its_lease_is_over(
    post: Post, clock: Clock
) -> None:
    post.put()

    def die(entry: OutboxEntry) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        post.worker(die).drain()
    assert post.worker().drain() == 0
    clock.advance(LEASE_S - 0.001)
    assert post.worker().drain() == 0
    clock.advance(0.001)
    assert post.worker().drain() == 1
    assert [entry.attempts for entry in post.done] == [2]


def test_a_worker_that_lost_its_lease_changes_nothing_of_its_successors(post: Post, clock: Clock) -> None:
    post.put()
    order = list[str]()

    def slow(entry: OutboxEntry) -> None:
        clock.advance(LEASE_S)
        post.worker(lambda again: order.append(f"second, try {again.attempts}")).drain()
        order.append(f"first, try {entry.attempts}")

    post.worker(slow).drain()
    assert order == ["second, try 2", "first, try 1"]
    assert post.store.outbox_depth()["depth"] == 0


def test_a_lease_is_short_enough_to_recover_in_ten_seconds_and_is_renewed_in_time() -> None:
    assert 3 * RENEW_EVERY_S < LEASE_S < 10


def wait_until_renewed(post: Post) -> None:
    """Until the leases are renewed from the present time on."""
    renewed, renew, until_then = threading.Event(), post.store.renew, post.clock.ms + LEASE_S * 1000

    def noted(entries: Sequence[OutboxEntry], until: int) -> None:
        renew(entries, until)
        if until >= until_then:
            renewed.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(post.store, "renew", noted)
        assert renewed.wait(60)


def test_a_handler_that_takes_longer_than_the_lease_keeps_its_entry(
    post: Post, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a handler of the bot takes after a login, no other worker runs it meanwhile."""
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0.02)
    post.put()
    second = post.worker(lambda again: pytest.fail("run twice"))

    def slow(entry: OutboxEntry) -> None:
        for _ in range(3):
            clock.advance(LEASE_S / 2)
            wait_until_renewed(post)
            assert second.drain() == 0

    assert post.worker(slow).drain() == 1
    assert post.store.outbox_depth()["depth"] == 0


# Running


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "POLL_S", 0.02)


@contextmanager
def running(delivery: Delivery) -> Iterator[Delivery]:
    delivery.start()
    try:
        yield delivery
    finally:
        delivery.stop()
        assert not delivery.is_running


class Counter:
    """Counts what is handled, and sets an event after enough."""

    def __init__(self, enough: int) -> None:
        self.ids: list[int] = []
        self._enough = enough
        self.reached = threading.Event()

    def __call__(self, entry: OutboxEntry) -> None:
        self.ids.append(entry.id)
        if len(self.ids) >= self._enough:
            self.reached.set()


def test_threads_deliver_five_hundred_entries_and_mark_and_count_each_exactly_once(
    post: Post, quick: None, clock: Clock
) -> None:
    post.put_all([("page", str(number % 50), "linked", str(number)) for number in range(500)])
    count, hour = Counter(500), 3_600_000

    def send(entry: OutboxEntry) -> tuple[str, int]:
        count(entry)
        return "sent", clock.ms + hour

    handlers: dict[str, Handler] = {"linked": send}
    with running(post.worker(handlers=handlers)), running(post.worker(handlers=handlers)):
        assert count.reached.wait(240)
    assert len(count.ids) == len(set(count.ids)) == 500
    assert post.store.outbox_depth()["depth"] == 0
    assert post.store.find_limit("sent", clock.ms, hour) == (500, clock.ms + hour)
    assert Counts(type(each).__name__ for each in post.told) == {"MessageSent": 500}


def test_threads_keep_each_persons_order(post: Post, quick: None) -> None:
    post.put_all([("page", str(number % 5), "linked", str(number)) for number in range(100)])
    order: dict[str, list[int]] = {str(psid): [] for psid in range(5)}
    count, at_it = Counter(100), set[str]()

    def send(entry: OutboxEntry) -> None:
        assert entry.psid not in at_it
        at_it.add(entry.psid)
        order[entry.psid].append(entry.payload)
        at_it.remove(entry.psid)
        count(entry)

    with running(post.worker(send)):
        assert count.reached.wait(240)
    assert all(payloads == sorted(payloads) for payloads in order.values())
    assert post.failures == []


def test_a_wake_is_heard_at_once(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "POLL_S", 3600)
    count = Counter(1)
    with running(post.worker(count)) as delivery:
        post.put()
        delivery.wake()
        assert count.reached.wait(60)


def test_an_entry_of_another_process_is_found_without_a_wake(post: Post, quick: None) -> None:
    count = Counter(1)
    with running(post.worker(count)):
        post.put()
        assert count.reached.wait(60)


def test_a_store_that_is_away_is_waited_for(
    post: Post, path: Path, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    count, seen_away = Counter(1), threading.Event()
    handler = logging.Handler()
    handler.emit = lambda record: seen_away.set()  # type: ignore[method-assign]
    log = logging.getLogger(LOG)
    log.addHandler(handler)
    try:
        post.put()
        path.rename(path.with_name("moved"))
        with running(post.worker(count)):
            assert seen_away.wait(60)
            assert not count.ids
            path.with_name("moved").rename(path)
            assert count.reached.wait(60)
    finally:
        log.removeHandler(handler)
    assert "delivery waits" in caplog.text


def test_an_unexpected_failure_stops_no_thread(
    post: Post, quick: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example a driver that raises an undocumented error."""
    count, has_due, failures = Counter(2), post.store.has_due, iter([RuntimeError("a driver")] * 4)

    def fail_at_first(*given: Any) -> bool:
        if (failure := next(failures, None)) is not None:
            raise failure
        return has_due(*given)

    monkeypatch.setattr(post.store, "has_due", fail_at_first)
    post.put("1")
    post.put("2")
    with running(post.worker(count)):
        assert count.reached.wait(60)
    assert len(count.ids) == 2
    assert "goes on" in caplog.text


def test_an_entry_that_got_through_while_the_database_was_away_is_written_later_and_not_sent_again(
    post: Post, path: Path, clock: Clock
) -> None:
    moved = path.with_name("moved")

    def send(entry: OutboxEntry) -> None:
        post.send(entry)
        if not moved.exists():
            path.rename(moved)

    post.put()
    delivery = post.worker(send)
    with pytest.raises(StoreUnavailable):
        delivery.drain()
    assert (post.sent, post.told) == (["1"], [])
    moved.rename(path)
    clock.advance(2 * LEASE_S)
    assert delivery.drain() == 0
    assert post.sent == ["1"]
    assert [type(each) for each in post.told] == [MessageSent]


def test_an_entry_that_got_through_keeps_its_lease_until_that_is_written(
    post: Post, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while the worker does something else, such as a long backlog."""
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0.02)
    post.put()
    first, other = post.worker(), post.worker(lambda again: pytest.fail("sent twice"))
    (entry,), _ = first._exchange(1, {})
    first._try(entry)
    for _ in range(3):
        clock.advance(LEASE_S / 2)
        wait_until_renewed(post)
        assert other.drain() == 0
    assert first.drain() == 0
    assert post.store.outbox_depth()["depth"] == 0


def test_a_receiver_that_ends_the_thread_leaves_no_lease_behind(post: Post, clock: Clock) -> None:
    def end(event: object) -> None:
        raise SystemExit

    delivery = Delivery(
        post.store,
        {"linked": post.send},
        tell=end,
        keys=lambda page_id: "",
        clock=post.clock,
    )
    post.put("1")
    post.put("2")
    with pytest.raises(SystemExit):
        delivery.drain()
    clock.advance(LEASE_S)
    assert post.worker().drain() == 1
    assert post.sent == ["1", "2"]


def test_stopping_finishes_what_is_being_sent(post: Post, quick: None) -> None:
    started, go_on = threading.Event(), threading.Event()

    def send(entry: OutboxEntry) -> None:
        started.set()
        assert go_on.wait(60)
        post.send(entry)

    post.put()
    delivery = post.worker(send)
    delivery.start()
    assert started.wait(60)
    stopping = threading.Thread(target=delivery.stop)
    stopping.start()
    go_on.set()
    stopping.join(60)
    assert post.sent == ["1"]
    assert post.store.outbox_depth()["depth"] == 0


def test_stopping_takes_no_longer_than_its_time_for_all_threads_together(post: Post, quick: None) -> None:
    started, go_on = threading.Semaphore(0), threading.Event()

    def hang(entry: OutboxEntry) -> None:
        started.release()
        go_on.wait(120)

    for number in range(worker.THREADS):
        post.put(str(number), page=str(number))
    delivery = post.worker(hang)
    delivery.start()
    for _ in range(worker.THREADS):
        assert started.acquire(timeout=60)
    began = time.monotonic()
    delivery.stop(timeout=1.0)
    took = time.monotonic() - began
    go_on.set()
    delivery.stop()
    assert 1.0 <= took < 1.0 * worker.THREADS


def test_a_page_that_hangs_leaves_threads_to_the_others(post: Post, quick: None) -> None:
    hanging, go_on, sent = threading.Semaphore(0), threading.Event(), threading.Event()

    def send(entry: OutboxEntry) -> None:
        if entry.page_id == "hangs":
            hanging.release()
            go_on.wait(120)
        else:
            sent.set()

    for number in range(3 * worker.THREADS):
        post.put(str(number), page="hangs")
    delivery = post.worker(send)
    delivery.start()
    try:
        assert hanging.acquire(timeout=60)
        post.put("somebody else", page="works")
        delivery.wake()
        assert sent.wait(60)
    finally:
        go_on.set()
        delivery.stop()


def test_starting_twice_is_starting_once(post: Post, quick: None) -> None:
    with running(post.worker()) as delivery:
        dispatcher = delivery._dispatcher
        delivery.start()
        assert delivery._dispatcher is dispatcher
    with running(delivery):
        assert delivery._dispatcher is not dispatcher


def test_the_worker_purges_the_store_now_and_then(post: Post, clock: Clock, quick: None) -> None:
    post.store.hit("key", clock.ms + 1000, clock.ms)
    purged = threading.Event()
    delivery = post.worker()
    purge = post.store.purge

    def noted(now: int) -> None:
        purge(now)
        purged.set()

    post.store.purge = noted  # type: ignore[method-assign]
    with running(delivery):
        assert purged.wait(60)
        purged.clear()
        clock.advance(worker.PURGE_EVERY_S)
        assert purged.wait(60)
    assert post.store.find_limit("key", 0, 3_600_000)[0] == 0


def link(post: Post, psid: str, *, at: int) -> None:
    code = f"code of {psid}"
    attempt = Attempt(f"attempt of {psid}", Account("1"), "token", "", at, "page", psid)
    assert post.store.save_code(digest_of(code), attempt, None, at, at + 1000)
    post.store.receive([LinkingEvent("page", psid, "linked", code, at)], at)
