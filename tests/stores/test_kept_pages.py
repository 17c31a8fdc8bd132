"""Pages that are added at run time, in every store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from bot_linking.core.ports import KeptPage
from bot_linking.stores import open_store
from bot_linking.stores.sealing import NotReadable, Seal
from bot_linking.stores.store import SQLStore
from bot_linking.stores.upkeep import KEEP_REMOVED_PAGES_MS

from .given import NOW


def kept(store: SQLStore, after: int = 0) -> list[tuple[str, str | None]]:
    return [(page.page_id, page.sealed) for page in store.pages_since(after)]


def test_a_new_store_has_no_pages(store: SQLStore) -> None:
    assert (store.pages_revision(), store.pages_since(0)) == (0, [])


def test_a_page_is_added_replaced_removed_and_added_again(store: SQLStore) -> None:
    assert store.add_page("111", "first", NOW)
    assert store.pages_since(0) == [KeptPage("111", "first", 1, NOW, NOW)]
    assert store.replace_page("111", "second", NOW + 1, before="first")
    assert store.pages_since(0) == [KeptPage("111", "second", 2, NOW, NOW + 1)]
    assert store.remove_page("111", NOW + 2)
    assert store.pages_since(0) == [KeptPage("111", None, 3, NOW, NOW + 2)]
    assert store.add_page("111", "third", NOW + 3)
    assert store.pages_since(0) == [KeptPage("111", "third", 4, NOW + 3, NOW + 3)]


def test_a_page_that_has_changed_since_the_caller_read_it_is_not_replaced(store: SQLStore) -> None:
    assert not store.replace_page("111", "new", NOW, before="old")
    assert not store.remove_page("111", NOW)
    store.add_page("111", "sealed", NOW)
    assert not store.add_page("111", "another", NOW)
    assert not store.replace_page("111", "new", NOW, before="old")
    assert kept(store) == [("111", "sealed")]
    store.remove_page("111", NOW)
    assert not store.remove_page("111", NOW)
    assert not store.replace_page("111", "new", NOW, before="sealed")
    assert kept(store) == [("111", None)]


def test_pages_since_a_number_are_those_that_changed_in_the_order_of_the_changes(store: SQLStore) -> None:
    for number in range(3):
        store.add_page(f"{number}", "sealed", NOW)
    seen = store.pages_revision()
    assert kept(store, seen) == []
    store.remove_page("1", NOW)
    store.replace_page("0", "anew", NOW, before="sealed")
    assert kept(store, seen) == [("1", None), ("0", "anew")]
    assert store.pages_since(seen)[-1].revision == store.pages_revision()


def test_other_processes_see_a_change_when_it_is_committed(store: SQLStore, url: str) -> None:
    other = open_store(url)
    store.add_page("111", "sealed", NOW)
    assert kept(other) == [("111", "sealed")]
    other.close()


def test_a_reader_misses_no_change_while_many_are_made(store: SQLStore, url: str) -> None:
    """Numbers are committed in their order, so a reader who goes on from the last number misses none."""
    stores = [open_store(url) for _ in range(4)]

    def change(number: int) -> None:
        for each in range(10):
            assert stores[number].add_page(f"{number}-{each}", "sealed", NOW)

    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(change, number) for number in range(4)]
        seen, known = 0, set[str]()
        while not all(work.done() for work in working) or store.pages_revision() > seen:
            for page in store.pages_since(seen):
                known.add(page.page_id)
                seen = page.revision
        for work in working:
            work.result()
    for each in stores:
        each.close()
    assert len(known) == 40


def test_of_two_replacements_at_once_one_is_refused(store: SQLStore, url: str) -> None:
    other = open_store(url)
    for round_ in range(20):
        store.add_page(f"{round_}", "old", NOW)
        with ThreadPoolExecutor(2) as pool:
            done = list(
                pool.map(
                    lambda each, page=f"{round_}": each[0].replace_page(page, each[1], NOW, before="old"),
                    [(store, "one"), (other, "two")],
                )
            )
        assert sorted(done) == [False, True]
    other.close()


def test_a_removed_page_is_forgotten_after_a_month_and_others_stay(store: SQLStore) -> None:
    store.add_page("111", "sealed", NOW)
    store.add_page("222", "sealed", NOW)
    store.remove_page("222", NOW)
    store.purge(NOW + KEEP_REMOVED_PAGES_MS)
    assert kept(store) == [("111", "sealed"), ("222", None)]
    store.purge(NOW + KEEP_REMOVED_PAGES_MS + 1)
    assert kept(store) == [("111", "sealed")]


# Sealed


OLD, NEW = "an-old-key-" * 3, "a-newer-key-" * 3


def test_sealed_text_is_opened_by_each_key_for_its_owner_and_purpose_only() -> None:
    sealed = Seal([OLD], purpose="page").seal(("page", "111"), "a secret")
    assert "a secret" not in sealed
    assert Seal([NEW, OLD], purpose="page").open(("page", "111"), sealed) == "a secret"
    for keys, purpose, owner in (
        ([NEW], "page", ("page", "111")),
        ([OLD], "second factor", ("page", "111")),
        ([OLD], "page", ("page", "222")),
        ([OLD], "page", ("page",)),
    ):
        with pytest.raises(NotReadable):
            Seal(keys, purpose=purpose).open(owner, sealed)


@pytest.mark.parametrize("text", ["", "x", "no token at all", "gAAAAA", "é"])
def test_text_that_was_never_sealed_is_not_readable(text: str) -> None:
    with pytest.raises(NotReadable):
        Seal([NEW], purpose="page").open(("page", "111"), text)
