"""Kyverno's ClusterPolicy, Policy and ValidatingPolicy that restrict where images come from.

Source: kyverno/policies, {best-practices,best-practices-cel,best-practices-vpol}/restrict-image-registries.
A rule whose list of images cannot be read allows nothing, unless the caller allows more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from imagegate.documents.convert.allow_lists.expressions import (
    Images,
    cel_lists,
    is_registries,
    named_lists,
    read_cel,
    read_patterns,
    registry_globs,
)
from imagegate.documents.convert.allow_lists.restrictions import LISTS, Glob, Note, Restriction, merged
from imagegate.documents.convert.comments import Comments
from imagegate.documents.convert.losses import Effect
from imagegate.documents.yaml.nodes import Node

GROUPS = ("kyverno.io", "policies.kyverno.io")
KINDS = ("ClusterPolicy", "Policy", "ValidatingPolicy")
_ANCHOR = re.compile(r"[=^+X]?\((?P<key>[^()]*)\)")
_NOT_IN, _IN = ("AnyNotIn", "NotIn", "AllNotIn", "NotEquals"), ("AnyIn", "In", "Equals")
_OF_ONE = ("Equals", "NotEquals")
_IMAGE = re.compile(r"\{\{\s*element\.image\s*\}\}")
_CHANGES = frozenset({"CREATE", "UPDATE"})
_CONTAINERS = re.compile(r"request\.object\.spec\.(?:\w*[cC]ontainers|\[[\w\s,]*[cC]ontainers[\w\s,]*\]\[\])")


class KyvernoReader:
    """Reads one policy object."""

    def __init__(self, node: Node, file: str, comments: Comments, note: Note, *, allow_wider: bool) -> None:
        self._node = node
        self._file = file
        self._comments = comments
        self._note = note
        self._allow_wider = allow_wider
        self._kind = text_at(node, "kind")
        self._name = text_at(node, "metadata", "name")
        self._namespace = text_at(node, "metadata", "namespace")

    def restrictions(self) -> list[Restriction]:
        """One for each rule that lists images."""
        if self._kind == "ValidatingPolicy":
            return self._validating_policy()
        if self._kind not in KINDS:
            self._note(self._node.line, f"{self._kind} is no list of allowed images: not converted", Effect.UNENFORCED)
            return []
        return [found for rule in items_at(self._node, "spec", "rules") for found in self._rule(rule)]

    def _validating_policy(self) -> list[Restriction]:
        actions = [each.value for each in items_at(self._node, "spec", "validationActions")]
        if actions and "Deny" not in actions:
            self._audits(self._node.line)
        self._narrows("spec.", node_at(self._node, "spec"), ("matchConditions",))
        self._narrows(
            "spec.matchConstraints.",
            node_at(self._node, "spec", "matchConstraints"),
            ("namespaceSelector", "objectSelector", "excludeResourceRules"),
        )
        self._read_resource_rules(items_at(self._node, "spec", "matchConstraints", "resourceRules"))
        variables = _variables(node_at(self._node, "spec"))
        found = []
        for validation in items_at(self._node, "spec", "validations"):
            expression = node_at(validation, "expression")
            found += self._expression(expression, validation.line, variables)
        return merged(found, self._note)

    def _rule(self, rule: Node) -> list[Restriction]:
        name = text_at(rule, "name")
        validate = node_at(rule, "validate")
        found = None if validate is None else self._validation(validate, name)
        if found is None:
            text = f"rule {name} is no list of allowed images: not converted"
            self._note(rule.line, text, Effect.UNENFORCED)
            return []
        self._read_scope(rule, found)
        self._read_action(validate)
        return merged(found, self._note)

    def _validation(self, validate: Node, rule: str) -> list[Restriction] | None:
        """The restrictions of a rule; None if it is about something else."""
        if (pattern := node_at(validate, "pattern")) is not None:
            return self._pattern(pattern, rule)
        if (deny := node_at(validate, "deny", "conditions")) is not None:
            return self._conditions(deny, rule)
        if items_at(validate, "foreach"):
            return self._foreach(validate, rule)
        if items_at(validate, "cel", "expressions"):
            variables = _variables(node_at(validate, "cel"))
            return [
                found
                for each in items_at(validate, "cel", "expressions")
                for found in self._expression(node_at(each, "expression"), each.line, variables, rule)
            ]
        return self._unsayable(validate.line, rule) if node_at(validate, "anyPattern") is not None else None

    def _pattern(self, pattern: Node, rule: str) -> list[Restriction] | None:
        """``spec: {containers: [{image: ...}]}``: every list of containers is a restriction of its own."""
        spec = keys_of(node_at(pattern, "spec"))
        lists = {name: spec[name] for name in LISTS if name in spec}
        found: list[Restriction] = []
        for name, containers in lists.items():
            entries = containers.value if isinstance(containers.value, list) else []
            for entry in entries:
                image = entry.value.get("image") if isinstance(entry.value, dict) else None
                if image is None:
                    return None  # "(image)" is a condition, not a requirement
                if isinstance(entry.value, dict) and len(entry.value) > 1:
                    self._note(entry.line, "other fields than image are not converted", Effect.UNENFORCED)
                found += self._images(image, rule, frozenset({name}))
        return found if lists else None

    def _images(self, image: Node, rule: str, lists: frozenset[str]) -> list[Restriction]:
        read = read_patterns(image.value) if isinstance(image.value, str) else ()
        if not read:
            return self._unsayable(image.line, rule)
        return [self._restriction(each, image.line, rule, lists) for each in read]

    def _foreach(self, validate: Node, rule: str) -> list[Restriction] | None:
        found: list[Restriction] = []
        for each in items_at(validate, "foreach"):
            listed = text_at(each, "list")
            if _CONTAINERS.fullmatch(listed) is None:
                return None
            lists = named_lists(listed)
            image, conditions = node_at(each, "pattern", "image"), node_at(each, "deny", "conditions")
            self._narrows(f"rule {rule}: ", each, ("preconditions",))
            if image is not None:
                found += self._images(image, rule, lists)
            elif conditions is not None:
                read = self._conditions(conditions, rule, lists)
                if read is None:
                    return None
                found += read
            else:
                return None
        return found

    def _conditions(self, conditions: Node, rule: str, lists: frozenset[str] = frozenset()) -> list[Restriction] | None:
        """Conditions on registries or images: any of several, or all, each of which asks for another image.

        Args:
            lists: of containers, where the conditions are about one of them at a time.
        """
        alternatives = items_at(conditions, "any"), items_at(conditions, "all")
        written = [*alternatives[0], *alternatives[1]]
        about = [each for each in written if self._about(each)]
        if not about:
            return None
        read = [self._condition(each, is_one=bool(lists)) for each in written]
        if len(written) > 1 and alternatives[1]:
            allowed = [each for each in read if each is not None and not each.are_denied]
            if alternatives[0] or not lists or len(allowed) < len(written):
                return self._unsayable(conditions.line, rule)
            images = Images(tuple(glob for each in allowed for glob in each.globs))  # denied if it is none of them
            return [self._restriction(images, conditions.line, rule, lists)]
        found: list[Restriction] = []
        for condition, images_of in zip(written, read, strict=True):
            at = condition.line
            if images_of is None:
                found += self._unsayable(at, rule)
            else:
                named = lists or named_lists(text_at(condition, "key"))
                found.append(self._restriction(images_of, at, rule, named))
        return found

    def _about(self, condition: Node) -> bool:
        key = text_at(condition, "key")
        return is_registries(key) or _IMAGE.fullmatch(key) is not None

    def _condition(self, condition: Node, *, is_one: bool) -> Images | None:
        """The images of a condition.

        Args:
            is_one: its key stands for one image, not for those of all containers.
        """
        key, operator, value = text_at(condition, "key"), text_at(condition, "operator"), node_at(condition, "value")
        listed = [value] if value is not None and isinstance(value.value, str) else items_at(condition, "value")
        values = tuple(each.value for each in listed if isinstance(each.value, str))
        if not values or len(values) != len(listed) or any("{{" in each for each in values):
            return None
        if operator not in (*_NOT_IN, *_IN):
            return None
        are_denied = operator in _IN
        if not is_one and operator in _OF_ONE:
            return None  # a list is never equal to a string: Kyverno denies all, or nothing
        if not is_one and not operator.startswith("Any"):
            text = f"{operator} is about all images of an object together: the result looks at each image"
            self._note(condition.line, text, Effect.NARROWER)
        if not is_registries(key):
            return Images(values, are_denied)
        if are_denied and {"docker.io", "*"} & set(values):
            return None  # names without a registry are of Docker Hub, and no pattern is for them
        if "docker.io" in values:
            text = "names without a registry are of docker.io for Kyverno: write them in full"
            self._note(condition.line, text, Effect.NARROWER)
        return Images(registry_globs(values), are_denied)

    def _expression(
        self, expression: Node | None, line: int, variables: Mapping[str, str], rule: str = ""
    ) -> list[Restriction]:
        text = expression.value if expression is not None and isinstance(expression.value, str) else ""
        if ".image" not in text:
            self._note(line, "the expression is no list of allowed images: not converted", Effect.UNENFORCED)
            return []
        read = read_cel(text)
        if read is None:
            return self._unsayable(line, rule)
        return [self._restriction(read, line, rule, cel_lists(text, variables))]

    def _restriction(self, images: Images, line: int, rule: str, lists: frozenset[str]) -> Restriction:
        globs = [Glob(text, line, self._comments.at(line)) for text in images.globs]
        restriction = self._empty(line, rule)
        restriction.lists = lists
        if images.are_denied:
            restriction.denied = globs
        else:
            restriction.allowed = globs
        return restriction

    def _empty(self, line: int, rule: str) -> Restriction:
        label = f"{self._kind} {self._name}" + (f" {rule}" if rule else "")
        return Restriction(label, self._file, line, namespaces=frozenset({self._namespace} if self._namespace else ()))

    def _unsayable(self, line: int, rule: str) -> list[Restriction]:
        """A list of images that cannot be read: nothing is allowed, or the rule is left out."""
        if self._allow_wider:
            self._note(line, "this form of a list of images is not read: left out", Effect.WIDER)
            return []
        text = "this form of a list of images is not read: nothing is allowed; see --allow-wider"
        self._note(line, text, Effect.NARROWER)
        restriction = self._empty(line, rule)
        restriction.allowed = []
        return [restriction]

    def _read_action(self, validate: Node | None) -> None:
        action = text_at(validate, "failureAction") or text_at(self._node, "spec", "validationFailureAction") or "Audit"
        if action.lower() != "enforce":
            self._audits(self._node.line if validate is None else validate.line)

    def _audits(self, line: int) -> None:
        text = "the policy only audits, the result denies: cise.mode of the settings can be audit"
        self._note(line, text, Effect.NARROWER)

    def _read_scope(self, rule: Node, found: Sequence[Restriction]) -> None:
        """Namespaces of ``match`` and ``exclude``; everything else there makes the result wider in scope."""
        self._narrows("", rule, ("preconditions", "celPreconditions"))
        matched, others = _filters(node_at(rule, "match"))
        excluded, other_excluded = _filters(node_at(rule, "exclude"))
        if others or other_excluded:
            self._note(rule.line, "match or exclude by more than names of namespaces cannot be said", Effect.NARROWER)
        for restriction in found:
            if matched and not others and not restriction.namespaces:
                restriction.namespaces = matched
            if not other_excluded:
                restriction.excluded = excluded

    def _read_resource_rules(self, rules: Sequence[Node]) -> None:
        resources = {item.value for rule in rules for item in items_at(rule, "resources")}
        if rules and not {"pods", "*", "*/*"} & resources:
            self._note(rules[0].line, "the result judges Pods as well", Effect.NARROWER)
        for rule in rules:
            if not _is_of_changes(rule):
                self._note(rule.line, "operations: the result judges CREATE and UPDATE", Effect.NARROWER)
            self._narrows("resourceRules.", rule, ("resourceNames",))

    def _narrows(self, prefix: str, node: Node | None, fields: Sequence[str]) -> None:
        for field in fields:
            found = node_at(node, field)
            if found is not None:
                self._note(found.line, f"{prefix}{field} cannot be said: the result is for everything", Effect.NARROWER)


def _filters(node: Node | None) -> tuple[frozenset[str], bool]:
    """The namespaces of ``match`` or ``exclude``, and True if there is more than Pods and names of namespaces."""
    filters = [*items_at(node, "any"), *items_at(node, "all")]
    if node is not None and node_at(node, "resources") is not None:
        filters.append(node)
    names: set[str] = set()
    has_more = len(items_at(node, "all")) > 1
    without_names = False
    for each in filters:
        resources = keys_of(node_at(each, "resources"))
        named = [item.value for item in items_at(node_at(each, "resources"), "namespaces")]
        texts = {name for name in named if isinstance(name, str)}
        has_more |= any({"*", "?"} & set(name) for name in texts)
        has_more |= not _is_of_changes(node_at(each, "resources"))
        has_more |= bool(
            resources.keys() - {"kinds", "namespaces", "operations"}
            or keys_of(each).keys() - {"resources", "any", "all"}
        )
        kinds = {item.value for item in items_at(node_at(each, "resources"), "kinds")}
        has_more |= bool(kinds) and not kinds & {"Pod", "v1/Pod", "*"}
        without_names |= not texts
        names |= texts
    return (frozenset() if without_names else frozenset(names)), has_more


def _is_of_changes(node: Node | None) -> bool:
    """True if ``operations`` are those that admission of images is about, or not named."""
    named = {item.value for item in items_at(node, "operations")}
    return not named or "*" in named or named >= _CHANGES


def _variables(node: Node | None) -> dict[str, str]:
    """Expressions of CEL variables, by name."""
    return {text_at(each, "name"): text_at(each, "expression") for each in items_at(node, "variables")}


def node_at(node: Node | None, *path: str) -> Node | None:
    """The node below a path of keys; anchors of Kyverno (``=(key)``) are looked through. None where there is none."""
    for key in path:
        node = keys_of(node).get(key)
    return node


def text_at(node: Node | None, *path: str) -> str:
    """A string below a path; empty where there is none."""
    found = node_at(node, *path)
    return found.value if found is not None and isinstance(found.value, str) else ""


def items_at(node: Node | None, *path: str) -> list[Node]:
    """A list below a path; empty where there is none."""
    found = node_at(node, *path)
    return found.value if found is not None and isinstance(found.value, list) else []


def keys_of(node: Node | None) -> dict[str, Node]:
    """The entries of a mapping by their keys without anchors; empty for anything else."""
    if node is None or not isinstance(node.value, dict):
        return {}
    return dict(_unanchored(node.value))


def _unanchored(entries: dict[str, Node]) -> Iterator[tuple[str, Node]]:
    for key, value in entries.items():
        found = _ANCHOR.fullmatch(key)
        if found is None or key.startswith(("=", "^", "+")):
            yield (key if found is None else found["key"]), value
