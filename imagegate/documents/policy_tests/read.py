"""Reads suites of policy tests. Every error names file, line and field."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from imagegate.core.kube.go_time import time_error
from imagegate.core.references.docker import check_digest
from imagegate.core.references.openshift import ImageReference
from imagegate.core.vulnerabilities.report import Severity
from imagegate.documents.image_policy_config import MODES
from imagegate.documents.policy_tests.suite import (
    API_VERSION,
    KIND,
    OPERATIONS,
    REVIEW,
    VERDICTS,
    Before,
    Case,
    Expectation,
    ExpectedDenial,
    ExpectedRewrite,
    ExpectedWarning,
    FindingFixture,
    ImageFixture,
    Place,
    PolicyUnderTest,
    SignatureFixture,
    Suite,
    TrustFixture,
    WrittenObject,
)
from imagegate.documents.yaml.fields import Fields, Report
from imagegate.documents.yaml.nodes import Node, plain
from imagegate.documents.yaml.source import read_source
from imagegate.errors import ConfigError, InvalidDigest, InvalidReference

SEVERITIES = tuple(severity.name.lower() for severity in Severity)
_SOURCES = ("file", "object", "image")
_OLD = ("oldFile", "oldObject", "oldImage")
_OF_REQUEST = ("operation", *_OLD, "subresource", "namespace", "user", "groups")


class InvalidSuite(ConfigError):
    """A suite is wrong; every line begins with ``file:line: field:``."""


def read_suites(text: str, file: str) -> tuple[Suite, ...]:
    """Every suite of a file, at least one.

    Raises:
        ConfigError: not YAML, no suite, an unknown or missing field, or a field of the wrong type.
    """
    report = Report(file)
    documents = [node for node in read_source(text, file).documents if node.value is not None]
    if not documents:
        raise InvalidSuite(f"{file}:1: empty: a suite has apiVersion {API_VERSION} and kind {KIND}")
    suites = tuple(_suite(node, report) for node in documents)
    report.check(InvalidSuite)
    return suites


def _suite(node: Node, report: Report) -> Suite:
    fields = Fields(node, "", report)
    for name, value in (("apiVersion", API_VERSION), ("kind", KIND)):
        if fields.text(name) != value:
            fields.error(name, f"expected {value}")
    metadata = fields.child("metadata")
    name = metadata.text("name")
    metadata.ignore("labels", "annotations", "namespace")
    metadata.finish()
    fixtures = fields.child("fixtures")
    suite = Suite(
        file=report.file,
        name=name or report.file,
        policy=_policy(fields.child("policy")),
        objects=_objects(fixtures, "objects"),
        registry=fixtures.each("registry", _image) or (),
        now=read_instant(fixtures, "now"),
        cases=fields.each("cases", _case) or (),
    )
    fixtures.finish()
    fields.finish()
    if not suite.cases:
        fields.error("cases", "required: a suite without cases tests nothing")
    _refuse_repeated(report, "cases", "name", ((case.place, case.name) for case in suite.cases))
    _refuse_repeated(report, "fixtures.registry", "image", ((each.place, each.image) for each in suite.registry))
    return suite


def _policy(fields: Fields) -> PolicyUnderTest:
    found = PolicyUnderTest(
        settings=fields.text("settings"),
        config=fields.text("config"),
        policies=fields.texts("policies") or (),
        images=fields.texts("images") or (),
        profile=fields.choice("profile", ("documented", "openshift-4"), ""),
    )
    fields.finish()
    if not (found.settings or found.config or found.policies):
        fields.report.error(fields.line, fields.path, "required: settings, config or policies")
    return found


def _objects(fields: Fields, name: str) -> tuple[WrittenObject, ...]:
    found = []
    for index, node in enumerate(fields.items(name) or ()):
        place = Place(fields.report.file, node.line, f"{fields.at(name)}[{index}]")
        written = _object(node, place, fields.report)
        if written is not None:
            found.append(written)
    return tuple(found)


def _object(node: Node, place: Place, report: Report) -> WrittenObject | None:
    value = plain(node)
    if not isinstance(value, dict) or not value.get("kind") or not value.get("apiVersion"):
        report.error(place.line, place.path, "expected a Kubernetes object with apiVersion and kind")
        return None
    return WrittenObject(place, value)


def _image(fields: Fields) -> ImageFixture:
    found = ImageFixture(
        place=_place(fields),
        image=_required(fields, "image"),
        digest=fields.text("digest"),
        absent=fields.flag("absent"),
        unavailable=fields.text("unavailable"),
        signatures=fields.each("signatures", _signature) or (),
        trust=_trust(fields.child("trust")) if fields.has("trust") else None,
        advisor=fields.text("advisor"),
        vulnerabilities=fields.each("vulnerabilities", _finding),
        reports=fields.texts("reports") or (),
    )
    if found.reports and found.vulnerabilities is not None:
        fields.error("reports", "vulnerabilities are the result of the reports already: one of the two")
    fields.ignore("trust")
    try:
        ImageReference.parse(found.image)
    except InvalidReference as error:
        fields.error("image", str(error))
    if found.digest:
        try:
            check_digest(found.digest)
        except InvalidDigest as error:
            fields.error("digest", f"{found.digest}: {error}")
    if sum(map(bool, (found.digest, found.absent, found.unavailable))) > 1:
        fields.report.error(fields.line, fields.path, "only one of digest, absent and unavailable can be")
    return found


def _signature(fields: Fields) -> SignatureFixture:
    found = SignatureFixture(
        place=_place(fields),
        key=fields.text("key"),
        identity=fields.text("identity"),
        file=fields.text("file"),
        folder=fields.text("folder"),
    )
    if sum(map(bool, (found.key, found.file, found.folder))) != 1:
        fields.report.error(fields.line, fields.path, "needs one of key, file, folder")
    if found.identity and not found.key:
        fields.error("identity", "a signature in a file says itself what it vouches for")
    return found


def _trust(fields: Fields) -> TrustFixture:
    found = TrustFixture(place=_place(fields), signers=fields.texts("signers") or (), folder=fields.text("folder"))
    if found.folder and found.signers:
        fields.error("signers", "the trust data in folder says itself who has signed")
    fields.finish()
    return found


def _finding(fields: Fields) -> FindingFixture:
    return FindingFixture(
        id=_required(fields, "id"),
        severity=fields.choice("severity", SEVERITIES, "unknown"),
        package=fields.text("package"),
        fixed=fields.text("fixed"),
    )


def _case(fields: Fields) -> Case:
    place = _place(fields)
    named = next((name for name in _SOURCES if fields.has(name)), "")
    before = _before(fields)
    case = Case(
        name=_required(fields, "name"),
        place=place,
        source=Place(place.file, fields.line_of(named), fields.at(named)) if named else place,
        file=fields.text("file"),
        kind=fields.text("kind"),
        object_name=fields.text("objectName"),
        object=_written(fields, "object"),
        image=fields.text("image"),
        operation=fields.choice("operation", OPERATIONS, "CREATE" if before is None else "UPDATE"),
        before=before,
        sub_resource=fields.text("subresource"),
        namespace=fields.text("namespace", "default"),
        user=fields.text("user"),
        groups=fields.texts("groups") or (),
        of_request=tuple(name for name in _OF_REQUEST if fields.has(name)),
        expect=_expectation(fields.child("expect")),
    )
    if sum(fields.has(name) for name in _SOURCES) != 1:
        fields.report.error(fields.line, fields.path, f"needs one of {', '.join(_SOURCES)}")
    for name in ("kind", "objectName"):
        if fields.has(name) and not case.file:
            fields.error(name, "selects objects of a file, and there is no file")
    _check_request(fields, case)
    return case


def _before(fields: Fields) -> Before | None:
    named = [name for name in _OLD if fields.has(name)]
    if len(named) > 1:
        fields.error(named[1], f"{named[0]} is the old object already")
    found = Before(
        place=Place(fields.report.file, fields.line_of(named[0]), fields.at(named[0])) if named else _place(fields),
        file=fields.text("oldFile"),
        object=_written(fields, "oldObject"),
        image=fields.text("oldImage"),
    )
    if found.image and not fields.has("image"):
        fields.error("oldImage", "is the image of a Pod before it gets another, and there is no image")
    return found if named else None


def _check_request(fields: Fields, case: Case) -> None:
    """Errors about an operation that no API server would ask for."""
    if case.object is not None and case.object.object.get("kind") == REVIEW:
        for name in case.of_request:
            fields.error(name, f"an {REVIEW} says it itself")
        return
    if case.operation == "UPDATE" and case.before is None:
        fields.error("operation", f"an update needs the old object: one of {', '.join(_OLD)}")
    if case.operation != "UPDATE" and case.before is not None:
        fields.error("operation", f"{case.operation} has no old object beside the one that is judged")
    if case.sub_resource == "ephemeralcontainers" and case.operation != "UPDATE":
        fields.error("subresource", f"ephemeral containers are added by updates: name {', '.join(_OLD[:2])}")


def _written(fields: Fields, name: str) -> WrittenObject | None:
    node = fields.node(name)
    if node is None:
        return None
    return _object(node, Place(fields.report.file, node.line, fields.at(name)), fields.report)


def _expectation(fields: Fields) -> Expectation:
    found = Expectation(
        place=Place(fields.report.file, fields.line_of("verdict"), fields.path),
        verdict=fields.choice("verdict", VERDICTS, ""),
        denials=fields.each("denials", _denial),
        rewrites=fields.each("rewrites", _rewrite),
        warnings=fields.each("warnings", _warning),
    )
    if not fields.has("verdict"):
        fields.error("verdict", f"required: one of {', '.join(VERDICTS)}")
    if found.verdict in ("denied", "unknown") and found.denials == ():
        fields.error("denials", f"empty, and the verdict is {found.verdict}: leave it out, or name the denials")
    fields.finish()
    return found


def _denial(fields: Fields) -> ExpectedDenial:
    found = ExpectedDenial(
        place=_place(fields),
        image=fields.text("image"),
        plugin=fields.text("plugin"),
        code=fields.text("code"),
        rule=fields.text("rule"),
        at=fields.text("at"),
        mode=fields.choice("mode", MODES, "enforce"),
        text=fields.text("text"),
        contains=fields.text("contains"),
    )
    if not any((found.image, found.plugin, found.code, found.rule, found.at, found.text, found.contains)):
        fields.report.error(fields.line, fields.path, "names nothing to compare: image, code, rule, at, text, contains")
    return found


def _rewrite(fields: Fields) -> ExpectedRewrite:
    return ExpectedRewrite(place=_place(fields), at=_required(fields, "at"), to=_required(fields, "to"))


def _warning(fields: Fields) -> ExpectedWarning:
    found = ExpectedWarning(place=_place(fields), text=fields.text("text"), contains=fields.text("contains"))
    if bool(found.text) == bool(found.contains):
        fields.report.error(fields.line, fields.path, "needs either text or contains")
    return found


def read_instant(fields: Fields, name: str) -> datetime | None:
    """A time in RFC 3339, with its zone."""
    text = fields.text(name)
    if not text:
        return None
    problem = time_error(text)
    if problem:
        fields.error(name, problem)
        return None
    return datetime.fromisoformat(text)


def _required(fields: Fields, name: str) -> str:
    value = fields.text(name)
    if not value and not fields.has(name):
        fields.error(name, "required")
    return value


def _place(fields: Fields) -> Place:
    return Place(fields.report.file, fields.line, fields.path)


def _refuse_repeated(report: Report, path: str, key: str, found: Iterable[tuple[Place, str]]) -> None:
    lines: dict[str, int] = {}
    for place, value in found:
        if value and value in lines:
            report.error(place.line, place.path, f"{key} {value} is already that of {path} in line {lines[value]}")
        lines.setdefault(value, place.line)
