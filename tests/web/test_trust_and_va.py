"""The four cases of CISE's documentation, in its order: ``trust`` and ``va`` of one ClusterImagePolicy, off and on.

The images are in a real registry, signed with the real ``notary`` client at a real notary-server, and the flags are
changed by the documentation's own ``sed`` commands. Source: docs/spec/enforcement.md 7.2 and 11.2.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.core.admission.decision import PatchOp
from imagegate.core.admission.patch import apply_patch
from tests.support.certificates import Authority
from tests.support.programs import program, run
from tests.support.service import CONFIG
from tests.support.simulator import Request, Response, Simulator
from tests.support.trust_world import Signed, TrustService, TrustWorld, pull_secret, review, trust_world

REPOSITORY = "us.icr.io/space/tomcat"
VULNERABLE, CLEAN = f"{REPOSITORY}:latest", f"{REPOSITORY}:v2"
SIGNED_VULNERABLE, SIGNED = f"{REPOSITORY}:signed-v1", f"{REPOSITORY}:signed-v2"
NOT_SIGNED = {
    image: f"Deny, failed to get content trust information: No valid trust data for {image.rpartition(':')[2]}"
    for image in (VULNERABLE, CLEAN)
}
ISSUES = (
    "The Vulnerability Advisor image scan assessment found issues with the container image that are not exempted. "
    "Refer to your image vulnerability report for more details by using the command `ibmcloud cr va`."
)
TRUST_HOOK, VA_HOOK = "/admit/trust", "/admit/va"
CASES: dict[int, list[str]] = {
    1: [],
    2: ["15 s/enabled: false/enabled: true/"],
    3: [
        "15 s/enabled: false/enabled: true/",
        "13 s/enabled: false/enabled: true/",
        "15 s/enabled: true/enabled: false/",
    ],
    4: ["13 s/enabled: false/enabled: true/", "15 s/enabled: false/enabled: true/"],
}
"""The ``sed`` commands that lead from the sample file to each case."""


class Advisor(Simulator):
    """Vulnerability Advisor: some references have issues."""

    failing: frozenset[str] = frozenset()

    def answer(self, request: Request) -> Response:
        """``FAIL`` for what has issues, else ``OK``."""
        reference = request.path.partition("/report/image/status/")[2]
        status = "FAIL" if reference in self.failing else "OK"
        return Response(200, json.dumps({"status": status}).encode(), {"Content-Type": "application/json"})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Iterator[TrustWorld]:
    with trust_world(tmp_path_factory.mktemp("document"), ca) as running:
        yield running


@pytest.fixture(scope="module")
def images(world: TrustWorld) -> dict[str, Signed]:
    """All four in the registry; two are signed."""
    pushed = {
        image: world.push(image.removeprefix("us.icr.io/")) for image in (VULNERABLE, CLEAN, SIGNED_VULNERABLE, SIGNED)
    }
    world.notary.start_signing(REPOSITORY)
    for image in (SIGNED_VULNERABLE, SIGNED):
        world.notary.sign(REPOSITORY, image.rpartition(":")[2], pushed[image].manifest, pushed[image].digest)
    return pushed


@pytest.fixture(scope="module")
def advisor(ca: Authority, images: dict[str, Signed]) -> Iterator[Advisor]:
    with Advisor(tls=ca.server) as running:
        running.failing = frozenset(
            name
            for image in (VULNERABLE, SIGNED_VULNERABLE)
            for name in (image, f"{REPOSITORY}@{images[image].digest}")
        )
        yield running


@pytest.fixture
def service(
    request: pytest.FixtureRequest, tmp_path: Path, world: TrustWorld, advisor: Advisor
) -> Iterator[TrustService]:
    """The service with the sample file as the commands of a case leave it."""
    file = tmp_path / "defaultcluster-wide.yaml"
    sample = CONFIG / "walkthrough/contents/defaultcluster-wide.yaml"
    file.write_bytes(sample.read_bytes())
    for command in CASES[request.param]:
        run([program("sed"), "-i", "-e", command, file])
    changed = [
        (a, b) for a, b in zip(sample.read_text().splitlines(), file.read_text().splitlines(), strict=True) if a != b
    ]
    assert len(changed) == {1: 0, 2: 1, 3: 1, 4: 2}[request.param]
    documents = [
        *yaml.safe_load_all(file.read_text()),
        pull_secret("team", "pull", "us.icr.io", "iamapikeyless", "secret"),
    ]
    cise = {"profile": "cise", "va": {"baseURL": advisor.url}}
    with world.serve(documents, cise=cise, trust={"servers": {"us.icr.io": world.notary.url}}) as running:
        yield running


def admitted(service: TrustService, image: str) -> tuple[str, str]:
    """The hook that denies and its message, empty if the Pod is created; the second sees the patch."""
    document = review(image, "team", ("pull",))
    first = service.service.post(TRUST_HOOK, document)
    if not first.response["allowed"]:
        return TRUST_HOOK, first.response["status"]["message"]
    pod: dict[str, Any] = copy.deepcopy(document["request"]["object"])
    if "patch" in first.response:
        steps = [PatchOp(step["op"], step["path"], step.get("value")) for step in first.patch]
        document["request"]["object"] = apply_patch(pod, steps)
    second = service.service.post(VA_HOOK, document)
    return ("", "") if second.response["allowed"] else (VA_HOOK, second.response["status"]["message"])


@pytest.mark.parametrize("service", [1], indirect=True)
def test_case_1_neither_flag_everything_runs(service: TrustService, advisor: Advisor) -> None:
    before = len(advisor.requests)
    for image in (VULNERABLE, CLEAN, SIGNED_VULNERABLE, SIGNED):
        assert admitted(service, image) == ("", "")
    assert len(advisor.requests) == before


@pytest.mark.parametrize("service", [2], indirect=True)
def test_case_2_va_alone(service: TrustService) -> None:
    assert admitted(service, VULNERABLE) == (VA_HOOK, ISSUES)
    assert admitted(service, CLEAN) == ("", "")
    assert admitted(service, SIGNED_VULNERABLE) == (VA_HOOK, ISSUES)
    assert admitted(service, SIGNED) == ("", "")


@pytest.mark.parametrize("service", [3], indirect=True)
def test_case_3_trust_alone(service: TrustService, advisor: Advisor) -> None:
    before = len(advisor.requests)
    assert admitted(service, VULNERABLE) == (TRUST_HOOK, NOT_SIGNED[VULNERABLE])
    assert admitted(service, CLEAN) == (TRUST_HOOK, NOT_SIGNED[CLEAN])
    assert admitted(service, SIGNED_VULNERABLE) == ("", "")
    assert admitted(service, SIGNED) == ("", "")
    assert len(advisor.requests) == before


@pytest.mark.parametrize("service", [4], indirect=True)
def test_case_4_both_and_trust_first(service: TrustService, advisor: Advisor) -> None:
    before = len(advisor.requests)
    for image, text in NOT_SIGNED.items():
        assert admitted(service, image) == (TRUST_HOOK, text)
        answer = service.service.post(VA_HOOK, review(image, "team", ("pull",)))  # also where only this hook is called
        assert answer.response["status"]["message"] == text
    assert len(advisor.requests) == before, "Vulnerability Advisor must not be asked about an unsigned image"
    assert admitted(service, SIGNED_VULNERABLE) == (VA_HOOK, ISSUES)
    assert admitted(service, SIGNED) == ("", "")
    assert len(advisor.requests) > before
