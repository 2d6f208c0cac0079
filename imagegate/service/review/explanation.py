"""A decision in sentences, grouped by plug-in and image: the verdict, what to change, then the evidence.

``explain``, ``check --explain`` and the console show the same ones; the steps themselves are in ``-o json``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imagegate.core.admission.decision import Denial, PatchOp, field_path, pointer
from imagegate.core.admission.hint import as_sentence
from imagegate.core.admission.trace import HINT, Step
from imagegate.service.review.both_passes import TwoPassResult
from imagegate.service.review.response import Verdict
from imagegate.service.review.step_sentences import sentence

PLUG_IN = "plug-in"


@dataclass(slots=True)
class ImageExplanation:
    """One image, or the object as a whole, before one plug-in."""

    at: str
    """Its field path; empty: the object."""
    image: str = ""
    """As written."""
    verdict: str = "allowed"
    """``allowed``, ``rewritten``, ``denied``, ``warned``, ``audited``."""
    runs: str = ""
    """The image that it was changed to."""
    reasons: list[str] = field(default_factory=list)
    """Sentences of the denial."""
    rule: str = ""
    """The rule that denies it; empty where none does."""
    hint: str = ""
    """The rule that comes nearest to allowing it, and why it does not: ``Denial.hint`` as a sentence."""
    evidence: list[str] = field(default_factory=list)
    """Look-ups and rules that were tried, in order."""


@dataclass(slots=True)
class PluginExplanation:
    """One plug-in's part."""

    plugin: str
    verdict: str = "allowed"
    about: list[str] = field(default_factory=list)
    """Sentences about the object and the policies in force."""
    images: list[ImageExplanation] = field(default_factory=list)


@dataclass(slots=True)
class Explanation:
    """The whole decision."""

    verdict: str
    """``allowed``, ``rewritten``, ``denied``; ``unknown``: denied only for lack of evidence."""
    change: str
    """The one thing to change; empty if nothing is denied."""
    plugins: list[PluginExplanation]
    """Those that decided, in order."""
    silent: list[str]
    """Plug-ins that have nothing to say about such an object."""
    notes: list[str]
    """Sentences about the service: warnings, the age of what it knows of the cluster."""


def explanation(both: TwoPassResult, steps: Sequence[tuple[str, Step]]) -> Explanation:
    """The decision ``both`` in sentences, with the steps of its trace: field path and step."""
    parts, silent, notes = _grouped(steps)
    for outcome in both:
        for decided in outcome.verdicts:
            _add_verdict(parts, decided, is_patched=bool(both.patch))
    document = both.mutating.request.object
    for part in parts.values():
        for each in part.images:
            each.image = each.image or _written(document, each.at)
    verdict = "unknown" if both.only_lacks_evidence else "denied" if not both.allowed else "allowed"
    if both.patch and verdict == "allowed":
        verdict = "rewritten"
    notes += both.warnings
    return Explanation(verdict, _change(parts.values(), both), list(parts.values()), silent, notes)


def _grouped(steps: Sequence[tuple[str, Step]]) -> tuple[dict[str, PluginExplanation], list[str], list[str]]:
    """The evidence by plug-in and image; plug-ins that say nothing; sentences about the service."""
    parts: dict[str, PluginExplanation] = {}
    silent: dict[str, None] = {}
    notes: list[str] = []
    part: PluginExplanation | None = None
    for at, step in steps:
        if step.what == PLUG_IN:
            part = None
            if step.outcome == "covered":
                part = parts.setdefault(step.subject, PluginExplanation(step.subject))
            else:
                silent[step.subject] = None
        elif part is None:
            notes.append(sentence(step))
        elif not at:
            _append(part.about, sentence(step))
        else:
            image = _image(part, at)
            if step.what == HINT:
                image.hint = as_sentence(step.because)
            else:
                _append(image.evidence, sentence(step))
    return parts, [name for name in silent if name not in parts], notes


