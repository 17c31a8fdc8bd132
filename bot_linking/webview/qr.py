"""An address as a picture to scan, inline in the page."""

from __future__ import annotations

from markupsafe import Markup


def qr_code(url: str) -> Markup:
    """An inline SVG element of black squares on white; nothing of the address stands in it as text."""
    import segno

    made = segno.make(url, micro=False, error="m")
    return Markup(made.svg_inline(omitsize=True, border=4, dark="#000", light="#fff"))  # noqa: S704
