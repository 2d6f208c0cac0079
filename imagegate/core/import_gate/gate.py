"""The import gate: may an image reference of this registry enter an image stream?

Rule: docs/spec/import-gate.md 1 to 5 and 10. Source: openshift-apiserver,
pkg/image/apis/image/validation/whitelist (``registryWhitelister``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from imagegate.core.admission.hint import told
from imagegate.core.import_gate import messages
from imagegate.core.import_gate.behaviour import DOCUMENTED, GateBehaviour
from imagegate.core.import_gate.checked_mirrors import CheckedMirrors
from imagegate.core.import_gate.nearest import NearestEntries, Place
from imagegate.core.import_gate.rules import (
    AllowedRegistry,
    ImportRule,
    RuleIndex,
    join_host_port,
    parse_rules,
)
from imagegate.core.import_gate.transport import Transport
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidPolicy, InvalidReference

DOCKER_HUB = "docker.io"
_DOCKER_HUB_ALIASES = frozenset({"index.docker.io", "registry-1.docker.io"})
INTEGRATED = -1


@dataclass(frozen=True, slots=True)
class Admission:
    """The result for one reference: the rule that admits it, or the refusal."""

    allowed: bool
    error: str = ""
    """The original's message; empty if allowed."""
    rule: ImportRule | None = None
    """None if refused, if everything is allowed, or if the repository was allowed before."""
    hint: str = ""
    """The nearest entry, in words, where the list refuses it; see ``Denial.hint``."""

    @property
    def text(self) -> str:
        """The message and the hint."""
        return told(self.error, self.hint)


_ALLOWED = Admission(True)


class ImportGate:
    """The compiled list. Immutable, so that all threads share one."""

    __slots__ = (
        "_allows_all",
        "_index",
        "_integrated",
        "_listed",
        "_nearest",
        "behaviour",
        "integrated_registry",
        "mirrors",
        "unavailable",
    )

    def __init__(
        self,
        entries: Sequence[AllowedRegistry] | None,
        *,
        integrated_registry: str = "",
        behaviour: GateBehaviour = DOCUMENTED,
        mirrors: CheckedMirrors | None = None,
        unavailable: str = "",
    ) -> None:
        """Compile exactly this list; None allows everything. See ``configured`` for the meaning of ``[]``.

        Args:
            integrated_registry: ``HOST[:PORT]``, always allowed; empty: none is known.
            mirrors: must be on the list as well; None: they need not.
            unavailable: why the list is not known; then nothing is allowed.

        Raises:
            InvalidPolicy: an entry has more than one colon; all such entries are named.
        """
        self.behaviour = behaviour
        self.mirrors = mirrors
        self.integrated_registry = integrated_registry
        self.unavailable = unavailable
        self._allows_all = entries is None and not unavailable
        self._index = RuleIndex(parse_rules(entries or ()), fold_case=behaviour.fold_case)
        self._integrated = _integrated_rule(integrated_registry, self._index.rules, fold_case=behaviour.fold_case)
        self._listed = self._listed_rules()
        self._nearest = NearestEntries((*self._index.rules, *self._integrated_rules()), self.folded)

    @classmethod
    def configured(
        cls,
        entries: Sequence[AllowedRegistry] | None,
        *,
        integrated_registry: str = "",
        behaviour: GateBehaviour = DOCUMENTED,
        mirrors: CheckedMirrors | None = None,
        unavailable: str = "",
    ) -> ImportGate:
        """The gate for ``imagePolicyConfig.allowedRegistriesForImport`` as it is written in the file.

        Raises:
            InvalidPolicy: as for the constructor.
        """
        if entries is not None and not entries and behaviour.empty_list_allows_all:
            entries = None
        return cls(
            entries,
            integrated_registry=integrated_registry,
            behaviour=behaviour,
            mirrors=mirrors,
            unavailable=unavailable,
        )

    @property
    def allows_all(self) -> bool:
        """True if no list is configured."""
        return self._allows_all

    @property
    def rules(self) -> tuple[ImportRule, ...]:
        """All rules, the integrated registry's first."""
        return (*self._integrated_rules(), *self._index.rules)

    def admit(
        self, reference: ImageReference, transport: Transport, *, repositories: frozenset[str] = frozenset()
    ) -> Admission:
        """Decide if ``reference`` may be imported.

        Args:
            repositories: canonical repositories that are allowed too (values of ``canonical_repositories``).
        """
        if self._allows_all:
            return _ALLOWED
        if self.unavailable:
            return Admission(False, f"it is not known what may be imported: {self.unavailable}")
        if repositories and self._is_held(reference, repositories):
            return _ALLOWED
        repository = repository_of(reference) if self._index.names_repositories else ""
        admission = self._admit_registry(reference.registry, transport, repository)
        return admission if self.mirrors is None or not admission.allowed else self._with_mirrors(reference, admission)

    def _with_mirrors(self, reference: ImageReference, admission: Admission) -> Admission:
        """The admission, or the refusal of a mirror that an import of ``reference`` may be fetched from."""
        found = self.mirrors.places(reference) if self.mirrors is not None else ()
        if found is None:
            return Admission(False, messages.mirrors_unknown(reference.registry or DOCKER_HUB))
        for mirror, transport in found:
            repository = repository_of(mirror) if self._index.names_repositories else ""
            checked = self._admit_registry(mirror.registry, transport, repository)
            if not checked.allowed:
                return Admission(False, messages.mirror_refused(reference.registry or DOCKER_HUB, checked.error))
        return admission

    def _is_held(self, reference: ImageReference, repositories: frozenset[str]) -> bool:
        """True if the object has the reference's repository already. A registry alone (an empty string) is not one."""
        repository = reference.canonical_repository
        return repository in repositories and (bool(repository) or self.behaviour.registry_is_repository)

    def _admit_registry(self, registry: str, transport: Transport, repository: str) -> Admission:
        host, port = self.host_and_port(registry, transport)
        for candidate in hosts_to_try(host):
            rule = self._admitting_rule(candidate, port, repository)
            if rule is not None:
                return Admission(True, rule=rule)
        place = Place(tuple(hosts_to_try(host)), port, repository)
        return Admission(False, self._refusal_message(registry, host, port), hint=self._hint(place))

    def _hint(self, place: Place) -> str:
        if not (self.behaviour.names_nearest_rule and self.behaviour.lists_rules):
            return ""
        found = self._nearest.nearest(place)
        return found.hint if found is not None else ""

    def admit_at(
        self,
        path: str,  # noqa: ARG002 - for RecordingGate
        reference: ImageReference,
        transport: Transport,
        *,
        repositories: frozenset[str] = frozenset(),
    ) -> Admission:
        """``admit`` for the reference at a field path."""
        return self.admit(reference, transport, repositories=repositories)

    def host_and_port(self, registry: str, transport: Transport) -> tuple[str, str]:
        """Host and port of a registry as the rules compare them; an empty port is not known."""
        registry = self._index.folded(registry)
        if transport is not Transport.ANY:
            return ImageReference(registry=registry).host_and_port(insecure=transport is Transport.INSECURE)
        host, port = split_written_port(registry)
        if not host and not registry:
            host = DOCKER_HUB
        return host, port

    def place(self, reference: ImageReference, transport: Transport) -> Place:
        """A reference as the rules compare it."""
        host, port = self.host_and_port(reference.registry, transport)
        return Place(tuple(hosts_to_try(host)), port, repository_of(reference))

    def folded(self, host: str) -> str:
        """The host as it is compared: in lower case, if case is folded."""
        return self._index.folded(host)

    def _admitting_rule(self, host: str, port: str, repository: str) -> ImportRule | None:
        integrated = self._integrated
        if integrated is not None:
            rule = integrated.admitting(host, port)
            if rule is not None:
                return rule
        return self._index.admitting(host, port, repository)

    def _integrated_rules(self) -> tuple[ImportRule, ...]:
        return self._integrated.rules if self._integrated is not None else ()

    def _listed_rules(self) -> str:
        """The second half of a refusal: the rules."""
        behaviour = self.behaviour
        listed = self.rules if behaviour.lists_file_order else self._index.rules[::-1]
        return messages.not_allowed(listed, behaviour)

    def _refusal_message(self, registry: str, host: str, port: str) -> str:
        if not registry:
            registry = join_host_port(host, port) if port else host
        return messages.registry_refused(registry, self._listed)


