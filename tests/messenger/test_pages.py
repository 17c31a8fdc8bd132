"""The registry of pages: what a question costs, when it reads the store, and how it bears forks and
threads."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any, ClassVar

import pytest

from bot_linking.config.pages import Page
from bot_linking.core.errors import PageUnknown, StoreUnavailable
from bot_linking.messenger.pages import ALL_ANEW_AFTER_S, LOOK_AFTER_FAILURE_S, LOOK_EVERY_S, Pages
from tests.children import LIMIT_S

Change = tuple[int, str, Page | None]


def page(page_id: str | None, secret: str = "a-secret") -> Page:
    return Page(id=page_id, access_tokens=(f"token-{page_id}",), app_secrets=(secret,), verify_tokens=("v",))


class Kept:
    """A keeper in memory that counts how often it is asked."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.asked = self.read = 0
        self.is_away = False

    def put(self, page_id: str, changed: Page | None) -> None:
        self.changes.append((len(self.changes) + 1, page_id, changed))

    def revision(self) -> int:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable("away")
        return self.changes[-1][0] if self.changes else 0

    def since(self, revision: int) -> Iterator[Change]:
        self.read += 1
        newest = {page_id: change for change in self.changes for page_id in [change[1]]}
        return iter(sorted(change for change in newest.values() if change[0] > revision))


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def pages(kept: Kept, time: Time) -> Pages:
    return Pages([page("111")], kept, monotonic=time)


def ids(pages: Pages) -> list[str | None]:
    return [each.id for each in pages.all()]


def test_the_store_is_asked_every_two_seconds_and_read_when_something_has_changed(
    pages: Pages, kept: Kept, time: Time
) -> None:
    for _ in range(1000):
        pages.pages_by_secret()
    assert (kept.asked, kept.read) == (1, 1)
    kept.put("222", page("222"))
    assert ids(pages) == ["111"]
    time.now += LOOK_EVERY_S
    assert ids(pages) == ["111", "222"]
    for _ in range(10):
        time.now += LOOK_EVERY_S
        pages.pages_by_secret()
    assert (kept.asked, kept.read) == (12, 2)


def test_without_a_keeper_nothing_is_ever_asked() -> None:
    pages = Pages([page("111")])
    assert ids(pages) == ["111"]
    pages.refresh()
    pages.require_all()
    assert pages.secrets_of("222") == ()


def test_every_question_agrees_after_each_change(pages: Pages, kept: Kept) -> None:
    assert (pages.sole_id(), pages.is_one()) == ("111", True)
    first = pages.revision
    kept.put("222", page("222", "another-secret"))
    pages.refresh()
    assert pages.revision != first
    assert (pages.sole_id(), pages.is_one()) == (None, False)
    assert pages.secrets_of("222") == (b"another-secret",)
    assert pages.pages_by_secret() == {b"a-secret": {"111"}, b"another-secret": {"222"}}
    kept.put("222", page("222", "a-secret"))
    pages.refresh()
    assert pages.pages_by_secret() == {b"a-secret": {"111", "222"}}
    kept.put("222", None)
    pages.refresh()
    assert pages.pages_by_secret() == {b"a-secret": {"111"}}
    assert not pages.serves("222")
    with pytest.raises(PageUnknown):
        pages.page("222")


def test_what_was_handed_out_before_a_change_does_not_change_under_its_reader(
    pages: Pages, kept: Kept
) -> None:
    before = pages.pages_by_secret()
    for number in range(100):
        kept.put(f"{number}", page(f"{number}", f"secret-{number}"))
    walk = iter(before)
    pages.refresh()
    assert list(walk) == [b"a-secret"]
    assert len(pages.pages_by_secret()) == 101


def test_a_secret_that_every_page_may_use_stays_so(kept: Kept, time: Time) -> None:
    pages = Pages([page(None)], kept, monotonic=time)
    kept.put("222", page("222"))
    pages.refresh()
    assert pages.pages_by_secret() == {b"a-secret": None}
    kept.put("222", None)
    pages.refresh()
    assert pages.pages_by_secret() == {b"a-secret": None}
    assert pages.page("999").id is None


def test_a_page_of_the_configuration_wins_over_one_of_the_store(pages: Pages, kept: Kept) -> None:
    kept.put("111", page("111", "another-secret"))
    pages.refresh()
    kept.put("111", None)
    pages.refresh()
    assert pages.secrets_of("111") == (b"a-secret",)


def test_after_a_failure_it_waits_longer_and_what_is_known_stays(
    pages: Pages, kept: Kept, time: Time
) -> None:
    kept.put("222", page("222"))
    assert ids(pages) == ["111", "222"]
    kept.is_away = True
    time.now += LOOK_EVERY_S
    assert ids(pages) == ["111", "222"]
    asked = kept.asked
    time.now += LOOK_AFTER_FAILURE_S / 2
    assert ids(pages) == ["111", "222"]
    assert kept.asked == asked
    kept.is_away = False
    kept.put("222", None)
    time.now += LOOK_AFTER_FAILURE_S
    assert ids(pages) == ["111"]


