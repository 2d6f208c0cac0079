"""Scans: from an image's digest to the verdict, over real folders and manifests in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.reports.folders import ListedFiles, ReportFolder
from imagegate.core.admission.lookup import Absent, DeadlineExceeded, Found, Lookup, Unknown
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.manifest import DOCKER_SCHEMA1, OCI_INDEX, OCI_MANIFEST, Manifest, parse_manifest
from imagegate.core.vulnerabilities.formats import read_report
from imagegate.core.vulnerabilities.messages import denial_text
from imagegate.core.vulnerabilities.report import Report
from imagegate.core.vulnerabilities.rules import AcceptedVulnerability, ImageScan, ScanRules
from imagegate.core.vulnerabilities.verdict import KEPT, Outcome, ScanVerdict
from imagegate.ports.registry import ANONYMOUS, RegistryAccess
from imagegate.ports.vulnerabilities import FoundDocument
from imagegate.service.evidence import scans
from imagegate.service.evidence.scans import ImageScans, ScanLimits, VexSource
from imagegate.settings.scanner import ScannerSettings
from imagegate.wiring.behaviours import scan_rules
from tests.support.scan_reports import OPENSSL, REPOSITORY, dumped, statement, trivy, vex

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def image(text: str) -> Manifest:
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + text * 32, "size": 2}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}
    return parse_manifest(json.dumps(document).encode(), OCI_MANIFEST)


def index(*children: tuple[Manifest, str]) -> Manifest:
    entries = []
    for manifest, platform in children:
        system, architecture, *variant = platform.split("/")
        described = {"os": system, "architecture": architecture} | ({"variant": variant[0]} if variant else {})
        entries.append({"mediaType": manifest.media_type, "digest": manifest.digest, "size": 1, "platform": described})
    return parse_manifest(
        json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode(), OCI_INDEX
    )


@dataclass
class Manifests:
    """The registry port over manifests in memory."""

    held: dict[str, Manifest] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    failure: Lookup[Manifest] | None = None

    def add(self, *manifests: Manifest) -> None:
        self.held |= {each.digest: each for each in manifests}

    def manifest(
        self, image: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[Manifest]:
        self.asked.append(image.id)
        if self.failure is not None:
            return self.failure
        found = self.held.get(image.id)
        return Absent("manifest unknown") if found is None else Found(found)

    def config(self, *arguments: Any, **options: Any) -> Lookup[bytes]:
        raise NotImplementedError

    def tags(self, *arguments: Any, **options: Any) -> Lookup[tuple[str, ...]]:
        raise NotImplementedError

    def signatures(self, *arguments: Any, **options: Any) -> Lookup[tuple[bytes, ...]]:
        raise NotImplementedError


@dataclass
class Place:
    """A place with one answer."""

    answer: Lookup[tuple[FoundDocument, ...]]
    asked: list[str] = field(default_factory=list)

    def documents(
        self, image: ImageReference, *, access: RegistryAccess, max_bytes: int, deadline_s: float
    ) -> Lookup[tuple[FoundDocument, ...]]:
        self.asked.append(image.id)
        return self.answer


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()


@pytest.fixture
def registry() -> Manifests:
    return Manifests()


def write(folder: Path, manifest: Manifest, *found: Any, named: Manifest | None = None, **more: Any) -> None:
    config = manifest.config.digest if manifest.config else ""
    document = trivy(*found, digest=manifest.digest, config=config, **more)
    (folder / f"{(named or manifest).digest.replace(':', '-')}.json").write_bytes(dumped(document))


def question(manifest: Manifest, rules: ScanRules | None = None) -> ImageScan:
    reference = ImageReference("registry.example.com", "shop", "web", id=manifest.digest)
    return ImageScan(reference, REPOSITORY, rules or ScanRules())


def verdict(answer: Lookup[ScanVerdict]) -> ScanVerdict:
    assert isinstance(answer, Found), answer
    return answer.value


def scanner(registry: Manifests, *reports: Any, clock: Clock | None = None, **more: Any) -> ImageScans:
    clock = clock or Clock()
    return ImageScans(registry, reports, now=clock, monotonic=clock.monotonic, **more)


def test_an_image(registry: Manifests, tmp_path: Path) -> None:
    good, bad = image("aa"), image("bb")
    registry.add(good, bad)
    write(tmp_path, good)
    write(tmp_path, bad, OPENSSL)
    service = scanner(registry, ReportFolder(tmp_path))
    assert verdict(service.ask(question(good), deadline_s=5)).outcome is Outcome.PASSED
    denied = service.ask(question(bad), deadline_s=5)
    assert verdict(denied).outcome is Outcome.VULNERABLE
    assert isinstance(denied, Found)
    assert denied.source.endswith(".json")


def test_a_file_under_the_name_of_another_digest(registry: Manifests, tmp_path: Path) -> None:
    good, bad = image("aa"), image("bb")
    registry.add(good, bad)
    write(tmp_path, good, named=bad)
    assert (
        verdict(scanner(registry, ReportFolder(tmp_path)).ask(question(bad), deadline_s=5)).outcome
        is Outcome.OTHER_IMAGE
    )


class TestLists:
    def test_every_platform(self, registry: Manifests, tmp_path: Path) -> None:
        amd, arm = image("aa"), image("bb")
        both = index((amd, "linux/amd64"), (arm, "linux/arm64/v8"), (image("cc"), "unknown/unknown"))
        registry.add(amd, arm, both)
        write(tmp_path, amd)
        service = scanner(registry, ReportFolder(tmp_path))
        found = verdict(service.ask(question(both), deadline_s=5))
        assert found.problems == (f"no report about linux/arm64/v8 {arm.digest}",)
        only = scan_rules(ScannerSettings(platforms=("linux/amd64",)))
        assert verdict(service.ask(question(both, only), deadline_s=5)).outcome is Outcome.PASSED
        write(tmp_path, arm)
        again = scanner(registry, ReportFolder(tmp_path))
        assert verdict(again.ask(question(both), deadline_s=5)).outcome is Outcome.PASSED

    def test_a_report_under_the_digest_of_the_list(self, registry: Manifests, tmp_path: Path) -> None:
        amd = image("aa")
        one = index((amd, "linux/amd64"))
        registry.add(amd, one)
        write(tmp_path, amd, OPENSSL, named=one)
        assert (
            verdict(scanner(registry, ReportFolder(tmp_path)).ask(question(one), deadline_s=5)).outcome
            is Outcome.VULNERABLE
        )

    def test_lists_that_cannot_be_judged(self, registry: Manifests, monkeypatch: pytest.MonkeyPatch) -> None:
        amd, arm = image("aa"), image("bb")
        both, empty = index((amd, "linux/amd64"), (arm, "linux/arm64")), index((amd, "unknown/unknown"))
        nested = index((index((amd, "linux/amd64")), "linux/amd64"))
        registry.add(both, empty, nested, index((amd, "linux/amd64")))
        service = scanner(registry)
        assert "without an image of a platform" in str(service.ask(question(empty), deadline_s=5))
        assert "is not an image" in str(service.ask(question(nested), deadline_s=5))
        assert service.ask(question(both), deadline_s=5) == Unknown("manifest unknown", retryable=False)
        monkeypatch.setattr(scans, "PLATFORMS_MAX", 1)
        assert "more than 1 platforms" in str(service.ask(question(both), deadline_s=5))


def test_outages_are_passed_on_and_not_kept(registry: Manifests, tmp_path: Path) -> None:
    one = image("aa")
    registry.failure = Unknown("registry down")
    service = scanner(registry, ReportFolder(tmp_path))
    assert service.ask(question(one), deadline_s=5) == registry.failure
    registry.failure = None
    registry.add(one)
    write(tmp_path, one)
    for place in (Place(Unknown("503")), ReportFolder(tmp_path / "gone")):
        broken = scanner(registry, ReportFolder(tmp_path), place)
        assert verdict(broken.ask(question(one), deadline_s=5)).outcome is Outcome.UNKNOWN
        assert broken.cached(question(one)) is None
    assert isinstance(service.ask(question(one), deadline_s=0), DeadlineExceeded)


def test_a_place_that_takes_the_whole_time(registry: Manifests) -> None:
    one = image("aa")
    registry.add(one)

    class Slow(Place):
        def documents(self, *arguments: Any, **options: Any) -> Lookup[tuple[FoundDocument, ...]]:
            import time

            time.sleep(0.1)
            return Unknown("slow")

    assert isinstance(scanner(registry, Slow(Absent(""))).ask(question(one), deadline_s=0.05), DeadlineExceeded)


def test_documents_that_cannot_be_read(registry: Manifests, tmp_path: Path) -> None:
    one = image("aa")
    registry.add(one)
    write(tmp_path, one)
    (tmp_path / one.digest.replace(":", "-")).mkdir()
    (tmp_path / one.digest.replace(":", "-") / "cut.json").write_bytes(b'{"matches": [')
    found = verdict(scanner(registry, ReportFolder(tmp_path)).ask(question(one), deadline_s=5))
    assert found.outcome is Outcome.UNKNOWN
    assert "cut.json: cannot be read: it is not JSON" in found.problems[0]


class TestVex:
    @pytest.fixture
    def one(self, registry: Manifests, tmp_path: Path) -> Manifest:
        one = image("aa")
        registry.add(one)
        (tmp_path / "reports").mkdir()
        (tmp_path / "vex").mkdir()
        write(tmp_path / "reports", one, OPENSSL)
        (tmp_path / "vex/a.json").write_bytes(dumped(vex(statement(digest=one.digest), author="us")))
        return one

    @pytest.mark.parametrize(
        "authors, passed", [((), True), (("us",), True), (("them", "us"), True), (("them",), False)]
    )
    def test_authors(
        self, registry: Manifests, tmp_path: Path, one: Manifest, authors: tuple[str, ...], passed: bool
    ) -> None:
        places = [VexSource(ListedFiles(tmp_path / "vex"), frozenset(authors))]
        found = verdict(
            scanner(registry, ReportFolder(tmp_path / "reports"), vex=places).ask(question(one), deadline_s=5)
        )
        assert (found.outcome is Outcome.PASSED) is passed

    def test_a_document_that_cannot_be_read_makes_the_image_unknown(
        self, registry: Manifests, tmp_path: Path, one: Manifest
    ) -> None:
        (tmp_path / "vex/b.json").write_text("{}")
        places = [VexSource(ListedFiles(tmp_path / "vex"))]
        found = verdict(
            scanner(registry, ReportFolder(tmp_path / "reports"), vex=places).ask(question(one), deadline_s=5)
        )
        assert found.outcome is Outcome.UNKNOWN
        assert "b.json: cannot be read: it is not an OpenVEX document" in found.problems[0]

    def test_each_document_is_read_once_for_all_platforms(
        self, registry: Manifests, tmp_path: Path, one: Manifest
    ) -> None:
        both = index((one, "linux/amd64"), (image("bb"), "linux/arm64"))
        registry.add(both, image("bb"))
        write(tmp_path / "reports", image("bb"))
        places = [VexSource(ListedFiles(tmp_path / "vex"))]
        found = verdict(
            scanner(registry, ReportFolder(tmp_path / "reports"), vex=places).ask(question(both), deadline_s=5)
        )
        assert found.outcome is Outcome.PASSED


class TestCaching:
    def test_times(self, registry: Manifests, tmp_path: Path) -> None:
        good, bad = image("aa"), image("bb")
        registry.add(good, bad)
        write(tmp_path, good)
        write(tmp_path, bad, OPENSSL)
        clock = Clock()
        service = scanner(registry, ReportFolder(tmp_path), clock=clock)
        answers = [service.ask(question(each), deadline_s=5) for each in (good, bad)]
        assert [service.cached(question(each)) for each in (good, bad)] == answers
        clock.now += timedelta(seconds=30)
        assert service.cached(question(good)) is answers[0]
        assert service.cached(question(bad)) is None
        clock.now += timedelta(seconds=30)
        assert service.cached(question(good)) is None

    def test_a_verdict_ends_with_what_it_was_accepted_for(self, registry: Manifests, tmp_path: Path) -> None:
        one, clock = image("aa"), Clock()
        registry.add(one)
        write(tmp_path, one, OPENSSL)
        accepted = AcceptedVulnerability(id=OPENSSL[0], reason="r", expires=date(2026, 11, 22))
        asked = question(one, ScanRules(accepted=(accepted,)))
        clock.now = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)
        service = scanner(registry, ReportFolder(tmp_path), clock=clock)
        assert verdict(service.ask(asked, deadline_s=5)).outcome is Outcome.PASSED
        assert service.cached(asked) is not None
        clock.now += timedelta(seconds=1)
        assert service.cached(asked) is None
        assert verdict(service.ask(asked, deadline_s=5)).outcome is Outcome.VULNERABLE

    def test_a_report_is_parsed_once(
        self, registry: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = image("aa")
        registry.add(one)
        write(tmp_path, one)
        service = scanner(registry, ReportFolder(tmp_path), limits=ScanLimits(passed_s=0))
        service.ask(question(one), deadline_s=5)
        assert service.cached(question(one)) is None
        monkeypatch.setattr(scans, "read_report", None)
        assert verdict(service.ask(question(one), deadline_s=5)).outcome is Outcome.PASSED

    def test_memory_of_reports_is_bounded(
        self, registry: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever may push attaches reports of any size; parsed, each of their findings takes some 200 bytes."""
        read: list[bytes] = []

        def counted(raw: bytes) -> Report:
            read.append(raw)
            return read_report(raw)

        monkeypatch.setattr(scans, "read_report", counted)
        clock = Clock()
        images = [image(text) for text in ("0a", "0b", "0c")]
        registry.add(*images)
        for each in images:
            write(tmp_path, each, *(findings(40)))
        asked = scanner(registry, ReportFolder(tmp_path), clock=clock, limits=ScanLimits(findings_max=100))
        for each in (*images, images[0]):
            verdict(asked.ask(question(each), deadline_s=5))
        assert len(read) == 4, "the first was dropped for the third"


