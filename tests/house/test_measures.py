"""What the house measures: lengths, classes, circles. A room that is still over stands in a list of its own,
which can only become shorter."""

from __future__ import annotations

from tests.house import measures
from tests.house.tree import PACKAGE, ROOT

LANDING = {"__init__", "extension", "installation", "signals", "metrics", "celery", "interrupted"}


def test_the_landing_holds_what_a_user_imports_and_what_builds_it() -> None:
    assert {path.stem for path in (ROOT / PACKAGE).glob("*.py")} <= LANDING


def test_functions_fit_on_a_page() -> None:
    assert measures.long_functions() == set()


def test_only_modules_that_wait_for_their_room_are_longer_than_400_lines() -> None:
    assert measures.long_modules() <= {"bot_linking.core.linking"}
    assert measures.long_modules("example_bot") == set()


def test_only_a_class_that_waits_for_its_room_has_more_than_30_methods() -> None:
    assert measures.large_classes() <= {"Linking"}


def test_no_imports_go_in_a_circle() -> None:
    """By every import statement between files, also those in functions and for the type checker."""
    assert measures.circles() == set()
