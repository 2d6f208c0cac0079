"""A registry that says one thing now and another later: what was verified is what runs, and an outage is no answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate.core.admission.request import Phase
from tests.bypass.reviewer_setup import (
    Answer,
    ReviewerSetup,
    build_world,
    digest_of,
    patched,
    registry_of_tests,
    review_of,
)
from tests.support.registry_simulator import RegistrySimulator, image, replaced, sha256
from tests.support.simulator import Request, Response

DOCUMENTS: dict[str, Any] = {
    "settings": {
        "cise": {"profile": "portieris", "cache": True},
        "registry": {"insecure": ["REGISTRY"], "allowPrivateAddresses": ["REGISTRY"], "attempts": 1},
    },
    "policies": [
        {
            "apiVersion": "portieris.cloud.ibm.com/v1",
            "kind": "ClusterImagePolicy",
            "metadata": {"name": "p"},
            "spec": {
                "repositories": [
                    {
                        "name": "REGISTRY/team/app:1",
                        "policy": {"simple": {"requirements": [{"type": "insecureAcceptAnything"}]}},
                    },
                    {
                        "name": "REGISTRY/team/pinned",
                        "policy": {"simple": {"requirements": [{"type": "insecureAcceptAnything"}]}},
                    },
                    {"name": "REGISTRY/team/evil", "policy": {"simple": {"requirements": [{"type": "reject"}]}}},
                ]
            },
        }
    ],
}


@pytest.fixture
def registry() -> Iterator[RegistrySimulator]:
    with registry_of_tests() as running:
        yield running


@pytest.fixture
def world(registry: RegistrySimulator, tmp_path: Path) -> ReviewerSetup:
    return build_world(tmp_path / "world", DOCUMENTS, registry)


def app(registry: RegistrySimulator, tag: str = ":1") -> dict[str, Any]:
    return review_of({"image": f"{registry.host}/team/app{tag}"})


def image_after(answer: Answer) -> str:
    """The image that the mutating pass wrote."""
    (found,) = [each.value for each in answer.patch if each.path.endswith("/image")]
    assert isinstance(found, str)
    return found


def test_the_digest_is_of_the_bytes_not_of_the_header(registry: RegistrySimulator, world: ReviewerSetup) -> None:
    """CVE-2022-47633: the registry chose the digest."""
    evil = digest_of(registry, "team/evil", "1")

    def lie(request: Request, response: Response) -> Response:
        return replaced(response, headers={"Docker-Content-Digest": evil})

    registry.misbehave["/v2/team/app/manifests/"] = lie
    lied = world.ask(app(registry), Phase.MUTATE)
    assert image_after(lied) == f"{registry.host}/team/app@{digest_of(registry, 'team/app', '1')}"


def test_a_tag_that_moves_between_the_passes(registry: RegistrySimulator, world: ReviewerSetup) -> None:
    """GHSA-2r43-6962-xcw5: what was verified stays what runs, whatever the tag means by then."""
    first = digest_of(registry, "team/app", "1")
    mutated = world.ask(app(registry), Phase.MUTATE)
    assert image_after(mutated) == f"{registry.host}/team/app@{first}"
    registry.repository("team/app").put(*image("moved"), tag="1")
    left = patched(app(registry), mutated.patch)
    assert world.ask(left, Phase.VALIDATE).allowed
    again = world.ask(left, Phase.MUTATE)
    assert again.allowed
    assert again.patch == ()


def test_a_record_names_one_digest(registry: RegistrySimulator, world: ReviewerSetup) -> None:
    """The record of a rewritten image lets no other digest in, nor the same one in another namespace."""
    mutated = world.ask(app(registry), Phase.MUTATE)
    left = patched(app(registry), mutated.patch)
    assert world.ask(left, Phase.VALIDATE).allowed
    other = digest_of(registry, "team/app", "2")
    for change in (
        {"namespace": "elsewhere"},
        {"image": f"{registry.host}/team/app@{other}"},
        {"image": f"{registry.host}/team/evil@{digest_of(registry, 'team/evil', '1')}"},
    ):
        moved = patched(left, ())
        moved["request"]["namespace"] = change.get("namespace", "team")
        container = moved["request"]["object"]["spec"]["containers"][0]
        container["image"] = change.get("image", container["image"])
        for phase in Phase:
            assert not world.ask(moved, phase).allowed


def test_bytes_that_are_not_the_digest_asked_for(registry: RegistrySimulator, world: ReviewerSetup) -> None:
    """CVE-2023-47630: a digest in the object is compared with what the registry serves for it."""
    repository = registry.repository("team/pinned")
    manifest, config = image("pinned")
    digest = repository.put(manifest, config)
    honest = repository.manifests[digest]
    repository.manifests[digest] = (image("swapped")[0], honest[1])
    pinned = review_of({"image": f"{registry.host}/team/pinned@{digest}"})
    for phase in Phase:
        assert not world.ask(pinned, phase).allowed
    repository.manifests[digest] = honest
    assert world.ask(pinned, Phase.VALIDATE).allowed


@pytest.mark.parametrize("status", [500, 503, 429, 403])
def test_an_outage_is_neither_a_permission_nor_remembered(
    registry: RegistrySimulator, world: ReviewerSetup, status: int
) -> None:
    """open-bank-oss#712: the next review asks again."""
    registry.misbehave["/v2/team/app/"] = lambda request, response: Response(status)
    for phase in Phase:
        down = world.ask(app(registry), phase)
        assert not down.allowed
        assert down.patch == ()
    registry.misbehave.clear()
    assert world.ask(app(registry), Phase.MUTATE).allowed


def test_a_cached_digest_skips_no_rule(registry: RegistrySimulator, world: ReviewerSetup) -> None:
    """kyverno#17173: the same content under a name that is rejected stays rejected."""
    same = registry.repository("team/app").manifests["1"]
    registry.repository("team/evil").manifests |= {"same": same, sha256(same[0]): same}
    assert world.ask(app(registry), Phase.MUTATE).allowed
    for text in (":same", f"@{sha256(same[0])}"):
        assert not world.ask(review_of({"image": f"{registry.host}/team/evil{text}"}), Phase.MUTATE).allowed
    assert world.ask(app(registry), Phase.MUTATE).allowed
