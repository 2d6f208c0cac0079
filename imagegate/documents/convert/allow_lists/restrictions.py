"""Restrictions of images, and entries that say the same.

A restriction holds for the image as it is written, as entries do. All restrictions of a namespace must hold, while
one of its entries is enough: the entries are what all restrictions allow.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from imagegate.core.enforcement.patterns import quality
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.overlap import overlap
from imagegate.core.references.wildcard import Wildcard
from imagegate.documents.convert.losses import Effect, Loss
from imagegate.documents.convert.made_policy import MadeEntry

EVERYTHING = "*"
LISTS = ("containers", "initContainers", "ephemeralContainers")
_ANY_RUN = "\0"

Note = Callable[[int, str, Effect], None]
"""Records a line, a sentence and its effect."""


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern for a whole image string, ``*`` and ``?``, and where it stands."""

    text: str
    line: int
    comments: tuple[str, ...] = ()


@dataclass(slots=True)
class Restriction:
    """Images that one rule allows: those that match one of ``allowed`` and none of ``denied``."""

    label: str
    file: str
    line: int
    allowed: list[Glob] | None = None
    """None: everything that is not denied."""
    denied: list[Glob] = field(default_factory=list)
    namespaces: frozenset[str] = frozenset()
    """Empty: everywhere but in ``excluded``."""
    excluded: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset(LISTS)
    """Lists of containers that the rule looks at; empty: not known. Entries are for all of them."""

    @property
    def key(self) -> Hashable:
        """Equal for rules that allow the same images in the same namespaces."""
        allowed = None if self.allowed is None else tuple(each.text for each in self.allowed)
        return allowed, tuple(each.text for each in self.denied), self.namespaces, self.excluded

    def applies(self, namespace: str) -> bool:
        """True if the rule looks at a namespace; the empty one is every namespace that no rule names."""
        if namespace in self.excluded:
            return False
        return namespace in self.namespaces if self.namespaces else True


@dataclass(slots=True)
class Allowed:
    """Entries by namespace (the empty one: the cluster), and every difference."""

    entries: dict[str, list[MadeEntry]] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)


def merged(restrictions: Iterable[Restriction], note: Note) -> list[Restriction]:
    """One restriction where several say the same of other lists of containers; a note about lists that none names."""
    found: dict[Hashable, Restriction] = {}
    for each in restrictions:
        known = found.setdefault(each.key, each)
        if known is not each:
            known.lists |= each.lists
    for each in found.values():
        missing = [name for name in LISTS if name not in each.lists]
        if not each.lists:
            note(each.line, "it is not certain which containers are meant: the result restricts all", Effect.NARROWER)
        elif missing:
            note(each.line, f"the result restricts {' and '.join(missing)} as well", Effect.NARROWER)
    return list(found.values())


def entries_of(restrictions: Sequence[Restriction], *, allow_wider: bool = False) -> Allowed:
    """Entries that allow what all restrictions of a namespace allow.

    A namespace that a restriction names, or excludes, gets entries of its own: policies of a namespace take the place
    of those of the cluster.
    """
    result = Allowed()
    named = sorted({name for each in restrictions for name in each.namespaces | each.excluded})
    for namespace in ("", *named):
        applying = [each for each in restrictions if each.applies(namespace)]
        result.entries[namespace] = _Conversion(applying, allow_wider, result.losses).entries()
    result.losses = sorted(dict.fromkeys(result.losses), key=lambda loss: (loss.file, loss.line))
    return result


