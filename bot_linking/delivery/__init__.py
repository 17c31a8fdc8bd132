"""The outbox worker: at least once, in each person's order, with back-off, and dead letters that are seen."""

from bot_linking.delivery.attempt import Handler
from bot_linking.delivery.worker import Delivery

__all__ = ["Delivery", "Handler"]
