"""The example's demo customers, whose passwords are public, exist beside the simulator only."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from example_bot import create_app
from example_bot.shop import DEMO_CUSTOMERS, Shop

SECRETS = {
    "BOT_LINKING_APP_SECRET": "f00d5ecret-of-a-shop",
    "BOT_LINKING_PAGE_ACCESS_TOKEN": "EAAG-of-a-shop",
    "BOT_LINKING_VERIFY_TOKEN": "verify-of-a-shop",
    "BOT_LINKING_PUBLIC_URL": "https://bot.example",
}


@pytest.mark.parametrize(
    ("graph", "wanted", "made"),
    [
        ("http://127.0.0.1:5001", None, True),
        (None, None, False),
        ("https://graph.facebook.com", "0", False),
        (None, "1", True),
    ],
)
def test_demo_customers_are_made_beside_a_simulator_or_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, graph: str | None, wanted: str | None, made: bool
) -> None:
    monkeypatch.setenv("EXAMPLE_BOT_INSTANCE", str(tmp_path))
    if wanted is not None:
        monkeypatch.setenv("EXAMPLE_BOT_DEMO_CUSTOMERS", wanted)
    config: dict[str, Any] = SECRETS | {"BOT_LINKING_DELIVERY": "worker"}
    create_app(config | ({"BOT_LINKING_GRAPH_URL": graph} if graph else {}))
    shop = Shop(tmp_path / "shop.db", demo_customers=False)
    for name, _, password in DEMO_CUSTOMERS:
        assert (shop.check_password(name, password) is not None) == made


def test_the_shops_file_is_its_owners_alone_whatever_the_umask_and_whoever_made_it(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    path.touch(0o644)
    path.chmod(0o644)
    Shop(path, demo_customers=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
