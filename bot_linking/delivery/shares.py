"""Divides the free places among the pages: one page that waits alone gets all, several take turns."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence


def shares_of(
    pages: Sequence[str],
    under_way: Mapping[str, int],
    *,
    places: int,
    room: Callable[[str], int],
) -> dict[str, int]:
    """How many entries to take of each page that waits.

    `under_way` is the number of a page's sends, `places` how many sends may be under way at once, and `room`
    how many more a page may send at this moment. The page with the fewest under way comes first, so a page
    that hangs keeps its places and gets no more. Where all places are taken, a page with nothing under way
    gets one beyond the limit, up to twice the limit: no page waits for another page's sends to end.
    """
    free = places - sum(under_way.values())
    rooms = {page: room(page) for page in pages}
    taken = _by_turns(pages, under_way, rooms, max(0, free))
    left_over = 2 * places - sum(under_way.values()) - sum(taken.values()) if places > 1 else 0
    for page in pages:
        if left_over > 0 and not under_way.get(page) and page not in taken and rooms[page] > 0:
            taken[page], left_over = 1, left_over - 1
    return taken


def _by_turns(
    pages: Sequence[str], under_way: Mapping[str, int], rooms: Mapping[str, int], free: int
) -> dict[str, int]:
    if len(pages) == 1:
        (page,) = pages
        return {page: share} if (share := min(free, rooms[page])) > 0 else {}
    taken: dict[str, int] = {}
    queue = [(under_way.get(page, 0), place, page) for place, page in enumerate(pages) if rooms[page] > 0]
    heapq.heapify(queue)
    while queue and free > 0:
        count, place, page = heapq.heappop(queue)
        taken[page], free = taken.get(page, 0) + 1, free - 1
        if taken[page] < rooms[page]:
            heapq.heappush(queue, (count + 1, place, page))
    return taken