def _image(part: PluginExplanation, at: str) -> ImageExplanation:
    """The image at a place, added if it is not there."""
    for each in part.images:
        if each.at == at:
            return each
    part.images.append(ImageExplanation(at))
    return part.images[-1]


def _add_verdict(parts: dict[str, PluginExplanation], decided: Verdict, *, is_patched: bool) -> None:
    decision = decided.decision
    part = parts.setdefault(decision.plugin, PluginExplanation(decision.plugin))
    part.verdict = _stronger(part.verdict, decided.word)
    for denial in decision.denials:
        _add_denial(part, denial, decided.word)
    for op in decision.rewrites if is_patched else ():
        _add_rewrite(part, op)


def _add_denial(part: PluginExplanation, denial: Denial, word: str) -> None:
    image = _image(part, denial.at)
    image.verdict, image.image, image.rule = word, denial.image or image.image, denial.rule or image.rule
    _append(image.reasons, f"{denial.because} [{denial.code}]")


def _add_rewrite(part: PluginExplanation, op: PatchOp) -> None:
    place = field_path(op.path)
    runs = op.value
    if isinstance(runs, Mapping):  # the object reference of a build
        place, runs = f"{place}.name", runs.get("name")
    for each in part.images:
        if each.at == place and isinstance(runs, str):
            each.runs = runs
            each.verdict = _stronger(each.verdict, "rewritten")


def _written(document: Any, at: str) -> str:
    """The image at a field path of the object; empty where it is not found.

    An item of a list is named by its position, or by its name: ``spec.tags[latest].from.name``.
    """
    for key in pointer(at).split("/")[1:]:
        if isinstance(document, Mapping):
            document = document.get(key)
        elif isinstance(document, list):
            named = (each for each in document if isinstance(each, Mapping) and each.get("name") == key)
            found = document[int(key) : int(key) + 1] if key.isdecimal() else []
            document = found[0] if found else next(named, None)
        else:
            return ""
    return document if isinstance(document, str) else ""


def _append(sentences: list[str], text: str) -> None:
    if text not in sentences:
        sentences.append(text)


_STRENGTH = ("allowed", "rewritten", "audited", "warned", "denied")


def _stronger(one: str, other: str) -> str:
    return max(one, other, key=_STRENGTH.index)


def _change(parts: Iterable[PluginExplanation], both: TwoPassResult) -> str:
    """The one thing to change so that the first denial goes away."""
    if both.allowed:
        return ""
    if both.only_lacks_evidence:
        return "Try again: a look-up failed, and without its answer nothing is allowed."
    for part in parts:
        for each in part.images:
            if each.verdict == "denied":
                return _change_of(part, each)
    return ""


def _change_of(part: PluginExplanation, image: ImageExplanation) -> str:
    if image.hint and not image.rule:
        return image.hint
    if not image.at:
        return f"Change the object so that {part.plugin} can judge it: {image.reasons[0]}"
    rule = image.rule or "the policy that denies it"
    return f"Use another image at {image.at}, or change {rule}."


def lines(found: Explanation) -> Iterator[str]:
    """The explanation as text, without its verdict."""
    if found.change:
        yield found.change
    for part in found.plugins:
        yield f"{part.plugin}: {part.verdict}"
        yield from (f"  {text}" for text in part.about)
        for each in part.images:
            yield from _image_lines(each, found.change)
    if found.silent:
        yield f"Nothing to say about such an object: {', '.join(found.silent)}"
    yield from found.notes


def _image_lines(image: ImageExplanation, change: str) -> Iterator[str]:
    what = ": ".join(filter(None, (image.at, image.image))) or "the object"
    yield f"  {what}: {image.verdict}"
    if image.runs:
        yield f"    runs as {image.runs}"
    yield from (f"    because {text}" for text in image.reasons)
    if image.hint and image.hint != change:
        yield f"    {image.hint}"
    yield from (f"    {text}" for text in image.evidence)