class _Conversion:
    def __init__(self, restrictions: Sequence[Restriction], allow_wider: bool, losses: list[Loss]) -> None:
        self._restrictions = restrictions
        self._allow_wider = allow_wider
        self._losses = losses

    def entries(self) -> list[MadeEntry]:
        """The rejecting entries first, so that they win over allowing ones that are as exact."""
        rejecting = [
            entry for each in self._restrictions for glob in each.denied for entry in self._rejecting(glob, each)
        ]
        rejecting = list({entry.name: entry for entry in rejecting}.values())
        lists = [self._sayable(each) for each in self._restrictions if each.allowed is not None]
        if not lists:
            words = "nothing restricts images here" if not rejecting else "everything that is not rejected"
            return [*rejecting, MadeEntry(EVERYTHING, comments=(words,))]
        allowing = lists[0]
        for further in lists[1:]:
            allowing = self._common(allowing, further)
        kept: dict[str, MadeEntry] = {}
        for glob, restriction in allowing:
            if self._wins(glob, restriction, rejecting):
                kept.setdefault(glob.text, MadeEntry(glob.text, comments=glob.comments))
        return [*rejecting, *kept.values()]

    def _lose(self, restriction: Restriction, line: int, text: str, effect: Effect) -> None:
        self._losses.append(Loss(restriction.file, line, restriction.label, text, effect))

    def _sayable(self, restriction: Restriction) -> list[tuple[Glob, Restriction]]:
        """The globs that an entry can say."""
        return [(glob, restriction) for glob in restriction.allowed or () if self._is_sayable(glob, restriction)]

    def _is_sayable(self, glob: Glob, restriction: Restriction) -> bool:
        quoted = go_quote(glob.text)
        if "?" in glob.text:
            text = f'{quoted} is left out: "?" is no wildcard of entries'
            self._lose(restriction, glob.line, text, Effect.NARROWER)
            return False
        host, slash, _ = glob.text.partition("/")
        if slash and "*" in host and glob.text != "*/*":
            text = f'{quoted}: its first "*" does not reach beyond a "/"'
            self._lose(restriction, glob.line, text, Effect.NARROWER)
        if glob.text.endswith("*") or ":" in glob.text.rpartition("/")[2]:
            return True
        if self._allow_wider:
            self._lose(restriction, glob.line, f"{quoted} is for every tag and digest", Effect.WIDER)
            return True
        text = f"{quoted} is left out: an entry is for every tag; see --allow-wider"
        self._lose(restriction, glob.line, text, Effect.NARROWER)
        return False

    def _rejecting(self, glob: Glob, restriction: Restriction) -> Iterable[MadeEntry]:
        """Entries for everything that a denied glob matches: in those a ``*`` before the first ``/`` stops there."""
        text = glob.text.replace("?", "*")
        if text != glob.text:
            self._lose(restriction, glob.line, f'{go_quote(glob.text)}: "?" rejects as "*" does', Effect.NARROWER)
        yield MadeEntry(text, reject=True, comments=glob.comments)
        if not text.endswith("*") and ":" not in text.rpartition("/")[2]:
            self._lose(restriction, glob.line, f"{go_quote(text)} rejects every tag and digest", Effect.NARROWER)
        host, slash, _ = text.partition("/")
        for place, character in enumerate(host if slash else ""):
            if character == "*":
                yield MadeEntry(f"{text[: place + 1]}/{text[place:]}", reject=True, comments=glob.comments)

    def _common(
        self, ones: list[tuple[Glob, Restriction]], others: list[tuple[Glob, Restriction]]
    ) -> list[tuple[Glob, Restriction]]:
        """The images that both allow; globs that only overlap have nothing in common that an entry could say."""
        found = []
        for one in ones:
            for other in others:
                if _covers(other[0].text, one[0].text):
                    found.append(one)
                elif _covers(one[0].text, other[0].text):
                    found.append(other)
                elif overlap(one[0].text, other[0].text) and not (_is_in(one, others) or _is_in(other, ones)):
                    text = (
                        f"{go_quote(one[0].text)} and {go_quote(other[0].text)} of {other[1].label} are both required"
                    )
                    self._lose(one[1], one[0].line, f"{text}: images that match both are denied", Effect.NARROWER)
        return found

    def _wins(self, glob: Glob, restriction: Restriction, rejecting: Sequence[MadeEntry]) -> bool:
        """False for a glob that would win over a rejecting entry: of entries the most exact one decides."""
        stronger = [
            each.name
            for each in rejecting
            if overlap(_any_tag(each.name), _any_tag(glob.text)) and quality(each.name) < quality(glob.text)
        ]
        if stronger:
            text = f"{go_quote(glob.text)} is left out: {go_quote(stronger[0])} rejects some of its images"
            self._lose(restriction, glob.line, text, Effect.NARROWER)
        return not stronger


def _is_in(one: tuple[Glob, Restriction], others: Iterable[tuple[Glob, Restriction]]) -> bool:
    """True if ``others`` allow everything that ``one`` does."""
    return any(_covers(other.text, one[0].text) for other, _ in others)


def _any_tag(name: str) -> str:
    return name if name.endswith("*") else f"{name}*"


def _covers(wide: str, narrow: str) -> bool:
    """True if every string that matches ``narrow`` matches ``wide``; both have no ``?``."""
    return Wildcard(wide).matches(narrow.replace("*", _ANY_RUN))
