"""What expires: the Graph version, and a page's access token."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

from bot_linking.doors.findings import Finding
from bot_linking.messenger.graph import Graph, GraphError

VERSION_SOON_DAYS = 90
TOKEN_SOON_DAYS = 7
# Source: Graph API changelog, "Available versions". A newer version has no end yet.
VERSIONS_END = {
    "v19.0": date(2026, 5, 21),
    "v20.0": date(2026, 9, 24),
    "v21.0": date(2027, 1, 21),
    "v22.0": date(2027, 5, 20),
    "v23.0": date(2027, 10, 8),
    "v24.0": date(2028, 2, 18),
    "v25.0": date(2028, 7, 29),
}
_RENEW = "make a new one in the app's dashboard and replace it (`flask linking page rotate`)"


def check_version(version: str, today: date) -> Iterator[Finding]:
    """A finding for a version that has ended or ends within 90 days. A version without a known end passes."""
    end = VERSIONS_END.get(version)
    if end is None and _number(version) < _number(min(VERSIONS_END, key=_number)):
        yield Finding("wrong", f"Graph {version} has ended: set BOT_LINKING_GRAPH_VERSION to a newer one")
    elif end is not None and (end - today).days <= VERSION_SOON_DAYS:
        when = f"ended on {end}" if end <= today else f"ends on {end}, in {(end - today).days} days"
        yield Finding("wrong", f"Graph {version} {when}: set BOT_LINKING_GRAPH_VERSION to a newer one")


def check_token(graph: Graph, token: str, now: datetime) -> Iterator[Finding]:
    """A finding for a token that is refused, has ended or ends within 7 days. `graph` asks as the app, or,
    where that is unknown, as the token itself. Where Graph does not say, the token passes.
    Source: Graph API, `debug_token`."""
    try:
        told = graph.get("debug_token", input_token=token).get("data")
    except GraphError:
        return
    if not isinstance(told, dict):
        return
    if told.get("is_valid") is False:
        yield Finding("wrong", f"the page's access token is not good any more: {_RENEW}")
        return
    ends = [told.get(name) for name in ("expires_at", "data_access_expires_at")]
    soonest = min((end for end in ends if isinstance(end, int) and end > 0), default=None)
    if soonest is not None and (days := (soonest - now.timestamp()) / 86_400) <= TOKEN_SOON_DAYS:
        when = datetime.fromtimestamp(soonest, UTC).date()
        how_long = "has ended" if days <= 0 else f"ends on {when}, in {days:.0f} days"
        yield Finding("wrong", f"the page's access token {how_long}: {_RENEW}")


def _number(version: str) -> float:
    """The version as a number, so that v9.0 comes before v10.0."""
    return float(version.removeprefix("v"))
