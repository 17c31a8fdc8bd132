"""The table as a drawing: one bar for each finding, as long as the used part of its bound."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .measure import Finding

ROW, LEFT, WIDE, TOP = 22, 540, 330, 50
_MET, _MISSED, _INK = "#2f7d4f", "#b3402a", "#222222"


def draw(findings: Sequence[Finding]) -> str:
    """An SVG document. The vertical line is the bound; a bar that crosses it has missed its target."""
    bounded = [finding for finding in findings if finding.bound is not None]
    height = TOP + ROW * len(bounded) + 20
    line = LEFT + WIDE // 2
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDE + 140} {height}"'
        f' font-family="sans-serif" font-size="12" fill="{_INK}" role="img">',
        "<title>Targets and what was measured</title>",
        f'<rect width="100%" height="{height}" fill="#ffffff"/>',
        f'<text x="{line}" y="24" text-anchor="middle">bound</text>',
        f'<line x1="{line}" x2="{line}" y1="32" y2="{height - 10}" stroke="{_INK}" stroke-dasharray="3 3"/>',
    ]
    for place, finding in enumerate(bounded):
        body += _bar(finding, TOP + ROW * place)
    return "\n".join([*body, "</svg>", ""])


def _bar(finding: Finding, top: int) -> list[str]:
    length = round(WIDE / 2 * min(2.0, max(0.01, used(finding))))
    label = escape(f"{finding.target}  {finding.what}")
    color = _MET if finding.met else _MISSED
    sign = "≥" if finding.at_least else "≤"
    return [
        f'<text x="{LEFT - 10}" y="{top + 14}" text-anchor="end">{label}</text>',
        f'<rect x="{LEFT}" y="{top + 3}" width="{length}" height="{ROW - 6}" fill="{color}"/>',
        f'<text x="{LEFT + WIDE + 8}" y="{top + 14}">{finding.ratio:.2f} ({sign} {finding.bound:g})</text>',
    ]


def used(finding: Finding) -> float:
    """The used part of the bound: at 1 the finding just meets it."""
    bound = finding.bound or 1.0
    return bound / max(finding.ratio, 1e-9) if finding.at_least else finding.ratio / bound
