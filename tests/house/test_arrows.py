"""The floor plan: who may import whom, who knows Flask, and no room so long that nobody finds the door."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bot_linking
from tests.house.tree import PACKAGE, ROOT, Arrow, arrows, files, module_of, room_of

DOORS = {"messenger", "webview", "account_link_api", "external_account", "delivery", "stores"}
HELPERS = {"config", "doors", "translations"}  # floor-level rooms that every door may lean on
MAY_IMPORT: dict[str, set[str]] = {
    "signals": {"core"},
    "translations": set(),
    "interrupted": {"core", "signals"},
    "doors": {"core", "config"},
    "config": {"core"},
    "simulator": set(),
    "testing": {"simulator", "extension", "__init__"},
}
FLASK = {
    "bot_linking.doors.body",
    "bot_linking.doors.health",
    "bot_linking.doors.neighbour",
    "bot_linking.doors.paths",
    "bot_linking.doors.unconfigured",
    "bot_linking.extension",
    "bot_linking.verbs.registered",
    "bot_linking.verbs.ways_in",
    "bot_linking.installation",
    "bot_linking.operators.cli",
    "bot_linking.operators.desk.door",
    "bot_linking.operators.desk.room",
    "bot_linking.messenger.callbacks",
    "bot_linking.webview.owner_views",
    "bot_linking.webview.way_views",
    "bot_linking.messenger.webhook",
    "bot_linking.webview.views",
    "bot_linking.webview.browser",
    "bot_linking.webview.lost",
    "bot_linking.webview.opening",
    "bot_linking.webview.pages",
    "bot_linking.account_link_api.endpoint",
    "bot_linking.external_account.endpoint",
    "bot_linking.external_account.extension",
    "bot_linking.simulator.web.chat_routes",
    "bot_linking.simulator.web.guards",
    "bot_linking.simulator.web.messenger_routes",
    "bot_linking.simulator.web.server",
    "bot_linking.simulator.web.verb_routes",
}
LONGEST_MODULE = 450


def inside(top: str = PACKAGE) -> list[Arrow]:
    """Arrows between our own rooms."""
    own = [arrow for arrow in arrows(top) if arrow.target.split(".")[0] in (PACKAGE, "example_bot", "tests")]
    return [arrow for arrow in own if arrow.rooms[0] != arrow.rooms[1]]


def test_the_plan_is_read_from_the_whole_house() -> None:
    assert len(files()) > 50
    assert {room_of(module_of(path)) for path in files()} >= DOORS - {"external_account"} | {
        "core",
        "simulator",
    }
    assert len(inside()) > 40


def test_the_core_imports_the_standard_library_and_itself() -> None:
    outside = [arrow for arrow in arrows() if arrow.rooms[0] == "core" and arrow.rooms[1] != "core"]
    assert not [arrow for arrow in outside if arrow.target.split(".")[0] not in sys.stdlib_module_names]


def test_the_simulator_imports_nothing_of_ours() -> None:
    assert not [arrow for arrow in inside() if arrow.rooms[0] == "simulator"]


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_a_room_imports_only_what_the_plan_allows(room: str) -> None:
    leads = {arrow.rooms[1] for arrow in inside() if arrow.rooms[0] == room and not arrow.for_types_only}
    assert leads <= MAY_IMPORT[room]


@pytest.mark.parametrize("room", sorted(DOORS - {"external_account"}))
def test_rooms_of_a_floor_do_not_import_each_other_except_the_pages_the_return_url(room: str) -> None:
    also = {"webview": {"messenger"}, "messenger": {"interrupted"}}
    allowed = {"core"} | HELPERS | also.get(room, set())
    leads = {a.rooms[1] for a in inside() if a.rooms[0] == room and not a.for_types_only}
    assert leads <= allowed


def test_the_optional_room_leans_on_a_store_but_on_no_other_door() -> None:
    """It brings tables of its own into the store that the host chose."""
    leads = {
        arrow.rooms[1]
        for arrow in inside()
        if arrow.rooms[0] == "external_account" and not arrow.for_types_only
    }
    assert leads <= {"core", "stores", "extension", "operators"} | HELPERS


def test_nobody_below_imports_the_extension_or_the_commands() -> None:
    above = {"extension", "verbs", "operators", "testing", "__init__"}
    lower = [
        arrow for arrow in inside() if arrow.rooms[0] in DOORS - {"external_account"} | HELPERS | {"core"}
    ]
    assert lower
    assert not [arrow for arrow in lower if arrow.rooms[1] in above]


def test_there_are_no_import_cycles_between_rooms_at_run_time() -> None:
    edges = {arrow.rooms for arrow in inside() if not arrow.for_types_only}
    rooms = {room for edge in edges for room in edge}
    while rooms:
        leaves = {room for room in rooms if not any(a == room and b in rooms for a, b in edges)}
        assert leaves, f"a cycle among {sorted(rooms)}"
        rooms -= leaves


def test_flask_is_known_by_the_doors_only() -> None:
    knows = {
        arrow.source for arrow in arrows()
        if arrow.target.split(".")[0] == "flask" and not arrow.for_types_only
    }  # fmt: skip
    assert knows <= FLASK
    assert {"bot_linking.messenger.webhook", "bot_linking.webview.views"} <= knows


def test_the_example_bot_imports_names_of_the_front_door_only() -> None:
    foreign = [arrow for arrow in inside("example_bot") if arrow.target.startswith(PACKAGE)]
    assert foreign
    for arrow in foreign:
        allowed = {f"{PACKAGE}.__init__"}
        if arrow.source == "example_bot.__main__":
            allowed.add(f"{PACKAGE}.simulator")
        if arrow.target.startswith(f"{PACKAGE}.external_account"):
            continue  # the optional extra has a front door of its own
        assert arrow.target in allowed, arrow


def test_no_part_of_the_product_imports_the_tests() -> None:
    for top in (PACKAGE, "example_bot"):
        assert not [arrow for arrow in arrows(top) if arrow.target.split(".")[0] == "tests"]


@pytest.mark.parametrize("path", files() + files("example_bot"), ids=module_of)
def test_no_module_is_longer_than_fits_in_ones_head(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= LONGEST_MODULE


@pytest.mark.parametrize("path", files() + files("example_bot"), ids=module_of)
def test_every_module_begins_with_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


@pytest.mark.parametrize("name", bot_linking.__all__)
def test_every_public_name_says_what_it_is(name: str) -> None:
    value = getattr(bot_linking, name)
    if isinstance(value, type):
        doc = value.__doc__
    else:  # a signal: the string under its assignment
        tree = ast.parse((ROOT / PACKAGE / "signals.py").read_text("utf-8")).body
        at = next(
            number for number, node in enumerate(tree)
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
        )  # fmt: skip
        following = tree[at + 1]
        assert isinstance(following, ast.Expr)
        assert isinstance(following.value, ast.Constant)
        doc = following.value.value  # type: ignore[assignment]
    assert doc
    assert not doc.startswith(f"{name}(")  # a docstring that a dataclass made for itself


def test_the_public_names_are_sorted_and_there() -> None:
    assert sorted(bot_linking.__all__) == bot_linking.__all__
    assert len(set(bot_linking.__all__)) == len(bot_linking.__all__)


def test_importing_the_package_is_quick_to_say_what_it_needs() -> None:
    """Every test run imports the pytest plugin: neither it nor the front door loads clients or drivers."""
    code = "import sys, bot_linking.testing.plugin as p; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    ).stdout.split()
    for heavy in ("pymessenger", "sqlite_utils", "psycopg", "bot_linking.simulator.web.server"):
        assert heavy not in loaded
