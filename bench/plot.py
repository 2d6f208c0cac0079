"""A small log-log plot as SVG, without any library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 250, 40, 50
COLOURS = ("#1b6ca8", "#c0392b", "#2e7d32", "#8e44ad", "#b9770e", "#117a65", "#7b7d7d", "#5d4037")

Curve = Mapping[int, float]


def log_log(title: str, unit: str, curves: Mapping[str, Curve]) -> str:
    """The curves (x: number of entries, y: ``unit``) as an SVG document; peers, named ``... (linear)``, dashed."""
    sizes = sorted({size for curve in curves.values() for size in curve})
    values = [value for curve in curves.values() for value in curve.values()]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    x = _Axis(math.log10(sizes[0]), math.log10(sizes[-1]), LEFT, WIDTH - RIGHT)
    y = _Axis(low, max(high, low + 1), HEIGHT - BOTTOM, TOP)
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="14" font-weight="bold">{escape(title)} ({escape(unit)})</text>',
        *_grid(x, y, sizes, range(low, max(high, low + 1) + 1)),
        *_lines(x, y, curves),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Axis:
    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self._low, self._span = low, (high - low) or 1.0
        self._start, self._length = start, end - start

    def at(self, value: float) -> float:
        """The place of a value, in pixels."""
        return round(self._start + (math.log10(value) - self._low) / self._span * self._length, 1)


def _grid(x: _Axis, y: _Axis, sizes: Sequence[int], powers: range) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    found = []
    for power in powers:
        at = y.at(10**power)
        found.append(f'<line x1="{LEFT}" y1="{at}" x2="{right}" y2="{at}" stroke="#ddd"/>')
        found.append(f'<text x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{10**power:g}</text>')
    for size in sizes:
        at = x.at(size)
        found.append(f'<line x1="{at}" y1="{TOP}" x2="{at}" y2="{bottom}" stroke="#eee"/>')
        found.append(f'<text x="{at}" y="{bottom + 18}" text-anchor="middle">{size:,}</text>')
    middle = (LEFT + right) / 2
    return [*found, f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">entries</text>']


def _lines(x: _Axis, y: _Axis, curves: Mapping[str, Curve]) -> list[str]:
    found = []
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number // 2 % len(COLOURS)]
        dash = ' stroke-dasharray="5 4"' if name.endswith("(linear)") else ""
        points = " ".join(f"{x.at(size)},{y.at(value)}" for size, value in sorted(curve.items()))
        found.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        top = TOP + 12 + number * 20
        left = WIDTH - RIGHT + 14
        found.append(f'<line x1="{left}" y1="{top}" x2="{left + 24}" y2="{top}" stroke="{colour}"{dash}/>')
        found.append(f'<text x="{left + 30}" y="{top + 4}">{escape(name)}</text>')
    return found
