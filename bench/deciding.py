"""Time of one decision against the number of rules, beside the textbook's linear search."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bench import reviews
from bench.figures import Figure, Options, WrongAnswer, median
from imagegate.core.admission.lookup import Found
from imagegate.core.admission.plugin import KnownAnswers
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.enforcement.behaviour import CiseSettings
from imagegate.core.enforcement.image import parse_image
from imagegate.core.enforcement.patterns import compare_image_ref
from imagegate.core.enforcement.policy import PolicyGroup
from imagegate.core.enforcement.selection import PolicySet, Selected, select
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.plugin import ImagePolicyPlugin
from imagegate.core.image_streams.questions import Namespace
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.import_gate.transport import Transport
from imagegate.core.references.openshift import ImageReference
from imagegate.core.references.wildcard import Wildcard
from imagegate.documents.image_policies import read_policies
from imagegate.documents.image_policy_config import load_image_policy

SIZES = (10, 100, 1_000, 10_000)
SMALL, LARGE = SIZES[0], SIZES[-1]
GOAL = 1.5
ASKED = 32
"""Different images in one measurement: named early, late and nowhere in the list."""
SLICE_S = 0.05
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_ANSWERS = KnownAnswers({Namespace("shop"): Found({})})
"""A namespace without annotations: none of the rules is switched off."""


@dataclass(frozen=True, slots=True)
class Case:
    """One list of some size, and what is asked of it."""

    size: int
    ask: Callable[[], None]
    """Asks for all ``ASKED`` images once.

    Raises:
        WrongAnswer: some answer is wrong.
    """


def positions(size: int) -> Iterator[tuple[int, bool]]:
    """Numbers of the entries to look for, each with True if it is in the list."""
    for number in range(ASKED):
        known = number % 4 != 3
        yield (number * (size - 1) // (ASKED - 1) if known else size + number), known


def registries(size: int) -> Case:
    """An execution policy with one accept rule for each registry; whole decisions on pods."""
    rules = "".join(
        f"- name: team-{number}\n  onResources: [{{resource: pods}}]\n  matchRegistries: [r{number}.example.com]\n"
        for number in range(size)
    )
    head = "kind: ImagePolicyConfig\napiVersion: image.openshift.io/v1\nresolveImages: DoNotAttempt\nexecutionRules:\n"
    plugin = ImagePolicyPlugin(load_image_policy(head + rules).config, Behaviour())
    asked = [
        (AdmissionRequest.parse(reviews.small(f"r{at}.example.com/team/app:v1", "shop", at), Phase.VALIDATE), known)
        for at, known in positions(size)
    ]

    def ask() -> None:
        for request, known in asked:
            if plugin.decide(request, _ANSWERS, now=_NOW).allowed is not known:
                raise WrongAnswer(f"execution rules: {request.name}")

    return Case(size, ask)


def registries_linear(size: int) -> Case:
    """The same lists searched rule by rule: only the search, without a request around it."""
    rules = [{f"r{number}.example.com"} for number in range(size)]
    asked = [(ImageReference.parse(f"r{at}.example.com/team/app:v1"), known) for at, known in positions(size)]

    def ask() -> None:
        for reference, known in asked:
            if any(reference.registry in rule for rule in rules) is not known:
                raise WrongAnswer("linear search")

    return Case(size, ask)


def _imported(size: int) -> list[AllowedRegistry]:
    """A third exact names, a third ``*.`` names, a third with a wildcard inside."""
    forms = ("r{}.example.com", "*.r{}.example.com:5000", "r{}-?*.example.com")
    return [AllowedRegistry(forms[number % 3].format(number), False) for number in range(size)]


def _import_names(size: int) -> list[tuple[ImageReference, bool]]:
    forms = ("r{}.example.com/a/b:v1", "x.r{}.example.com:5000/a/b:v1", "r{}-west.example.com/a/b:v1")
    return [(ImageReference.parse(forms[at % 3].format(at)), known) for at, known in positions(size)]


def imports(size: int) -> Case:
    """allowedRegistriesForImport, compiled."""
    gate = ImportGate(_imported(size))
    asked = _import_names(size)

    def ask() -> None:
        for reference, known in asked:
            if gate.admit(reference, Transport.SECURE).allowed is not known:
                raise WrongAnswer(f"import list: {reference}")

    return Case(size, ask)


def imports_linear(size: int) -> Case:
    """The same list as a loop over host and port patterns."""
    rules = []
    for entry in _imported(size):
        host, _, port = entry.domain_name.partition(":")
        rules.append((Wildcard(host), port or "443"))
    asked = _import_names(size)

    def ask() -> None:
        for reference, known in asked:
            host, port = reference.host_and_port()
            if any(rule_port == port and pattern.matches(host) for pattern, rule_port in rules) is not known:
                raise WrongAnswer("linear search")

    return Case(size, ask)


def _repositories(size: int) -> list[str]:
    forms = ("r{}.example.com/team/app", "r{}.example.com/team/*", "*/only-{}/*")
    return [forms[number % 3].format(number) for number in range(size)]


def _repository_images(size: int) -> list[tuple[str, bool]]:
    forms = ("r{}.example.com/team/app", "r{}.example.com/team/other:v1", "r.example.com/only-{}/app:v1")
    return [(forms[at % 3].format(at), known) for at, known in positions(size)]


def cise(size: int) -> Case:
    """Selecting the entry among a ClusterImagePolicy's repositories."""
    lines = "".join(f"  - {{name: '{name}'}}\n" for name in _repositories(size))
    head = "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\nmetadata: {name: all}\nspec:\n"
    loaded = read_policies(f"{head}  repositories:\n{lines}", "bench")
    policies, settings = PolicySet(loaded.policies, tuple(PolicyGroup)), CiseSettings()
    asked = [(image, parse_image(image), known) for image, known in _repository_images(size)]

    def ask() -> None:
        for image, parsed, known in asked:
            if isinstance(select(policies, "shop", image, parsed, settings), Selected) is not known:
                raise WrongAnswer(f"policy entries: {image}")

    return Case(size, ask)


