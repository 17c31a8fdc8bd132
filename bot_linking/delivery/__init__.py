"""The outbox worker: it delivers at least once, in each person's order, with back-off and dead letters.

Begin with `worker`, then `verdict`, which says what becomes of an entry. To add a kind of entry, write
a method under `@handles("kind")` in `messenger/deliveries`, and a row in the room's `README.md`.
"""

from bot_linking.delivery.handlers import Handler
from bot_linking.delivery.worker import Delivery

__all__ = ["Delivery", "Handler"]