class Asked(NamedTuple):
    """One reference that a gate decided, and the result."""

    path: str
    reference: ImageReference
    transport: Transport
    admission: Admission


class RecordingGate(ImportGate):
    """The same gate, recording every reference it decides. For one decision, in one thread."""

    __slots__ = ("_answers", "asked")

    def __init__(self, gate: ImportGate) -> None:
        for name in ImportGate.__slots__:
            setattr(self, name, getattr(gate, name))
        self.asked: list[Asked] = []
        self._answers: dict[tuple[str, Transport, str], Admission] = {}

    def admit_at(
        self,
        path: str,
        reference: ImageReference,
        transport: Transport,
        *,
        repositories: frozenset[str] = frozenset(),
    ) -> Admission:
        """``admit``, recorded in ``asked``."""
        admission = self.admit(reference, transport, repositories=repositories)
        self.asked.append(Asked(path, reference, transport, admission))
        return admission

    def _admit_registry(self, registry: str, transport: Transport, repository: str) -> Admission:
        key = (registry, transport, repository)
        if key not in self._answers:
            self._answers[key] = super()._admit_registry(registry, transport, repository)
        return self._answers[key]


def repository_of(reference: ImageReference) -> str:
    """``NAMESPACE/NAME`` as rules name it: with ``library`` for Docker Hub's own images."""
    return reference.with_docker_defaults().repository_name


def hosts_to_try(host: str) -> Iterator[str]:
    """The host; before it, ``docker.io`` for Docker Hub's other two names."""
    if host in _DOCKER_HUB_ALIASES:
        yield DOCKER_HUB
    yield host


def split_written_port(registry: str) -> tuple[str, str]:
    """Host and port of a registry as written; the whole string and no port if no port follows a colon.

    Go's net.SplitHostPort, which also takes the brackets off an IPv6 address.
    """
    host, port = ImageReference(registry=registry).host_and_port() if ":" in registry else ("", "")
    return (host, port) if port else (registry, "")


def canonical_repositories(pull_specs: Iterable[str]) -> dict[str, str]:
    """The canonical repository of each pull spec; invalid references are left out."""
    found: dict[str, str] = {}
    for pull_spec in pull_specs:
        try:
            found[pull_spec] = ImageReference.parse(pull_spec).canonical_repository
        except InvalidReference:
            continue
    return found


def _integrated_rule(name: str, rules: Sequence[ImportRule], *, fold_case: bool) -> RuleIndex | None:
    """The integrated registry as a list of its own; None if unnamed, unreadable or listed anyway."""
    if not name:
        return None
    try:
        rule = ImportRule.parse(AllowedRegistry(name), INTEGRATED)
    except InvalidPolicy:
        return None
    if any((rule.host, rule.port) == (other.host, other.port) for other in rules):
        return None
    return RuleIndex((rule,), fold_case=fold_case)
