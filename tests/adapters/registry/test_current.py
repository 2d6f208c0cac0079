"""A registry client that is replaced while it is used."""

from __future__ import annotations

from imagegate.adapters.registry.current import CurrentRegistry
from imagegate.core.admission.lookup import Absent, Found
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import EvidenceError
from imagegate.ports.registry import Registry, RegistryErrorKind, RegistryUnknown
from tests.adapters.registry.test_cache import MANIFEST, Upstream

IMAGE = ImageReference.parse("r.io/team/app:v1")


def test_each_call_goes_to_the_client_of_its_time() -> None:
    first, second = Upstream(), Upstream(answer=Absent("gone"))
    clients: list[Registry] = [first]
    registry = CurrentRegistry(lambda: clients[-1])
    assert registry.manifest(IMAGE, deadline_s=5) == Found(MANIFEST, "upstream")
    clients.append(second)
    assert registry.manifest(IMAGE, deadline_s=4) == Absent("gone")
    registry.config(IMAGE, MANIFEST, deadline_s=3)
    registry.tags(IMAGE, deadline_s=2)
    registry.signatures(IMAGE, "sha256:" + "0" * 64, deadline_s=1)
    assert [(what, deadline_s) for what, _, deadline_s in first.asked] == [("manifest", 5)]
    assert [(what, deadline_s) for what, _, deadline_s in second.asked] == [
        ("manifest", 4),
        ("config", 3),
        ("tags", 2),
        ("signatures", 1),
    ]


def test_without_a_client_nothing_is_known() -> None:
    def current() -> Registry:
        raise EvidenceError("ca.pem: cannot be read\n")

    answer = CurrentRegistry(current).manifest(IMAGE, deadline_s=5)
    assert isinstance(answer, RegistryUnknown)
    assert answer.error_kind is RegistryErrorKind.UNREACHABLE
    assert answer.retryable
    assert "cannot be read" in answer.why
    assert "\n" not in answer.why
