"""Requests at the same time end as requests one after another: threads and processes, on each database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
import requests

from bot_linking import Account
from bot_linking.external_account.apps import Apps
from bot_linking.external_account.link_mirror import LinkMirror
from bot_linking.external_account.service import MIGRATIONS, ROOM
from bot_linking.stores import open_store
from tests.stores.given import DATABASES, NOW, PAGE, PSID, link
from tests.stores.processes import run_together

from .shop import KEYS, UNION, MakeShop, Shop
from .worker import bind_and_pass


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run all of them at the same time."""
    barrier = Barrier(len(calls))

    def begin(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(begin, calls))


def post(shop: Shop, path: str, token: str, **body: Any) -> Callable[[], int]:
    """Call on a connection of its own, and return the status."""

    def call() -> int:
        with requests.Session() as session:
            session.trust_env = False
            headers = {"Authorization": f"Bearer {token}"}
            url = f"{shop.url}/ExternalAccount/shop{path}"
            return session.post(url, json=UNION | body, headers=headers, timeout=60).status_code

    return call


def test_of_two_users_who_bind_one_pair_at_once_one_wins(any_shop: Shop) -> None:
    shop = any_shop
    for number in range(10):
        union = f"pair{number}"
        calls = [post(shop, "", token, unionID=union) for token in (shop.user, shop.other) * 3]
        statuses = at_once(*calls)
        assert sorted(Counter(statuses).items()) == [(200, 3), (409, 3)], "the winner's repetitions succeed"
        assert statuses in ([200, 409] * 3, [409, 200] * 3)
    assert len(shop.accounts()) + len(shop.accounts(shop.other)) == 10


def test_one_code_used_many_times_at_once_is_accepted_once(any_shop: Shop) -> None:
    any_shop.bind()
    authenticator = any_shop.enrol()
    for _ in range(5):
        code = authenticator.code()
        statuses = at_once(
            *(post(any_shop, "/SignIn", any_shop.back_end, twoFactorCode=code) for _ in range(5))
        )
        assert sorted(statuses) == [200, 401, 401, 401, 401]
        any_shop.clock.advance(901)


def test_a_burst_of_guesses_gets_no_more_tries_than_the_limit(any_shop: Shop) -> None:
    any_shop.bind()
    authenticator = any_shop.enrol()
    guesses = (
        post(any_shop, "/SignIn", any_shop.back_end, twoFactorCode=authenticator.wrong(n)) for n in range(20)
    )
    assert sorted(Counter(at_once(*guesses)).items()) == [(401, 5), (429, 15)]


def test_a_burst_of_failing_sign_ins_gets_no_more_tries_than_the_limit(new_shop: MakeShop) -> None:
    shop = new_shop(EXTERNAL_SIGN_IN_LIMIT=7)
    statuses = at_once(*(post(shop, "/SignIn", shop.back_end) for _ in range(24)))
    assert sorted(Counter(statuses).items()) == [(404, 7), (429, 17)]


def test_no_sign_in_outlives_the_disabling_of_its_account(any_shop: Shop) -> None:
    """Whichever is first: when both have answered, no token of the account is good."""
    shop = any_shop
    account_id = shop.bound()
    for _ in range(8):
        tokens: list[str] = []

        def sign_in(tokens: list[str] = tokens) -> None:
            with requests.Session() as session:
                session.trust_env = False
                headers = {"Authorization": f"Bearer {shop.back_end}"}
                answer = session.post(
                    f"{shop.url}/ExternalAccount/shop/SignIn", json=UNION, headers=headers, timeout=60
                )
                if answer.ok:
                    tokens.append(answer.json()["data"]["access_token"])

        at_once(sign_in, lambda: shop.update(account_id, enable=False))
        assert not any(map(shop.is_good, tokens))
        shop.update(account_id, enable=True)
        shop.clock.advance(61)


@pytest.mark.parametrize("door", ["unlink", "erase"])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_nobody_who_leaves_while_an_application_is_made_is_bound_by_it(
    kind: str, door: str, tmp_path: Path
) -> None:
    with DATABASES[kind](tmp_path) as database:
        store, leaving = open_store(database), list[Thread]()
        link(store)

        def leave() -> None:
            store.unlink(PAGE, PSID, "site", NOW + 1) if door == "unlink" else store.erase(
                PAGE, PSID, NOW + 1
            )

        def user_id_of(account: Account) -> int:
            if not leaving:
                leaving.append(Thread(target=leave))
                leaving[0].start()
                leaving[0].join(1)  # it cannot end before we do, or has ended
            return 1

        mirror = LinkMirror((), user_id_of)
        store.engine.extend(MIGRATIONS, ROOM)
        store.followers.append(mirror)
        assert Apps(store.engine).begin_app("shop", NOW)
        mirror.catch_up(store, "shop", NOW)
        leaving[0].join(60)
        assert store.find_link(PAGE, PSID) is None
        pair = {"app_key": "shop", "platform": "messenger", "union_id": PSID}
        assert store.engine.read("external_find_pair", **pair) == []
        store.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_processes_share_one_truth(kind: str, new_shop: MakeShop, tmp_path: Path) -> None:
    """Four processes bind the same forty pairs for two users and use one code: one owner each, one pass."""
    with DATABASES[kind](tmp_path) as database:
        shop = new_shop(database)
        code = shop.enrol().code()
        said = run_together(bind_and_pass, [(database, KEYS, user, code, 4) for user in (7, 8, 7, 8)])
        owners = Counter(line for lines in said for line in lines if line.startswith("bound"))
        assert owners == {f"bound {number}": 2 for number in range(40)}
        assert Counter(lines[-1] for lines in said) == {"passed": 1, "turned away": 3}
        assert len(shop.accounts()) + len(shop.accounts(shop.other)) == 40
