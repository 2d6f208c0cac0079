"""The variables of an openshift-ansible inventory as the blocks of ``master-config.yaml`` that its installer writes.

Source: openshift/openshift-ansible release-3.11: inventory/hosts.example; ``set_allowed_registries`` and
``merge_facts`` of roles/openshift_facts/library/openshift_facts.py;
roles/openshift_control_plane/templates/master.yaml.v1.j2.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from imagegate.documents.convert.losses import Loss
from imagegate.documents.yaml.nodes import Node, plain
from imagegate.documents.yaml.source import read_source
from imagegate.errors import InvalidPolicy

PLUGINS = "openshift_master_admission_plugin_config"
OLD_PLUGINS = "openshift_master_kube_admission_plugin_config"
IMAGE_POLICY = "openshift_master_image_policy_config"
ALLOWED = "openshift_master_image_policy_allowed_registries_for_import"
LATEST = ("openshift_master_image_config_latest", "openshift_image_config_latest")
FORMAT = "oreg_url"
VARIABLES = frozenset({PLUGINS, OLD_PLUGINS, IMAGE_POLICY, ALLOWED, FORMAT, *LATEST})
INTERNAL_REGISTRY = "docker-registry.default.svc:5000"
_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*=\s*(?P<value>.*)")
_PLAIN = re.compile(r"[A-Za-z][\w./-]*")
_TRUE = ("true", "yes", "on", "1")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the inventory."""

    value: Any
    line: int
    comments: tuple[str, ...] = ()


@dataclass(slots=True)
class Inventory:
    """The blocks, as plain values, and remarks."""

    blocks: dict[str, Any] = field(default_factory=dict)
    comments: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By name of the block."""
    losses: list[Loss] = field(default_factory=list)


def read_inventory(text: str, name: str) -> Inventory:
    """The blocks for an inventory, INI or YAML.

    Raises:
        InvalidPolicy: a variable cannot be read, is set twice to different values, or there is none of them.
    """
    variables = dict(_collected(_of_ini(text, name) if _is_ini(text) else _of_yaml(text, name), name))
    if not variables:
        listed = ", ".join(sorted(VARIABLES - {FORMAT, *LATEST}))
        raise InvalidPolicy(f"{name}:1: none of {listed} is set")
    return _Blocks(variables, name).run()


class _Blocks:
    def __init__(self, variables: dict[str, Variable], name: str) -> None:
        self._variables = variables
        self._name = name
        self._result = Inventory()

    def run(self) -> Inventory:
        older, plugins = self._mapping(OLD_PLUGINS), self._mapping(PLUGINS)
        if both := older.keys() & plugins.keys():
            line = self._variables[OLD_PLUGINS].line
            raise InvalidPolicy(f"{self._name}:{line}: {OLD_PLUGINS}: {', '.join(sorted(both))} is in {PLUGINS} too")
        plugins = older | plugins
        if OLD_PLUGINS in self._variables:
            line = self._variables[OLD_PLUGINS].line
            self._result.losses.append(Loss(self._name, line, OLD_PLUGINS, f"deprecated: joined with {PLUGINS}"))
        if plugins:
            self._put("admissionConfig", {"pluginConfig": plugins}, PLUGINS, OLD_PLUGINS)
        self._put("imagePolicyConfig", self._image_policy(), IMAGE_POLICY, ALLOWED)
        if FORMAT in self._variables:
            latest = next((self._variables[each].value for each in LATEST if each in self._variables), False)
            block = {"format": str(self._variables[FORMAT].value), "latest": str(latest).lower() in _TRUE}
            self._put("imageConfig", block, FORMAT)
        return self._result

    def _put(self, block: str, value: Any, *variables: str) -> None:
        self._result.blocks[block] = value
        found = [self._variables[each] for each in variables if each in self._variables]
        self._result.comments[block] = tuple(comment for each in found for comment in each.comments)

    def _image_policy(self) -> dict[str, Any]:
        """The block; the list of its own variable wins, and the installer sets the internal name."""
        block = self._mapping(IMAGE_POLICY)
        allowed = self._variables.get(ALLOWED)
        if allowed is not None and allowed.value:
            if not isinstance(allowed.value, list) or not all(isinstance(each, str) for each in allowed.value):
                raise InvalidPolicy(f"{self._name}:{allowed.line}: {ALLOWED}: expected a list of strings")
            if "allowedRegistriesForImport" in block:
                text = f"allowedRegistriesForImport is replaced by {ALLOWED}"
                self._result.losses.append(Loss(self._name, self._variables[IMAGE_POLICY].line, IMAGE_POLICY, text))
            block["allowedRegistriesForImport"] = [{"domainName": each} for each in allowed.value]
        return {**block, "internalRegistryHostname": INTERNAL_REGISTRY}

    def _mapping(self, name: str) -> dict[str, Any]:
        variable = self._variables.get(name)
        if variable is None or variable.value in (None, ""):
            return {}
        if not isinstance(variable.value, dict):
            raise InvalidPolicy(f"{self._name}:{variable.line}: {name}: expected a mapping")
        return dict(variable.value)


def _collected(found: Iterator[tuple[str, Variable]], file: str) -> Iterator[tuple[str, Variable]]:
    """Each variable once; values are decoded."""
    seen: dict[str, Variable] = {}
    for name, variable in found:
        value = _decoded(variable.value, f"{file}:{variable.line}: {name}")
        decoded = Variable(value, variable.line, variable.comments)
        before = seen.setdefault(name, decoded)
        if before.value != decoded.value:
            text = f"{name} is set twice (line {before.line}), to different values: keep the one that counts"
            raise InvalidPolicy(f"{file}:{decoded.line}: {text}")
    yield from seen.items()


def _decoded(value: Any, place: str) -> Any:
    """A value as Ansible and the installer read it: a Python literal, else YAML."""
    if isinstance(value, str) and "{{" in value:
        raise InvalidPolicy(f"{place} is a template: write its value")
    if not isinstance(value, str) or not value.strip().startswith(("{", "[")):
        return value
    try:
        literal = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # JSON with true, false or null
        return plain(read_source(value, place).documents[0])
    try:
        return json.loads(json.dumps(literal))
    except (TypeError, ValueError) as error:
        raise InvalidPolicy(f"{place}: holds values that no configuration has: {error}") from error


def _is_ini(text: str) -> bool:
    """True for an inventory of sections and assignments."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith(("#", ";", "---"))), "")
    return first.startswith("[") or (_ASSIGNMENT.match(first) is not None and not first.startswith("{"))


