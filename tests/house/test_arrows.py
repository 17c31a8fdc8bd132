"""The floor plan: who may import whom, who knows Flask, and what each module and name is for."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys

import pytest

import bot_linking
from tests.house.measures import tree_of
from tests.house.tree import PACKAGE, ROOT, Arrow, arrows, files, module_of, room_of

FRONT_DOORS = (PACKAGE, f"{PACKAGE}.simulator", f"{PACKAGE}.external_account")
#: Each room and the rooms that it may import, in a function or for types, too. A row names rows above it.
PLAN: dict[str, set[str]] = {
    "core": set(),
    "translations": set(),
    "simulator": set(),
    "testing": {"simulator"},
    "config": {"core"},
    "signals": {"core"},
    "interrupted": {"core", "signals"},
    "delivery": {"core"},
    "stores": {"core", "config"},
    "doors": {"core", "config", "stores"},
    "messenger": {"core", "translations", "config", "interrupted", "delivery", "doors"},
    "account_link_api": {"core", "config", "doors"},
    "oidc": {"core"},
    "webview": {"core", "translations", "config", "doors", "messenger", "oidc"},
    "installation": {
        "core", "translations", "config", "signals", "interrupted", "delivery", "stores", "doors",
        "messenger", "account_link_api", "webview",
    },
    "operators": {
        "core", "config", "signals", "stores", "doors", "messenger", "webview",
        "account_link_api", "installation",
    },
    "external_account": {"core", "config", "stores", "doors", "operators"},
    "verbs": {
        "core", "translations", "config", "signals", "interrupted", "delivery", "stores", "doors",
        "messenger", "webview", "installation",
    },
    "extension": {"core", "doors", "messenger", "oidc", "webview", "installation", "operators", "verbs"},
    "metrics": {"core", "signals", "stores", "installation", "extension"},
    "celery": {"core", "extension"},
    "__init__": {"core", "signals", "messenger", "webview", "extension"},
}  # fmt: skip
FLASK = {
    "bot_linking.doors.body",
    "bot_linking.doors.commands",
    "bot_linking.doors.form",
    "bot_linking.doors.health",
    "bot_linking.doors.neighbour",
    "bot_linking.doors.paths",
    "bot_linking.doors.registrations",
    "bot_linking.doors.unconfigured",
    "bot_linking.extension",
    "bot_linking.verbs.registered",
    "bot_linking.verbs.ways_in",
    "bot_linking.installation",
    "bot_linking.operators.cli",
    "bot_linking.operators.desk.door",
    "bot_linking.operators.desk.visit",
    "bot_linking.messenger.callbacks",
    "bot_linking.webview.owner_views",
    "bot_linking.webview.way_views",
    "bot_linking.webview.code_views",
    "bot_linking.webview.provider_views",
    "bot_linking.webview.viewing",
    "bot_linking.messenger.webhook",
    "bot_linking.webview.views",
    "bot_linking.webview.browser",
    "bot_linking.webview.not_found",
    "bot_linking.webview.opening",
    "bot_linking.webview.pages",
    "bot_linking.webview.stops",
    "bot_linking.account_link_api.endpoint",
    "bot_linking.external_account.endpoint",
    "bot_linking.external_account.extension",
    "bot_linking.simulator.web.chat_routes",
    "bot_linking.simulator.web.guards",
    "bot_linking.simulator.web.messenger_routes",
    "bot_linking.simulator.web.server",
    "bot_linking.simulator.web.verb_routes",
}


def inside(top: str = PACKAGE) -> list[Arrow]:
    """The imports between our own rooms."""
    own = [arrow for arrow in arrows(top) if arrow.target.split(".")[0] in (PACKAGE, "example_bot", "tests")]
    return [arrow for arrow in own if arrow.rooms[0] != arrow.rooms[1]]


def test_every_room_stands_in_the_plan() -> None:
    rooms = {room_of(module_of(path)) for path in files()} - {PACKAGE}
    assert rooms == PLAN.keys()
    assert len(files()) > 50
    assert len(inside()) > 40


def test_the_plan_has_no_arrow_that_runs_back_up() -> None:
    """A room's plan names only rooms above it, so there can be no circle."""
    planned = set[str]()
    for room, allowed in PLAN.items():
        assert allowed <= planned, room
        planned.add(room)


@pytest.mark.parametrize("room", PLAN)
def test_a_room_imports_what_the_plan_allows(room: str) -> None:
    """By every import statement: at the top, in functions, and for the type checker."""
    assert {arrow.rooms[1] for arrow in inside() if arrow.rooms[0] == room} <= PLAN[room]


@pytest.mark.parametrize("room", PLAN)
def test_the_plan_allows_no_arrow_that_is_not_there(room: str) -> None:
    assert {arrow.rooms[1] for arrow in inside() if arrow.rooms[0] == room} >= PLAN[room]


def test_the_core_imports_the_standard_library_and_itself() -> None:
    outside = [arrow for arrow in arrows() if arrow.rooms[0] == "core" and arrow.rooms[1] != "core"]
    assert not [arrow for arrow in outside if arrow.target.split(".")[0] not in sys.stdlib_module_names]


def test_flask_is_known_by_the_doors_only() -> None:
    knows = {
        arrow.source for arrow in arrows()
        if arrow.target.split(".")[0] == "flask" and not arrow.for_types_only
    }  # fmt: skip
    assert knows <= FLASK
    assert {"bot_linking.messenger.webhook", "bot_linking.webview.views"} <= knows


def test_the_example_bot_imports_names_of_the_front_doors_only() -> None:
    """Names in `__all__` of the package, of the simulator and of the optional room."""
    found = [
        (node.module, alias.name)
        for path in files("example_bot")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE
        for alias in node.names
    ]
    assert found
    for module, name in found:
        assert module in FRONT_DOORS
        assert name in importlib.import_module(module).__all__, (module, name)
    assert not [
        alias.name
        for path in files("example_bot")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name.startswith(PACKAGE)
    ]


def test_no_part_of_the_product_imports_the_tests() -> None:
    for top in (PACKAGE, "example_bot"):
        assert not [arrow for arrow in arrows(top) if arrow.target.split(".")[0] == "tests"]


def test_every_module_begins_with_what_it_is_for() -> None:
    silent = [path for path in files() + files("example_bot") if not ast.get_docstring(tree_of(path))]
    assert silent == []


@pytest.mark.parametrize("name", bot_linking.__all__)
def test_every_public_name_says_what_it_is(name: str) -> None:
    doc = getattr(bot_linking, name).__doc__  # a signal says what its event says
    assert doc
    assert not doc.startswith(f"{name}(")  # a docstring that a dataclass made for itself


def test_the_public_names_are_sorted_and_there() -> None:
    assert sorted(bot_linking.__all__) == bot_linking.__all__
    assert len(set(bot_linking.__all__)) == len(bot_linking.__all__)


def test_importing_the_package_is_quick_to_say_what_it_needs() -> None:
    """Every test run imports the pytest plugin; neither it nor the package loads clients or drivers."""
    code = "import sys, bot_linking.testing.plugin as p; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    ).stdout.split()
    for heavy in ("pymessenger", "sqlite_utils", "psycopg", "bot_linking.simulator.web.server"):
        assert heavy not in loaded
