"""Every method of each Protocol has its contract in prose, for the author of another implementation."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.tree import PACKAGE, ROOT, arrows

ROOMS = (ROOT / PACKAGE / "core" / "ports", ROOT / PACKAGE / "stores")
LEAST_WORDS = 8


def _methods() -> Iterator[tuple[str, ast.FunctionDef]]:
    """`Protocol.method` and its definition, of every Protocol in these rooms."""
    for path in sorted(path for room in ROOMS for path in room.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases):
                for method in node.body:
                    if isinstance(method, ast.FunctionDef):
                        yield f"{node.name}.{method.name}", method


METHODS = dict(_methods())


def test_the_contracts_are_found() -> None:
    assert {
        "Links.receive",
        "Outbox.claim_due",
        "Engine.write",
        "Tx.hold",
        "Follower.follow",
    } <= METHODS.keys()


@pytest.mark.parametrize("name", sorted(METHODS))
def test_each_method_says_what_it_promises(name: str) -> None:
    assert len((ast.get_docstring(METHODS[name]) or "").split()) >= LEAST_WORDS


@pytest.mark.parametrize("role", ["links", "attempts", "outbox", "counters", "api_keys"])
def test_each_role_of_a_store_is_a_module_of_the_ports_and_a_family_of_the_store(role: str) -> None:
    ports, stores = ROOMS
    for room in (ports, stores):
        assert Path(room / f"{role}.py").is_file()


def test_a_third_store_is_written_from_the_prose_in_300_lines() -> None:
    """The contract suite runs over it, and it imports nothing of `stores`."""
    store = ROOT / "tests" / "stores" / "memory.py"
    assert sorted(store.parent.glob("memory*.py")) == [store]
    assert len(store.read_text("utf-8").splitlines()) <= 300
    assert not [
        arrow
        for arrow in arrows("tests/stores")
        if arrow.source == "tests.stores.memory" and ".stores" in arrow.target
    ]
    assert "MemoryStore()" in (store.parent / "test_contract.py").read_text("utf-8")
