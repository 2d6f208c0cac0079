"""A first suite from what ``check`` says of manifests now."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from imagegate.adapters.files.walk import Document, PassedOver
from imagegate.cli.check.manifests import Manifest, read_manifests
from imagegate.cli.check.read import FILE_MAX_BYTES
from imagegate.cli.check.run import Result
from imagegate.cli.check.select import Patterns, walk
from imagegate.cli.output import quoted_word, yaml_text
from imagegate.cli.outputs import write_file
from imagegate.cli.policy_tests.expectations import compared_rewrites
from imagegate.cli.policy_tests.inputs import read_bounded
from imagegate.cli.policy_tests.prepared import Connect, PreparedSuite, prepare
from imagegate.cli.policy_tests.run import LOCK, read_lock_file, run_case
from imagegate.documents.policy_tests.read import InvalidSuite, read_suites
from imagegate.documents.policy_tests.suite import API_VERSION, KIND, Place
from imagegate.wiring.choices import StartupOptions

NOTE = "Written by imagegate test --init from what the policy said; what it must say is for you to decide."


class Written(NamedTuple):
    """A suite that was written."""

    cases: int
    errors: tuple[str, ...]
    """Manifests that are not in it: ``FILE:LINE: why``."""
    missing: tuple[str, ...]
    """Images that no fixture and no lock describes: verdicts about them are ``unknown``."""
    prepared: PreparedSuite


def write_suite(file: Path, paths: Sequence[Path], chosen: StartupOptions, connect: Connect | None) -> Written:
    """Write a suite with a case for every object below ``paths``.

    Args:
        chosen: names the policy.
        connect: gives the servers to ask; None: nobody is asked.

    Raises:
        ConfigError: the file exists, the policy is wrong, or there is no object.
        CannotWrite: the file cannot be written.
    """
    if file.exists():
        raise InvalidSuite(f"{file}: exists, and is not replaced: name a new file")
    met = list(walk(paths, Patterns()))
    errors = [str(each) for each in met if not isinstance(each, Document | PassedOver)]
    named = list(_named_cases([each.path for each in met if isinstance(each, Document)], file.parent, errors))
    if not named:
        raise InvalidSuite(*errors, f"{file}: nothing to test: no object in the named files")
    document = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": file.name.partition(".")[0]},
        "policy": _policy(chosen, file.parent),
        "cases": [{**case, "expect": {"verdict": "allowed"}} for case in named],
    }
    (suite,) = read_suites(yaml_text(document), str(file))
    prepared = prepare(suite, read_lock_file(file.parent / LOCK), connect)
    cases = []
    reviewer = prepared.reviewer()
    for case, each in zip(named, prepared.cases, strict=True):
        result = run_case(prepared, each, reviewer)
        expected = list(map(_expectation, result.objects))
        if not expected or any(other != expected[0] for other in expected):
            why = "; ".join(failure.text for failure in result.failures) or "no object"
            errors.append(f"{file}: {case['name']}: not in the suite: {why if not expected else _DIFFER}")
        else:
            cases.append({**case, "expect": expected[0]})
    if not cases:
        raise InvalidSuite(*errors, f"{file}: nothing to test: no object could be decided")
    write_file(file, f"# {NOTE}\n{yaml_text(document | {'cases': cases})}")
    return Written(len(cases), tuple(errors), tuple(prepared.evidence.missing), prepared)


_DIFFER = "its objects have different results"


def _policy(chosen: StartupOptions, folder: Path) -> dict[str, Any]:
    """The named files, relative to the suite's folder."""
    settings = chosen.named_settings
    found = {
        "settings": "" if settings is None else _relative(settings, folder),
        "config": "" if chosen.config is None else _relative(chosen.config, folder),
        "policies": [_relative(each, folder) for each in chosen.policies],
        "images": [_relative(each, folder) for each in chosen.images],
        "profile": "" if chosen.profile is None else chosen.profile.value,
    }
    return {key: value for key, value in found.items() if value}


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder)


def _named_cases(files: Sequence[Path], folder: Path, errors: list[str]) -> Iterator[dict[str, Any]]:
    """A case without its expectation for every object, each with a name of its own."""
    taken: Counter[str] = Counter()
    for file in files:
        for manifest, source in _sources(file, folder, errors):
            name = _label(manifest.object)
            taken[name] += 1
            yield {"name": name if taken[name] == 1 else f"{name} ({taken[name]})", **source}


def _sources(file: Path, folder: Path, errors: list[str]) -> Iterator[tuple[Manifest, dict[str, Any]]]:
    """The objects of a file, and how a case names them: by kind and name, or as a whole where these are not unique."""
    found: list[Manifest] = []
    try:
        text = read_bounded(file, FILE_MAX_BYTES, Place(str(file), 1, "")).decode("utf-8-sig")
        for each in read_manifests(text, str(file)):
            if isinstance(each, Manifest):
                found.append(each)
            else:
                errors.append(f"{each.file}:{each.line}: {each.why}")
    except (InvalidSuite, UnicodeDecodeError) as error:
        errors.append(str(error))
    keys = [_key(each.object) for each in found]
    for manifest, (kind, name) in zip(found, keys, strict=True):
        if len(found) == 1:
            yield manifest, {"file": _relative(file, folder)}
        elif name and keys.count((kind, name)) == 1:
            yield manifest, {"file": _relative(file, folder), "kind": kind, "objectName": name}
        else:
            yield manifest, {"object": manifest.object}


def _key(document: Mapping[str, Any]) -> tuple[str, str]:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return str(document.get("kind") or ""), name if isinstance(name, str) else ""


def _label(document: Mapping[str, Any]) -> str:
    kind, name = _key(document)
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping):
        return quoted_word(kind)
    shown = name or str(metadata.get("generateName") or "")
    namespace = metadata.get("namespace")
    place = f"{quoted_word(str(namespace))}/" if namespace else ""
    return f"{quoted_word(kind)} {place}{quoted_word(shown)}".rstrip()


def _expectation(result: Result) -> dict[str, Any]:
    """The result as an expectation; texts are left out, since they change more often than verdicts."""
    expect: dict[str, Any] = {"verdict": result.verdict}
    denials = [
        {
            key: value
            for key, value in (
                ("image", problem.image),
                ("code", problem.code),
                ("rule", problem.rule),
                ("at", problem.at),
                ("mode", problem.mode if problem.mode != "enforce" else ""),
            )
            if value
        }
        for problem in result.problems
    ]
    if denials:
        expect["denials"] = denials
    if rewrites := compared_rewrites(result):
        expect["rewrites"] = [{"at": each.path, "to": str(each.after)} for each in rewrites]
    if result.warnings:
        expect["warnings"] = [{"text": text} for text in result.warnings]
    return expect
