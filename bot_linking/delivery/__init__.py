"""The outbox worker: at least once, in each person's order, with back-off, and dead letters that are seen.

Begin with `worker`, then `verdict`, which says what becomes of an entry. To add a kind of entry: its name
in `core/ports/outbox`, and the handler that sends it in `messenger/deliveries`.
"""

from bot_linking.delivery.attempt import Handler
from bot_linking.delivery.worker import Delivery

__all__ = ["Delivery", "Handler"]
