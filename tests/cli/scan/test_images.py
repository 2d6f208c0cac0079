"""``imagegate scan -o images``: every image with its trust, its security status and its verdict."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from imagegate.cli.check.run import ALLOWED, DENIED, Problem, Result
from imagegate.cli.scan.images import IMAGES_MAX, ImageRows, image_table
from tests.cli.commands import SETTINGS, Command, pod
from tests.cli.policy_tests.test_command import Suites
from tests.cli.policy_tests.test_lock import World
from tests.support.certificates import Authority
from tests.support.lookaside import Lookaside
from tests.support.notary import TrustServerSimulator
from tests.support.registry import Registry
from tests.support.scan_reports import OPENSSL, ZLIB, dumped, trivy
from tests.support.service import ROOT

AT = "spec.containers[0].image"


def result(image: str, *steps: dict[str, Any], code: str = "", namespace: str = "shop") -> Result:
    problems = (Problem(1, "cise", "enforce", code, image, AT, "", "why"),) if code else ()
    written = tuple({"at": AT, "what": "requirement", **step} for step in steps)
    verdict = DENIED if code else ALLOWED
    return Result("f", 1, "v1", "Pod", namespace, "web", verdict, problems, steps=written, images=((AT, image),))


def holds(subject: str, **detail: str) -> dict[str, Any]:
    return {"subject": subject, "outcome": "holds", "detail": detail}


def refused(subject: str, **detail: str) -> dict[str, Any]:
    return {"subject": subject, "outcome": "refused", "detail": detail}


@pytest.mark.parametrize(
    "steps, code, expected",
    [
        ((), "", ("-", "-", "allowed", "")),
        ((holds("trust"), holds("vulnerability", outcome="passed")), "", ("signed", "No Issues", "allowed", "")),
        ((refused("trust", code="trust"),), "trust", ("not signed", "-", "denied", "trust")),
        ((refused("simple", code="signature"),), "signature", ("not signed", "-", "denied", "signature")),
        ((refused("trust", code="look-up-failed"),), "look-up-failed", ("not known", "-", "unknown", "look-up-failed")),
        (
            (holds("trust"), refused("vulnerability", code="vulnerability", outcome="vulnerable", issues="6")),
            "vulnerability",
            ("signed", "6 Issues", "denied", "vulnerability"),
        ),
        (
            (refused("vulnerability", code="vulnerability", issues="1"),),
            "vulnerability",
            ("-", "1 Issue", "denied", "vulnerability"),
        ),
        ((holds("vulnerability", status="WARN"),), "", ("-", "WARN", "allowed", "")),
        (
            (refused("vulnerability", status="FAIL", code="vulnerability"),),
            "vulnerability",
            ("-", "FAIL", "denied", "vulnerability"),
        ),
        ((holds("vulnerability", outcome="unknown"),), "", ("-", "not known", "allowed", "")),
        ((holds("simple"), refused("trust", code="trust")), "trust", ("not signed", "-", "denied", "trust")),
    ],
)
def test_states(steps: tuple[dict[str, Any], ...], code: str, expected: tuple[str, ...]) -> None:
    rows = ImageRows()
    rows.add(result("a.io/x:1", *steps, code=code))
    (row,) = rows.ordered()
    assert (row.trust, row.security, row.verdict, row.reason) == expected


def test_of_several_objects_the_worst_counts() -> None:
    rows = ImageRows()
    rows.add(result("a.io/x:1", refused("trust", code="trust"), code="trust", namespace="live"))
    rows.add(result("a.io/x:1", holds("trust"), namespace="test"))
    rows.add(result("a.io/y:1"))
    first, second = rows.ordered()
    assert (first.image, first.trust, first.verdict, first.objects) == ("a.io/x:1", "not signed", "denied", 2)
    assert dict(first.namespaces) == {"live": 1, "test": 1}
    assert second.image == "a.io/y:1"


def test_images_are_bounded() -> None:
    rows = ImageRows()
    for number in range(IMAGES_MAX + 3):
        rows.add(result(f"a.io/x:{number}"))
    assert (len(rows.rows), rows.left_out) == (IMAGES_MAX, 3)
    assert list(image_table(rows, colour=False))[-1] == "3 objects of more images are not shown"


def test_names_chosen_by_others_do_not_reach_the_terminal() -> None:
    rows = ImageRows()
    rows.add(result("a.io/x\x1b[2J\n::error::", namespace="\x1b[31m"))
    rows.add(result("", holds("vulnerability", status="\x1b[2J")))
    lines = list(image_table(rows, colour=False))
    assert len(lines) == 3
    assert "\x1b" not in "".join(lines)


def test_the_table(imagegate: Command, tmp_path: Path) -> None:
    documents = [pod("quay.io/team/app:1", name=f"bad-{number}", namespace=f"team-{number}") for number in range(3)]
    (tmp_path / "pods.yaml").write_text("---\n".join([*documents, pod("docker.io/library/nginx:1", namespace="shop")]))
    ran = imagegate("scan", *SETTINGS, "-o", "images", tmp_path)
    assert ran.code == 1
    header, bad, good, summary = ran.out.splitlines()
    assert header.split("  ")[0] == "REPOSITORY"
    assert bad.split() == ["quay.io/team/app", "1", "-", "3", "3", "-", "-", "denied", "(no-rule-allows)"]
    assert good.split() == ["docker.io/library/nginx", "1", "-", "shop", "1", "-", "-", "allowed"]
    assert summary == "4 objects: 1 allowed, 3 denied"
    found = json.loads(imagegate("scan", *SETTINGS, "-o", "json", tmp_path).out)
    jsonschema.validate(found, json.loads((ROOT / "docs/schemas/scan.schema.json").read_text()))
    assert [each["verdict"] for each in found["images"]] == ["denied", "allowed"]


class TestRealServers:
    """A registry, a trust server and reports of a scanner: the four cases of trust and vulnerabilities."""

    @pytest.fixture
    def world(self, imagegate: Command, tmp_path: Path, registry_tls: Registry, ca: Authority) -> Iterator[World]:
        for name in ("store", "suites"):
            (tmp_path / name).mkdir()
        with Lookaside(tmp_path / "store", tls=ca.server) as store, TrustServerSimulator(tls=ca.server) as trust:
            yield World(registry_tls, store, trust, Suites(imagegate, tmp_path / "suites"))

    @pytest.mark.parametrize(
        "trust, va, expected",
        [
            (False, False, ["-", "-", "allowed"]),
            (False, True, ["-", "2", "Issues", "denied", "(vulnerability)"]),
            (True, False, ["not", "signed", "-", "denied", "(trust)"]),
            (True, True, ["not", "signed", "-", "denied", "(trust)"]),
        ],
    )
    def test_an_image_that_nobody_signed_and_with_issues(
        self, world: World, imagegate: Command, trust: bool, va: bool, expected: list[str]
    ) -> None:
        assert self.row(world, imagegate, trust=trust, va=va) == expected

    @pytest.mark.parametrize(
        "trust, va, expected",
        [
            (False, True, ["-", "2", "Issues", "denied", "(vulnerability)"]),
            (True, False, ["signed", "-", "rewritten"]),
            (True, True, ["signed", "2", "Issues", "denied", "(vulnerability)"]),
        ],
    )
    def test_one_that_is_signed(
        self, world: World, imagegate: Command, trust: bool, va: bool, expected: list[str]
    ) -> None:
        world.vouch()
        assert self.row(world, imagegate, trust=trust, va=va) == expected

    def row(self, world: World, imagegate: Command, *, trust: bool, va: bool) -> list[str]:
        """The table's columns after the number of objects."""
        requirements: dict[str, Any] = {"va": {"enabled": va}}
        requirements["trust"] = {"enabled": trust, **({"trustServer": world.trust.url} if trust else {})}
        world.write(requirements, "denied")
        folder = world.suites.folder
        reports = folder / "reports"
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir()
        report = trivy(OPENSSL, ZLIB, digest=world.digest)
        (reports / f"{world.digest.replace(':', '-')}.json").write_bytes(dumped(report))
        settings = yaml.safe_load((folder / "settings.yaml").read_text())
        settings["scanner"] = {"reports": [{"folder": str(reports)}], "maxAgeDays": 0}
        (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
        (folder / "pod.yaml").write_text(pod(world.image, namespace="default"))
        ran = imagegate("scan", "--settings", folder / "settings.yaml", "-o", "images", folder / "pod.yaml")
        return ran.out.splitlines()[1].split()[5:]
