"""The used part of a limit is read from any form of Graph's headers."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot_linking.messenger.graph import Graph, GraphError
from bot_linking.messenger.usage import percent_used, retry_after
from tests.messenger.wire import Wire, always, reply
from tests.wire import APP_SECRET, PAGE_TOKEN

BUSINESS = {
    "1": [{"type": "messenger", "call_count": 12, "total_time": 3, "estimated_time_to_regain_access": 0}]
}


@pytest.mark.parametrize(
    ("headers", "percent"),
    [
        ({}, None),
        ({"X-App-Usage": {"call_count": 28, "total_time": 25, "total_cputime": 31}}, 31.0),
        ({"X-Page-Usage": {"call_count": 44}}, 44.0),
        ({"X-Business-Use-Case-Usage": BUSINESS}, 12.0),
        ({"X-Business-Use-Case-Usage": {"1": [{"call_count": 3}, {"total_time": 99.5}], "2": []}}, 99.5),
        ({"X-App-Usage": {"call_count": 5}, "X-Business-Use-Case-Usage": BUSINESS}, 12.0),
        ({"X-App-Usage": {"call_count": "28"}}, None),
        ({"X-App-Usage": {"call_count": True}}, None),
        ({"X-App-Usage": {"call_count": -1}}, None),
        ({"X-App-Usage": {"acc_id_util_pct": 9}}, None),
        ({"X-App-Usage": [28]}, None),
        ({"X-Business-Use-Case-Usage": {"1": {"call_count": 80}}}, None),
        ({"X-Business-Use-Case-Usage": [[{"call_count": 80}]]}, 80.0),
    ],
    ids=str,
)
def test_the_highest_percentage_counts(headers: dict[str, Any], percent: float | None) -> None:
    assert percent_used({name: json.dumps(value) for name, value in headers.items()}) == percent


@pytest.mark.parametrize("header", ["", "not JSON", "[" * 100_000, "NaN", "1e400", '{"call_count": NaN}'])
def test_what_cannot_be_read_tells_nothing(header: str) -> None:
    for name in ("X-App-Usage", "X-Business-Use-Case-Usage"):
        assert percent_used({name: header}) is None
        assert retry_after({name: header}) is None


@given(
    st.recursive(
        st.none() | st.floats() | st.integers() | st.text(),
        lambda each: (
            st.lists(each)
            | st.dictionaries(st.sampled_from(["call_count", "1", "estimated_time_to_regain_access"]), each)
        ),
    )
)
def test_whatever_the_headers_hold_is_no_error(value: Any) -> None:
    header = json.dumps(value)
    for name in ("X-App-Usage", "X-Page-Usage", "X-Business-Use-Case-Usage"):
        percent_used({name: header})
        retry_after({name: header})


def test_graph_hands_the_usage_on_with_good_answers_and_bad_ones() -> None:
    heard = list[float]()
    usage = {"X_App_Usage": '{"call_count":81}'}
    for answer in (
        reply(b'{"id":"1"}', **usage),
        reply(b'{"error":{"code":613}}', "400 X", **usage),
        reply(b"{}"),
    ):
        wire = Wire(always(answer))
        graph = Graph(PAGE_TOKEN, APP_SECRET, url=wire.url, version="v26.0", on_usage=heard.append)
        with suppress(GraphError):
            graph.page_id()
        wire.close()
    assert heard == [81.0, 81.0]
