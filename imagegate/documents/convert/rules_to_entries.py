"""Execution rules for pods as entries of a ClusterImagePolicy.

The rules compare an image's registry, entries the image as it is written. An accept rule becomes entries
``REGISTRY/*``; a reject rule takes away the entries that it could reject. Whatever cannot be said denies, unless the
caller allows more.
Source: docs/spec/image-policy.md 7; docs/spec/enforcement.md 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from imagegate.core.admission.request import GroupResource
from imagegate.core.image_policy.attributes import Attributes
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.config import PODS, fails, rewrites
from imagegate.core.image_policy.execution_rules import CompiledRule, compile_rule, covers, registry_holds
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.openshift import ImageReference
from imagegate.core.references.overlap import overlap
from imagegate.core.references.registry_hosts import DOCKER_HUB, ipv4_address, places, split_port, texts
from imagegate.documents.convert.comments import Comments
from imagegate.documents.convert.losses import Effect, Loss
from imagegate.documents.convert.made_policy import MadeEntry
from imagegate.documents.lint.execution_rules import registry_problem
from imagegate.documents.master_config import MasterConfig

EVERYTHING = "*"


@dataclass(slots=True)
class ConvertedRules:
    """The entries, and every difference."""

    entries: list[MadeEntry] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Accepted:
    """An accepted registry, or a pattern of registries, and the rule that accepts it."""

    registry: str
    rule: CompiledRule | None

    @property
    def is_literal(self) -> bool:
        return "*" not in self.registry


def rules_to_entries(config: MasterConfig, text: str, *, allow_wider: bool = False) -> ConvertedRules:
    """Entries that allow what the execution rules allow to pods.

    Args:
        config: with an execution policy.
        text: the document, for its comments.
        allow_wider: write entries although a reject rule may reject some of their images.
    """
    return _Conversion(config, Comments(text), allow_wider).run()


class _Conversion:
    def __init__(self, config: MasterConfig, comments: Comments, allow_wider: bool) -> None:
        self._config = config
        self._comments = comments
        self._allow_wider = allow_wider
        self._behaviour = Behaviour()
        self._integrated = config.import_policy.internal_registry_hostname
        self._result = ConvertedRules()
        policy = config.image_policy
        rules = policy.execution_rules if policy is not None else ()
        self._rules = [compile_rule(index, rule, self._behaviour) for index, rule in enumerate(rules)]

    def run(self) -> ConvertedRules:
        """All entries."""
        covering = [each for each in self._rules if self._covers_pods(each)]
        accepting = [each for each in covering if not each.rule.reject]
        accepted = [found for rule in accepting for found in self._accepted(rule)]
        if not accepting:
            accepted = [_Accepted(EVERYTHING, None)]
        first: dict[str, _Accepted] = {}
        for found in accepted:
            first.setdefault(found.registry, found)
        accepted = list(first.values())
        accepted = self._resolved(accepted)
        rejected: dict[str, CompiledRule] = {}
        for rule in covering:
            if rule.rule.reject and not self._only_warns(rule):
                accepted = self._without(accepted, rule, rejected)
        self._result.entries = [*map(self._entry, accepted), *self._rejecting(rejected)]
        return self._result

    def _resolved(self, accepted: list[_Accepted]) -> list[_Accepted]:
        """Nothing, if images that cannot be resolved are denied: entries resolve nothing."""
        policy = self._config.image_policy
        targets = (PODS, GroupResource(PODS.group, "*"))
        asked = [] if policy is None else [rule.policy for rule in policy.resolution_rules if rule.target in targets]
        if not any(map(fails, asked)):
            if any(map(rewrites, asked)):
                self._result.losses.append(Loss(self._config.file, 1, "", "images are not rewritten to digests"))
            return accepted
        text = "images that cannot be resolved are denied, which entries cannot say"
        effect = Effect.WIDER if self._allow_wider else Effect.NARROWER
        suffix = "" if self._allow_wider else ": no entry is written; see --allow-wider"
        self._result.losses.append(Loss(self._config.file, 1, "resolveImages", text + suffix, effect))
        return accepted if self._allow_wider else []

    def _covers_pods(self, compiled: CompiledRule) -> bool:
        others = [each for each in compiled.rule.on_resources if not covers(each, PODS, self._behaviour)]
        if others:
            named = ", ".join(map(str, others))
            self._lose(compiled, ".onResources", f"policies of this kind do not judge {named}", Effect.UNENFORCED)
        return len(others) < len(compiled.rule.on_resources)

    def _only_warns(self, compiled: CompiledRule) -> bool:
        if compiled.rule.mode not in ("warn", "audit"):
            return False
        self._lose(compiled, ".mode", f"mode {compiled.rule.mode} rejects nothing: left out")
        return True

    def _accepted(self, compiled: CompiledRule) -> Iterator[_Accepted]:
        """The registries that a rule accepts, as far as an entry can say them."""
        rule = compiled.rule
        if rule.invert_match or rule.needs_image or rule.skip_on_resolution_failure:
            what = "invertMatch" if rule.invert_match else "conditions on the image, or on its resolution,"
            self._lose(compiled, "", f"{what} cannot be said: the rule accepts nothing", Effect.NARROWER)
            return
        if rule.match_integrated_registry:
            yield from self._integrated_only(compiled)
        elif not compiled.names_registries:
            yield _Accepted(EVERYTHING, compiled)
        else:
            yield from self._named(compiled)

    def _integrated_only(self, compiled: CompiledRule) -> Iterator[_Accepted]:
        host = self._integrated
        if not host:
            text = "internalRegistryHostname is not set: images of image streams have no name to allow"
            self._lose(compiled, ".matchIntegratedRegistry", text, Effect.NARROWER)
        elif registry_holds(compiled, Attributes(ImageReference(host, "", "x")), self._behaviour):
            text = f"allows images that are written with {host}; local names of image streams are not resolved"
            self._lose(compiled, ".matchIntegratedRegistry", text, Effect.NARROWER)
            yield _Accepted(host, compiled)

    def _named(self, compiled: CompiledRule) -> Iterator[_Accepted]:
        for registry in (*compiled.rule.match_registries, *sorted(compiled.registries)):
            if not registry:
                if "" in compiled.rule.match_registries:
                    text = "no pattern is for names without a registry: they are denied"
                    self._lose(compiled, ".matchRegistries", text, Effect.NARROWER)
            elif registry_problem(registry) is None and registry in compiled.registries:
                yield _Accepted(registry, compiled)
        for pattern in compiled.rule.match_registry_patterns:
            if pattern == EVERYTHING:
                yield _Accepted(EVERYTHING, compiled)
            elif "?" in pattern or not {".", ":"} & set(pattern):
                quoted = go_quote(pattern)
                text = f'{quoted} is left out: "?" is no wildcard of entries, and names of Docker Hub must not match'
                self._lose(compiled, ".matchRegistryPatterns", text, Effect.NARROWER)
            else:
                yield _Accepted(pattern, compiled)

    def _without(
        self, accepted: list[_Accepted], compiled: CompiledRule, rejected: dict[str, CompiledRule]
    ) -> list[_Accepted]:
        """The images that a reject rule leaves."""
        hit = [found for found in accepted if self._may_reject(compiled, found)]
        if not hit:
            return accepted
        named = ", ".join(f"{found.registry}/*" if found.registry != EVERYTHING else EVERYTHING for found in hit)
        if all(found.is_literal and self._rejects_all(compiled, found.registry) for found in hit):
            self._lose(compiled, "", f"no entry for {named}, which it rejects")
        elif self._allow_wider:
            self._lose(compiled, "", f"{named} also allows images that the rule rejects", Effect.WIDER)
            rejected.update((host, compiled) for host in self._written(compiled))
            return accepted
        else:
            text = f"may reject images of {named}: no entry is written for them; see --allow-wider"
            self._lose(compiled, "", text, Effect.NARROWER)
        return [found for found in accepted if found not in hit]

    def _may_reject(self, compiled: CompiledRule, found: _Accepted) -> bool:
        """True if the rule could reject an image of an accepted registry."""
        if compiled.rule.invert_match:
            return True
        if not compiled.names_registries or found.registry == EVERYTHING:
            return True
        if found.is_literal:
            return registry_holds(compiled, Attributes(ImageReference(found.registry, "", "x")), self._behaviour)
        pattern = found.registry.lower()
        spellings = [text for host in compiled.registries for place in places(host) for text in texts(place)]
        wide = [each.pattern.lower().replace("?", "*") for each in compiled.patterns]
        is_address = any(ipv4_address(split_port(host)[0]) for host in compiled.registries)
        return is_address or any(overlap(pattern, each) for each in (*spellings, *wide))

    def _rejects_all(self, compiled: CompiledRule, registry: str) -> bool:
        """True if the rule rejects every image of a registry, whatever else is known about it."""
        rule = compiled.rule
        if rule.invert_match or rule.needs_image or rule.match_integrated_registry or rule.skip_on_resolution_failure:
            return False
        return registry_holds(compiled, Attributes(ImageReference(registry, "", "x")), self._behaviour)

    def _written(self, compiled: CompiledRule) -> Iterator[str]:
        """The spellings of a reject rule's registries that entries can reject."""
        if not (compiled.rule.needs_image or compiled.rule.invert_match):
            for registry in compiled.rule.match_registries:
                yield from sorted(text for text in texts(registry or DOCKER_HUB) if text)
            yield from (each for each in compiled.rule.match_registry_patterns if "?" not in each)

    def _entry(self, found: _Accepted) -> MadeEntry:
        name = EVERYTHING if found.registry == EVERYTHING else f"{found.registry}/*"
        if found.rule is None:
            return MadeEntry(name, comments=("no rule accepts: everything that is not rejected is allowed",))
        return MadeEntry(name, comments=self._said(found.rule))

    def _rejecting(self, rejected: dict[str, CompiledRule]) -> Iterator[MadeEntry]:
        for host, rule in rejected.items():
            yield MadeEntry(f"{host}/*", reject=True, comments=self._said(rule))

    def _said(self, compiled: CompiledRule) -> tuple[str, ...]:
        """The rule's label and its comments."""
        file, line = self._place(compiled)
        comments = self._comments.of_item(line) if file == self._config.file else ()
        return (*comments, compiled.label)

    def _place(self, compiled: CompiledRule) -> tuple[str, int]:
        return self._config.places.get(f"executionRules[{compiled.index}]", (self._config.file, 1))

    def _lose(self, compiled: CompiledRule, path: str, text: str, effect: Effect = Effect.NOTE) -> None:
        file, line = self._place(compiled)
        self._result.losses.append(Loss(file, line, f"{compiled.label}{path}", text, effect))