def test_after_a_long_time_without_a_look_everything_is_read_anew(
    pages: Pages, kept: Kept, time: Time
) -> None:
    """After a month the store forgets that a page was removed."""
    kept.put("222", page("222"))
    kept.put("333", page("333"))
    assert len(ids(pages)) == 3
    kept.changes = [(4, "444", page("444"))]
    time.now += ALL_ANEW_AFTER_S + 1
    assert ids(pages) == ["111", "444"]


def test_after_a_backup_was_restored_everything_is_read_anew(pages: Pages, kept: Kept, time: Time) -> None:
    for number in range(3):
        kept.put(f"{number}", page(f"{number}"))
    assert len(ids(pages)) == 4
    kept.changes = kept.changes[:1]
    time.now += LOOK_EVERY_S
    assert ids(pages) == ["111", "0"]


def test_while_one_thread_looks_the_others_do_not_wait(pages: Pages, kept: Kept, time: Time) -> None:
    assert ids(pages) == ["111"]
    time.now += LOOK_EVERY_S
    is_looking, may_end = threading.Event(), threading.Event()

    def slow() -> int:
        is_looking.set()
        assert may_end.wait(30)
        return 0

    kept.revision = slow  # type: ignore[method-assign]
    looking = threading.Thread(target=pages.pages_by_secret)
    looking.start()
    assert is_looking.wait(30)
    assert ids(pages) == ["111"]
    may_end.set()
    looking.join(30)


def test_a_child_process_looks_though_a_thread_of_its_parent_was_looking(
    pages: Pages, kept: Kept, time: Time
) -> None:
    assert ids(pages) == ["111"]
    time.now += LOOK_EVERY_S
    kept.put("222", page("222"))
    context = multiprocessing.get_context("fork")
    heard = context.SimpleQueue()
    with pages._lock():
        child = context.Process(target=lambda: heard.put(ids(pages)))
        child.start()
        child.join(30)
    assert heard.get() == ["111", "222"]


class Watched(Page):
    """A page that records who reads its secrets."""

    touched: ClassVar[list[str]] = []

    def __getattribute__(self, name: str) -> Any:
        if name == "app_secrets":
            Watched.touched.append(object.__getattribute__(self, "id"))
        return super().__getattribute__(name)


@pytest.mark.parametrize("secrets", [1, 1000])
def test_what_is_asked_for_one_page_of_a_thousand_touches_that_page_alone(
    kept: Kept, time: Time, secrets: int
) -> None:
    def watched(number: int, secret: str) -> Page:
        return Watched(
            id=f"{number}", access_tokens=("token",), app_secrets=(secret,), verify_tokens=("verify",)
        )

    for number in range(1000):
        kept.put(f"{number}", watched(number, f"secret-{number % secrets}"))
    pages = Pages([], kept, monotonic=time)
    assert len(pages.all()) == 1000
    Watched.touched.clear()
    pages.secrets_of("777")
    pages.page("777")
    pages.token_name("777")
    pages.pages_by_secret()
    pages.serves("777")
    assert set(Watched.touched) == {"777"}
    kept.put("777", watched(777, "another-secret"))
    pages.refresh()
    assert set(Watched.touched) == {"777"}


def test_threads_wait_for_a_silent_store_once_and_not_one_after_the_other() -> None:
    """Each event of a page that is not served asks the store."""
    silent, failed, count = Silent(), list[StoreUnavailable](), 9
    pages = Pages([page("111")], silent, monotonic=silent.read_clock)

    def ask() -> None:
        try:
            pages.refresh_together()
        except StoreUnavailable as problem:
            failed.append(problem)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    assert silent.has_read_clock(count + 1, LIMIT_S)  # each once, and the one that looks once more
    silent.gives_up.set()
    for thread in threads:
        thread.join()
    assert (len(failed), silent.asked) == (count, 1)
    silent.is_away = False
    pages.refresh_together()
    assert silent.asked == 2, "who asks later looks anew"


class Silent(Kept):
    """A keeper whose store does not answer before it gives up."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = True
        self.gives_up = threading.Event()
        self._clock, self._reads = threading.Condition(), 0

    def revision(self) -> int:
        self.gives_up.wait(LIMIT_S)
        return super().revision()

    def read_clock(self) -> float:
        with self._clock:
            self._reads += 1
            self._clock.notify_all()
        return monotonic()

    def has_read_clock(self, times: int, within: float) -> bool:
        with self._clock:
            return self._clock.wait_for(lambda: self._reads >= times, within)