def _of_ini(text: str, name: str) -> Iterator[tuple[str, Variable]]:
    """Assignments of any section; those of one host, on its line, are refused where they are about images."""
    comments: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith(("#", ";")):
            comments.append(stripped.lstrip("#; "))
            continue
        found = _ASSIGNMENT.match(stripped)
        if found is not None and found["name"] in VARIABLES:
            yield found["name"], Variable(_unquoted(found["value"]), number, tuple(comments))
        elif any(f" {each}=" in stripped for each in VARIABLES):
            raise InvalidPolicy(f"{name}:{number}: a variable of one host: move it to [OSEv3:vars]")
        comments = []


def _unquoted(value: str) -> str:
    value = value.strip()
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


def _of_yaml(text: str, name: str) -> Iterator[tuple[str, Variable]]:
    """Entries of these names anywhere in the documents: an inventory, or a file of group variables."""
    pending = list(read_source(text, name).documents)
    while pending:
        node: Node = pending.pop(0)
        if isinstance(node.value, list):
            pending += node.value
        elif isinstance(node.value, dict):
            for key, value in node.value.items():
                if key in VARIABLES:
                    yield key, Variable(plain(value), value.line)
                else:
                    pending.append(value)


def as_yaml(inventory: Inventory) -> str:
    """The blocks as a ``master-config.yaml``, which is JSON in its values."""
    lines = ["kind: MasterConfig", "apiVersion: v1"]
    for block, value in inventory.blocks.items():
        lines += [f"# {comment}".rstrip() for comment in inventory.comments.get(block, ())]
        lines += [f"{block}:", *_block(value, "  ")]
    return "\n".join(lines) + "\n"


def _block(value: Any, indent: str) -> Iterator[str]:
    """A mapping or list in block style, its strings in double quotes."""
    if isinstance(value, dict):
        for key, each in value.items():
            head = f"{indent}{key if _is_plain(key) else json.dumps(key)}:"
            if isinstance(each, (dict, list)) and each:
                yield head
                yield from _block(each, f"{indent}  ")
            else:
                yield f"{head} {json.dumps(each)}"
        return
    for each in value:
        if isinstance(each, (dict, list)) and each:
            first, *rest = _block(each, f"{indent}  ")
            yield f"{indent}- {first.removeprefix(f'{indent}  ')}"
            yield from rest
        else:
            yield f"{indent}- {json.dumps(each)}"


def _is_plain(key: str) -> bool:
    return _PLAIN.fullmatch(key) is not None and key.lower() not in ("y", "n", "yes", "no", "on", "off")
