"""SignIn is limited by application, by unionID and by address; while the store is away it is closed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .shop import UNION, MakeShop, Shop


def test_one_union_id_fails_so_often_in_a_minute(new_shop: MakeShop) -> None:
    shop = new_shop(EXTERNAL_SIGN_IN_LIMIT=3)
    account_id = shop.bound()
    shop.bind(unionID="another")
    shop.update(account_id, enable=False)
    assert [shop.sign_in().status_code for _ in range(4)] == [403, 403, 403, 429]
    shop.update(account_id, enable=True)
    answer = shop.sign_in()
    assert (answer.json()["data"], 0 < int(answer.headers["Retry-After"]) <= 60) == (None, True)
    assert shop.sign_in(unionID="another").status_code == 200
    shop.clock.advance(int(answer.headers["Retry-After"]))
    assert shop.sign_in().status_code == 200


def test_sign_ins_that_succeed_are_not_counted_by_any_limit(new_shop: MakeShop) -> None:
    shop = new_shop(EXTERNAL_SIGN_IN_LIMIT=2, EXTERNAL_ADDRESS_LIMIT=2, EXTERNAL_APP_LIMIT=2)
    shop.bind()
    assert [shop.sign_in().status_code for _ in range(12)] == [200] * 12
    assert shop.sign_in(unionID="nobody").status_code == 404
    assert [shop.sign_in().status_code for _ in range(3)] == [200] * 3


@pytest.mark.parametrize(
    ("fields", "token"), [({"unionID": "nobody"}, None), ({"unionID": ""}, None), ({}, "wrong")]
)
def test_a_failure_of_any_kind_counts(new_shop: MakeShop, fields: dict[str, str], token: str | None) -> None:
    shop = new_shop(EXTERNAL_ADDRESS_LIMIT=2)
    shop.bind()
    for _ in range(2):
        assert shop.sign_in(token=token, **fields).status_code in {400, 401, 404}
    assert shop.sign_in().status_code == 429


def test_one_application_signs_in_so_often_in_a_minute_and_no_other_pays_for_it(new_shop: MakeShop) -> None:
    shop = new_shop(EXTERNAL_APP_LIMIT=3)
    other = shop.external.create_app("other")
    statuses = [shop.sign_in(unionID=f"nobody{number}").status_code for number in range(4)]
    assert statuses == [404, 404, 404, 429]
    assert shop.call("POST", "/SignIn", app="other", token=other, json=UNION).status_code == 404
    shop.clock.advance(61)
    assert shop.sign_in().status_code == 404


def test_one_address_signs_in_so_often_in_a_minute_with_whatever_token(new_shop: MakeShop) -> None:
    shop = new_shop(EXTERNAL_ADDRESS_LIMIT=3, TRUSTED_PROXIES=1)
    answers = [
        shop.call("POST", "/SignIn", json=UNION, headers={"X-Forwarded-For": f"{spoofed}, 203.0.113.7"})
        for spoofed in ("1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4")
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    other = {"X-Forwarded-For": "203.0.113.8", "Authorization": f"Bearer {shop.back_end}"}
    assert shop.call("POST", "/SignIn", json=UNION, headers=other).status_code == 404


def test_no_other_call_is_slowed_down(new_shop: MakeShop) -> None:
    shop = new_shop(EXTERNAL_ADDRESS_LIMIT=1, EXTERNAL_APP_LIMIT=1, EXTERNAL_SIGN_IN_LIMIT=1)
    for _ in range(5):
        assert shop.bind().status_code == 200
        assert shop.accounts()


def test_with_the_store_away_every_call_is_closed_and_says_nothing_of_why(
    shop: Shop, tmp_path: Path, damage: Callable[[], None]
) -> None:
    shop.bind()
    damage()
    for method, path, nothing in (
        ("GET", "", []), ("POST", "", False), ("PUT", "/1", False), ("DELETE", "/1", False),
        ("POST", "/SignIn", None),
    ):  # fmt: skip
        token = shop.back_end if path == "/SignIn" else shop.user
        answer = shop.call(method, path, token=token, json=UNION | ({"data": "x"} if method == "PUT" else {}))
        assert (answer.status_code, answer.json()["data"]) == (503, nothing), (method, path, answer.text)
        assert int(answer.headers["Retry-After"]) > 0
        assert str(tmp_path) not in answer.text
        assert "sqlite" not in answer.text.lower()


@pytest.fixture(params=["gone", "garbage"])
def damage(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], None]:
    """Damage the shop's database."""
    path = tmp_path / "shop.db"

    def gone() -> None:
        for name in ("shop.db", "shop.db-wal", "shop.db-shm"):
            if (tmp_path / name).exists():
                os.replace(tmp_path / name, tmp_path / f"{name}.away")

    def garbage() -> None:
        gone()
        path.write_bytes(b"this is no database" * 1000)

    return gone if request.param == "gone" else garbage
