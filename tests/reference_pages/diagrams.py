"""The diagrams in ``docs/diagrams``: SVG made from a text beside it, and the floors from the import contracts.

The SVGs need no script, no font and no other file. They have a title and a description, and are light or dark as their
reader is.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import yaml

from tests.support.service import ROOT

FOLDER = ROOT / "docs" / "diagrams"
_CHARACTER = 6.7
"""Width of a character of 12 pixels, at most."""
_LINE = 16
_STYLE = """<style>
  svg { font: 12px system-ui, sans-serif; background: #fff; color: #1b1f24; --back: #fff }
  text { fill: currentColor }
  .name { font-weight: 600 }
  .code { font: 11px ui-monospace, monospace; opacity: .8 }
  .small { font-size: 11px }
  .said { paint-order: stroke; stroke: var(--back); stroke-width: 4px }
  .box { fill: #eef1fb; stroke: #4051b5 }
  .band { fill: #f6f7f9; stroke: #9aa4b2 }
  .own { fill: #fff8e1; stroke: #b07d00 }
  .life { stroke: #9aa4b2; stroke-dasharray: 3 3 }
  .arrow { stroke: currentColor; fill: none }
  .back { stroke-dasharray: 6 3 }
  .head { fill: currentColor }
  @media (prefers-color-scheme: dark) {
    svg { background: #1b1f24; color: #e8eaed; --back: #1b1f24 }
    .box { fill: #26304d; stroke: #8fa2ff }
    .band { fill: #23282f; stroke: #6b7480 }
    .own { fill: #3a3216; stroke: #e0b84c }
  }
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">\
<path class="head" d="M0 0 8 4 0 8z"/></marker></defs>"""


class Box(NamedTuple):
    """A rectangle of text."""

    x: float
    y: float
    width: float
    height: float

    def svg(self, kind: str) -> str:
        """The rectangle."""
        place = f'x="{self.x:g}" y="{self.y:g}" width="{self.width:g}" height="{self.height:g}"'
        return f'<rect class="{kind}" {place} rx="5"/>'


def diagrams() -> dict[str, str]:
    """File name -> SVG, of every diagram."""
    made = {f"{source.stem}.svg": drawing(yaml.safe_load(source.read_text(encoding="utf-8"))) for source in sources()}
    return made | {
        "floors.svg": floors("imagegate", "Floors of the package"),
        "rooms.svg": floors("imagegate.core", "Rooms of core"),
    }


def sources() -> list[Path]:
    """The texts from which diagrams are made."""
    return sorted(FOLDER.glob("*.yaml"))


def drawing(source: dict[str, Any]) -> str:
    """The diagram of one text: ``lanes`` and ``steps``, or ``places``."""
    body, width, height = _sequence(source) if "lanes" in source else _places(source["places"])
    return _svg(source["title"], source["description"], body, width, height)


def _svg(title: str, description: str, body: Sequence[str], width: float, height: float) -> str:
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title description">'
    named = f'<title id="title">{escape(title)}</title>'
    described = f'<desc id="description">{escape(" ".join(description.split()))}</desc>'
    return "\n".join((head, named, described, _STYLE, *body, "</svg>\n"))


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _sequence(source: dict[str, Any]) -> tuple[list[str], float, float]:
    """Lanes side by side, and steps from lane to lane below each other."""
    lanes, wide = source["lanes"], 150.0
    middle = {lane["id"]: 90 + index * (wide + 20) for index, lane in enumerate(lanes)}
    width = 180 + (len(lanes) - 1) * (wide + 20)
    body, y = [], 78.0
    for step in source["steps"]:
        drawn, y = _step(step, middle, y, width)
        body += drawn
    heads = [part for lane in lanes for part in _lane(lane, middle[lane["id"]], wide, y)]
    return heads + body, width, y + 14


def _lane(lane: dict[str, str], x: float, wide: float, bottom: float) -> Iterator[str]:
    yield f'<path class="life" d="M{x:g} 52V{bottom:g}"/>'
    yield Box(x - wide / 2, 8, wide, 44).svg("box")
    yield _text(x, 27, lane["name"], "name")
    yield _text(x, 44, lane.get("code", ""), "code")


def _step(step: dict[str, str], middle: dict[str, float], y: float, width: float) -> tuple[list[str], float]:
    start = middle[step["from"]]
    end = middle[step.get("to", step["from"])]
    if start == end:
        room = max(170.0, min(230.0, width - 8))
        lines = wrap(step["text"], int((room - 16) / _CHARACTER))
        x = min(max(start - room / 2, 4), width - room - 4)
        box = Box(x, y - 6, room, len(lines) * _LINE + 10)
        drawn = [box.svg("own")]
        drawn += [_text(x + room / 2, y + 9 + index * _LINE, line) for index, line in enumerate(lines)]
        return drawn, y + box.height + 14
    lines = wrap(step["text"], max(20, int((abs(end - start) - 12) / _CHARACTER)))
    drawn = [_text((start + end) / 2, y + 8 + index * _LINE, line, "said") for index, line in enumerate(lines)]
    y += len(lines) * _LINE
    back = " back" if step.get("back") else ""
    drawn.append(f'<path class="arrow{back}" marker-end="url(#head)" d="M{start:g} {y:g}H{end:g}"/>')
    return drawn, y + 20


def _places(places: Sequence[dict[str, Any]]) -> tuple[list[str], float, float]:
    """Bands below each other, each with boxes side by side that wrap to the next row."""
    wide, across, body, y = 220.0, 4, [], 8.0
    width = 16 + across * (wide + 10) + 6
    for place in places:
        rows = [place["boxes"][index : index + across] for index in range(0, len(place["boxes"]), across)]
        inner: list[str] = []
        top = y + 34
        for row in rows:
            texts = [wrap(box.get("text", ""), int((wide - 16) / (_CHARACTER * 0.95))) for box in row]
            height = 44 + max(len(lines) for lines in texts) * _LINE
            for index, (box, lines) in enumerate(zip(row, texts, strict=True)):
                inner += _cell(box, lines, Box(16 + index * (wide + 10), top, wide, height))
            top += height + 10
        body += [Box(6, y, width - 12, top - y).svg("band"), _text(16, y + 21, place["name"], "name", "start"), *inner]
        y = top + 10
    return body, width, y


def _cell(content: dict[str, str], lines: Sequence[str], box: Box) -> Iterator[str]:
    yield box.svg("box")
    yield _text(box.x + 8, box.y + 18, content["name"], "name", "start")
    top = box.y + 34
    if "code" in content:
        yield _text(box.x + 8, top, content["code"], "code", "start")
        top += _LINE
    for index, line in enumerate(lines):
        yield _text(box.x + 8, top + index * _LINE, line, "small", "start")


def contracts(container: str) -> list[list[str]]:
    """The floors of a package, from above, as import-linter checks them."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in document["tool"]["importlinter"]["contracts"]:
        if contract.get("containers") == [container]:
            return [[part.strip() for part in layer.split("|")] for layer in contract["layers"]]
    raise LookupError(container)


def floors(container: str, title: str) -> str:
    """Floors below each other; the sentence in each box is the first of the package's docstring."""
    layers, width, y = contracts(container), 960.0, 8.0
    body: list[str] = []
    for layer in layers:
        wide = (width - 12 - 10 * (len(layer) - 1)) / len(layer)
        texts = [wrap(_summary(container, part), int((wide - 16) / (_CHARACTER * 0.95))) for part in layer]
        height = 28 + max(len(lines) for lines in texts) * _LINE
        for index, (part, lines) in enumerate(zip(layer, texts, strict=True)):
            body += _cell({"name": part}, lines, Box(6 + index * (wide + 10), y, wide, height))
        y += height + 10
    above = "; ".join(" and ".join(layer) for layer in layers)
    return _svg(title, f"Each package imports only from floors below it. From above: {above}.", body, width, y)


def _summary(container: str, name: str) -> str:
    """The first sentence of a package's docstring."""
    path = ROOT.joinpath(*container.split("."), name)
    module = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    sentence = " ".join(text.replace("`", "").partition("\n\n")[0].split()).partition(". ")[0].rstrip(".")
    return re.sub(r" \(docs/spec/[^)]*\)", "", sentence)
