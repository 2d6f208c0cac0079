"""``imagegate explain -f``: the verdict on the objects of manifests, with every rule and look-up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from imagegate.adapters.files.walk import Document, PassedOver
from imagegate.cli.check.manifests import Manifest, read_manifests
from imagegate.cli.check.read import passed_over, read_text, shown
from imagegate.cli.check.render import as_json
from imagegate.cli.check.run import NOT_JUDGED, CheckOptions, Report, Result, check_manifest
from imagegate.cli.check.select import Patterns, walk
from imagegate.cli.check.templates import Made, made_objects
from imagegate.cli.check.yaml_text import BadManifest
from imagegate.core.openshift_templates.secret_values import Secrets
from imagegate.errors import InvalidInput
from imagegate.service.review.both_passes import plural
from imagegate.service.review.reviewer import Reviewer

NAMED_MAX = 10
"""Objects that a message names."""


def explain_objects(reviewer: Reviewer, paths: Sequence[Path], wanted: str, options: CheckOptions) -> Report:
    """Decide the objects of the files that ``wanted`` selects, those of Templates among them.

    Args:
        wanted: ``KIND/NAME`` or ``KIND``, as kubectl takes them; empty: every object.

    Raises:
        InvalidInput: no object is selected.
    """
    report = Report()
    manifests = list(_read(paths, report))
    secrets = Secrets((each.object for each in manifests), options.namespace)
    made = [each for manifest in manifests for each in _made(manifest, options, secrets, report)]
    chosen = [each for each in made if _selects(wanted, each.manifest)]
    if not chosen and not report.errors:
        raise InvalidInput(_nothing(wanted, made))
    for each in chosen:
        try:
            report.results.append(check_manifest(reviewer, each, options))
        except InvalidInput as error:
            report.errors.append(f"{each.manifest.file}:{each.manifest.line}: {error}")
    unknown = options.parameters.keys() - report.parameters
    report.errors += (f"--param {name}: no Template has a parameter of this name" for name in sorted(unknown))
    return report


def _read(paths: Iterable[Path], report: Report) -> Iterator[Manifest]:
    for met in walk(paths, Patterns()):
        if isinstance(met, PassedOver):
            report.passed_over.append(str(met))
        elif isinstance(met, Document):
            yield from _manifests(met, report)
        else:
            report.errors.append(str(met))


def _manifests(document: Document, report: Report) -> Iterator[Manifest]:
    name = str(document.path)
    try:
        text = read_text(name, named=document.named)
    except BadManifest as error:
        report.errors.append(str(error))
        return
    for found in read_manifests(text, shown(name)):
        if isinstance(found, Manifest):
            yield found
        elif remark := passed_over(found, skip_unknown=False):
            report.passed_over.append(remark)
        else:
            report.errors.append(str(found))


def _made(manifest: Manifest, options: CheckOptions, secrets: Secrets, report: Report) -> Iterator[Made]:
    try:
        yield from made_objects(manifest, options.parameters, report.parameters, secrets)
    except BadManifest as error:
        report.errors.append(str(error))


def _selects(wanted: str, manifest: Manifest) -> bool:
    """True for an object of this kind and name: ``Deployment/web``, ``deployments/web``, ``deployments.apps``."""
    kind, _, name = wanted.partition("/")
    found = manifest.object
    own = str(found.get("kind") or "")
    names = {own.lower(), plural(own)} if own else set()
    if kind and kind.partition(".")[0].lower() not in names:
        return False
    return not name or name == _name(found)


def _name(document: dict[str, Any]) -> str:
    metadata = document.get("metadata")
    named = metadata if isinstance(metadata, dict) else {}
    return str(named.get("name") or named.get("generateName") or "")


def _nothing(wanted: str, made: Sequence[Made]) -> str:
    if not made:
        return "nothing was explained: the named files contain no object"
    objects = [f"{each.manifest.object.get('kind')}/{_name(each.manifest.object)}" for each in made]
    more = f" and {len(objects) - NAMED_MAX} more" if len(objects) > NAMED_MAX else ""
    return f"no object {wanted} in the files, which have {', '.join(objects[:NAMED_MAX])}{more}"


def object_lines(report: Report, namespace: str) -> Iterator[str]:
    """The explanations as text: a paragraph for each object that is judged, a line for each other."""
    for number, result in enumerate(report.results):
        if number:
            yield ""
        place = "" if result.namespace else f" in namespace {namespace}"
        yield f"{result.label}{place}: {result.verdict} ({result.file}:{result.line})"
        yield from result.reasons
        if result.verdict not in NOT_JUDGED or result.problems:
            yield from result.explained


def objects_json(report: Report, version: str) -> dict[str, Any]:
    """The explanations as JSON: each object as ``check`` prints it, with its steps, and with the sentences."""
    return {
        "objects": [_with_sentences(result) for result in report.results],
        "errors": report.errors,
        "passedOver": report.passed_over,
        "policies": version,
    }


def _with_sentences(result: Result) -> dict[str, Any]:
    return as_json(result) | {"explanation": list(result.explained), "milliseconds": round(result.seconds * 1000, 1)}
