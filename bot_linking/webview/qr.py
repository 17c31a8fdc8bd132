"""Draws an address as a QR code."""

from __future__ import annotations

from markupsafe import Markup


def qr_code(url: str) -> Markup:
    """An inline SVG element, black on white. It holds no text of the address."""
    import segno

    made = segno.make(url, micro=False, error="m")
    return Markup(made.svg_inline(omitsize=True, border=4, dark="#000", light="#fff"))  # noqa: S704
