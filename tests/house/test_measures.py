"""The house's limits for lengths, classes, circles and words. There are no exceptions."""

from __future__ import annotations

from tests.house import measures
from tests.house.tree import PACKAGE, ROOT, files

LANDING = {"__init__", "extension", "installation", "signals", "metrics", "celery", "interrupted"}


def test_the_landing_holds_what_a_user_imports_and_what_builds_it() -> None:
    assert {path.stem for path in (ROOT / PACKAGE).glob("*.py")} <= LANDING


def test_functions_fit_on_a_page() -> None:
    assert measures.long_functions() == set()


def test_modules_are_no_longer_than_400_lines() -> None:
    assert measures.long_modules() == set()
    assert measures.long_modules("example_bot") == set()


def test_no_class_has_more_than_30_methods() -> None:
    assert measures.large_classes() == set()


def test_the_formatter_lays_out_every_line() -> None:
    assert [
        path for top in (PACKAGE, "example_bot") for path in files(top) if "fmt: skip" in path.read_text()
    ] == []


def test_prose_names_who_acts() -> None:
    """Docstrings and comments hold few of the words that name no one."""
    found = measures.pseudonyms()
    assert len(found) <= 15, found


def test_no_imports_go_in_a_circle() -> None:
    """By every import statement between files, also in functions and for the type checker."""
    assert measures.circles() == set()
