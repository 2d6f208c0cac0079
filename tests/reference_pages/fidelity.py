"""``docs/fidelity.md``: where imagegate answers as the originals do, where it does not, and what proves it."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

from imagegate.core.enforcement.behaviour import CiseSettings
from imagegate.core.enforcement.behaviour import Profile as EnforcementProfile
from imagegate.core.image_policy.behaviour import Behaviour, openshift_4
from imagegate.core.import_gate.behaviour import DOCUMENTED, OPENSHIFT_4, GateBehaviour
from tests.support.service import ROOT

UPSTREAM = ROOT / "tests" / "vectors" / "upstream"
_HEAD = """# Fidelity

imagegate takes the place of three programs. Their policies mean what they meant there. Where an original has a hole, or
contradicts its own documentation, the default differs; each such choice has a name, and a profile that takes it back.

**In short**: whoever needs the very answers of before, as for a comparison, sets the profile; whoever begins anew keeps
the default. Each table below names every field that differs, and what it does.

| original | decides as the original with | differs by default in |
|---|---|---|
| ImagePolicy, OpenShift | `profile: openshift-4` | [image policy](POLICY) |
| allowedRegistriesForImport, OpenShift | `profile: openshift-4` | [import gate](GATE) |
| Portieris; CISE; Cloud Pak | `cise.profile` | [enforcement](enforcement.md#what-differs-from-portieris) |
| image.openshift.io/v1 | always | [the image API](image-api.md#what-is-served), and below |

## What proves it

The originals' own functions were called, once, with the inputs below, and their answers stored. `make conformance`
compares every one.

| recorded answers | cases |
|---|---|
"""
_DIFFERENCES = (
    "(image-policy.md#where-imagegate-differs-from-the-plug-in-of-openshift-4)",
    "(import-gate.md#where-imagegate-differs-from-openshift)",
)
_POLICY = """
## Choices of the image policy

The fields of `imagegate/core/image_policy/behaviour.py` that differ between the profiles.

"""
_GATE = """
## Choices of the import gate

The fields of `imagegate/core/import_gate/behaviour.py` that differ between the profiles.

"""
_ENFORCEMENT = """
## Choices of image enforcement

The fields of `imagegate/core/enforcement/behaviour.py` that differ between the values of `cise.profile`.

| choice | `cise` | `cloudpak` | `portieris` | meaning |
|---|---|---|---|---|
"""
_COLUMNS = "| choice | `documented` | `openshift-4` | meaning |\n|---|---|---|---|\n"
_API = """
## The image API

`tests/vectors/image_api/pairs.jsonl` holds requests and the answers of a real openshift-apiserver to them. imagegate
answers each alike, but for those of [intended.yaml](../tests/vectors/image_api/intended.yaml), which has the reason for
each; an entry whose answer agrees after all is an error. `python -m tests.image_api_pairs` compares. What is not served
at all: [the image API](image-api.md#what-is-served).

## What cannot be had

- The originals are those of the versions in [README.md](../tests/vectors/upstream/README.md) and
  [README-cise.md](../tests/vectors/upstream/README-cise.md) of the recorded answers. Older ones differ there.
- IBM's key services and Vulnerability Advisor are asked as their documentation says; no answer of them was recorded.
"""


def document() -> str:
    """The whole page."""
    return "".join(
        (
            _HEAD.replace("(POLICY)", _DIFFERENCES[0]).replace("(GATE)", _DIFFERENCES[1]),
            *_families(),
            _POLICY + _COLUMNS,
            *_rows(Behaviour, Behaviour(), openshift_4()),
            _GATE + _COLUMNS,
            *_rows(GateBehaviour, DOCUMENTED, OPENSHIFT_4),
            _ENFORCEMENT,
            *_rows(CiseSettings, *_profiles()),
            _API,
        )
    )


def _families() -> Iterator[str]:
    total = 0
    for file in sorted(UPSTREAM.glob("*.jsonl")):
        cases = file.read_bytes().count(b"\n")
        total += cases
        yield f"| `{file.name}` | {cases:,} |\n"
    yield f"| together | {total:,} |\n"


def _profiles() -> list[CiseSettings]:
    return [CiseSettings.for_profile(profile) for profile in EnforcementProfile]


def _rows(kind: type, *presets: Any) -> Iterator[str]:
    """A row for each field that differs between the presets."""
    meanings = _docstrings(kind)
    for field in dataclasses.fields(kind):
        values = [_value(getattr(preset, field.name)) for preset in presets]
        if len(set(values)) > 1 and field.name != "profile":
            value = getattr(presets[0], field.name)
            meaning = meanings.get(field.name) or (
                _one_line(inspect.getdoc(value) or "") if isinstance(value, Enum) else ""
            )
            yield f"| `{field.name}` | {' | '.join(values)} | {meaning} |\n"


def _value(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case Enum():
            return f"`{value.value}`"
        case frozenset() | tuple() if not value:
            return "none"
        case frozenset():
            return ", ".join(f"`{each}`" for each in sorted(map(str, value)))
        case tuple():
            return ", ".join(f"`{each}`" for each in value)
        case None | "":
            return "none"
        case str():
            return f"`{value}`"
    if dataclasses.is_dataclass(value):
        return "; ".join(f"{each.name}: {_value(getattr(value, each.name))}" for each in dataclasses.fields(value))
    raise TypeError(repr(value))


def _docstrings(kind: type) -> dict[str, str]:
    """Field -> the string below it, without its source, on one line."""
    (tree,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = _one_line(text)
    return found


def _one_line(text: str) -> str:
    text = " ".join(text.partition("\n\n")[0].split()).replace("``", "`")
    return re.sub(r" \(docs/spec/[^)]*\)", "", text).replace("|", "\\|")