def cise_linear(size: int) -> Case:
    """The same entries matched one by one."""
    patterns = _repositories(size)
    asked = _repository_images(size)

    def ask() -> None:
        for image, known in asked:
            if any([compare_image_ref(name, image) for name in patterns]) is not known:  # noqa: C419 - the best is wanted
                raise WrongAnswer("linear search")

    return Case(size, ask)


def cost_us(case: Case) -> float:
    """Processor time of one answer, in microseconds: the best of a few slices of ``SLICE_S``."""
    best = float("inf")
    for _ in range(3):
        rounds, started, used = 0, time.thread_time(), 0.0
        while used < SLICE_S:
            case.ask()
            rounds += 1
            used = time.thread_time() - started
        best = min(best, used / (rounds * ASKED) * 1e6)
    return best


def curve(make: Callable[[int], Case], sizes: Sequence[int] = SIZES, rounds: int = 3) -> dict[int, float]:
    """Microseconds an answer for every size, medians of alternating rounds."""
    cases = [make(size) for size in sizes]
    found: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for case in cases:
            found[case.size].append(cost_us(case))
    return {size: median(values) for size, values in found.items()}


def _scaling(name: str, ours: Callable[[int], Case], linear: Callable[[int], Case], options: Options) -> list[Figure]:
    costs = curve(ours, (SMALL, LARGE), options.rounds)
    plain = curve(linear, (SMALL, LARGE), options.rounds)
    return [
        Figure(name, costs[LARGE] / costs[SMALL], "ratio", GOAL),
        Figure(f"{name}_at_{LARGE}", costs[LARGE], "us"),
        Figure(f"{name}_linear_peer", plain[LARGE] / plain[SMALL], "ratio"),
        Figure(f"{name}_linear_peer_at_{LARGE}", plain[LARGE], "us"),
    ]


def rules_scale_registries(options: Options) -> Iterable[Figure]:
    """Decisions under 10,000 execution rules against 10."""
    return _scaling("rules_scale_registries", registries, registries_linear, options)


def rules_scale_imports(options: Options) -> Iterable[Figure]:
    """An import list of 10,000 entries against 10."""
    return _scaling("rules_scale_imports", imports, imports_linear, options)


def rules_scale_cise(options: Options) -> Iterable[Figure]:
    """10,000 policy entries against 10."""
    return _scaling("rules_scale_cise", cise, cise_linear, options)


CURVES: dict[str, tuple[Callable[[int], Case], Callable[[int], Case]]] = {
    "executionRules, one registry each": (registries, registries_linear),
    "allowedRegistriesForImport": (imports, imports_linear),
    "ClusterImagePolicy repositories": (cise, cise_linear),
}