def findings(count: int) -> list[tuple[str, str, str, str, str]]:
    return [(f"CVE-2026-{number}", "HIGH", "openssl", "1", "2") for number in range(count)]


@pytest.mark.parametrize("unknown_allows", [False, True])
def test_an_image_with_endless_reports_is_refused(registry: Manifests, tmp_path: Path, *, unknown_allows: bool) -> None:
    """Also where unknown images are allowed: what was not read may be the report that denies."""
    one = image("0a")
    registry.add(one)
    write(tmp_path, one, OPENSSL)
    attached = [
        FoundDocument(f"attached {number}", dumped(trivy(*findings(40), digest=one.digest)), names_image=True)
        for number in range(3)
    ]
    places = Place(Found(tuple(attached))), ReportFolder(tmp_path)
    asked = scanner(registry, *places, limits=ScanLimits(image_findings_max=100))
    answer = asked.ask(question(one, ScanRules(unknown_allows=unknown_allows)), deadline_s=5)
    assert answer == Unknown("its reports have more than 100 vulnerabilities", retryable=False)


def test_a_verdict_keeps_the_worst(registry: Manifests, tmp_path: Path) -> None:
    one = image("0a")
    registry.add(one)
    write(tmp_path, one, *findings(1000), OPENSSL)
    found = verdict(scanner(registry, ReportFolder(tmp_path)).ask(question(one), deadline_s=5))
    assert (len(found.findings), found.count, found.findings[0].id) == (KEPT, 1001, OPENSSL[0])
    assert "1001 vulnerabilities of severity HIGH or above" in denial_text("app", found, ScanRules())


def test_schema_1_has_no_configuration(registry: Manifests, tmp_path: Path) -> None:
    old = Manifest(DOCKER_SCHEMA1, "sha256:" + "dd" * 32, b"{}")
    registry.add(old)
    write(tmp_path, old, OPENSSL)
    assert (
        verdict(scanner(registry, ReportFolder(tmp_path)).ask(question(old), deadline_s=5)).outcome
        is Outcome.VULNERABLE
    )
