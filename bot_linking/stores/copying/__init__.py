"""Moves a whole store into another database: `copy_store` reads every table of one and fills the other."""

from __future__ import annotations

from bot_linking.stores.copying.copier import Copied, CopyRefused, copy_store

__all__ = ["Copied", "CopyRefused", "copy_store"]
