"""checkMirrors: every mirror that an import may be fetched from must be on the list too."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from imagegate.core.import_gate.behaviour import GateBehaviour
from imagegate.core.import_gate.checked_mirrors import CheckedMirrors
from imagegate.core.import_gate.gate import ImportGate, RecordingGate
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.import_gate.transport import Transport
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.mirrors import MirrorRule, MirrorUse

DIGEST = "@sha256:" + "0" * 64
BY_DIGEST = MirrorRule("quay.io/team", ("digests.corp/team",))
BY_TAG = MirrorRule("quay.io/team", ("tags.corp/team",), MirrorUse.TAG)


def gate(*domains: str | AllowedRegistry, rules: Sequence[MirrorRule] | None = (), insecure: str = "") -> ImportGate:
    entries = [AllowedRegistry(each) if isinstance(each, str) else each for each in domains]
    mirrors = CheckedMirrors(lambda: rules, frozenset({insecure}))
    return ImportGate(entries, behaviour=GateBehaviour(), mirrors=mirrors)


def error(of: ImportGate, text: str) -> str:
    return of.admit(ImageReference.parse(text), Transport.SECURE).error


def test_a_mirror_that_is_not_listed_is_refused_and_named() -> None:
    assert error(gate("quay.io", rules=(BY_DIGEST,)), "quay.io/team/app:v1") == (
        'registry "digests.corp" not allowed by whitelist: "quay.io:443" (a mirror of registry "quay.io")'
    )


def test_it_is_admitted_with_every_mirror_listed() -> None:
    both = (BY_DIGEST, BY_TAG)
    assert error(gate("quay.io", "digests.corp", "tags.corp", rules=both), "quay.io/team/app:v1") == ""
    assert '"tags.corp"' in error(gate("quay.io", "digests.corp", rules=both), "quay.io/team/app:v1")


def test_an_import_by_tag_is_fetched_by_digest_too_and_one_by_digest_never_by_tag() -> None:
    assert error(gate("quay.io", rules=(BY_DIGEST,)), "quay.io/team/app:v1") != ""
    assert error(gate("quay.io", rules=(BY_TAG,)), f"quay.io/team/app{DIGEST}") == ""


def test_other_repositories_and_registries_have_no_mirror() -> None:
    assert error(gate("quay.io", "docker.io", rules=(BY_DIGEST,)), "quay.io/other/app:v1") == ""
    assert error(gate("quay.io", "docker.io", rules=(BY_DIGEST,)), "nginx") == ""


def test_names_of_docker_hub_have_its_mirrors() -> None:
    hub = MirrorRule("docker.io", ("hub.corp",), MirrorUse.ANY)
    assert '"hub.corp" not allowed' in error(gate("docker.io", rules=(hub,)), "nginx")


def test_a_list_by_repository_is_compared_with_the_mirrors_own() -> None:
    listed = AllowedRegistry("digests.corp", repository="team/*")
    assert error(gate("quay.io", listed, rules=(BY_DIGEST,)), "quay.io/team/app:v1") == ""
    other = AllowedRegistry("digests.corp", repository="other/*")
    assert error(gate("quay.io", other, rules=(BY_DIGEST,)), "quay.io/team/app:v1") != ""


def test_a_mirror_without_tls_may_be_listed_as_insecure_only_if_it_may_be_used_so() -> None:
    listed = AllowedRegistry("digests.corp", insecure=True)
    assert error(gate("quay.io", listed, rules=(BY_DIGEST,)), "quay.io/team/app:v1") != ""
    assert error(gate("quay.io", listed, rules=(BY_DIGEST,), insecure="digests.corp"), "quay.io/team/app:v1") == ""


def test_mirrors_that_are_not_known_yet_refuse() -> None:
    assert error(gate("quay.io", rules=None), "quay.io/team/app:v1") == (
        'registry "quay.io": its mirrors are not known yet, and must be allowed too; try again'
    )


@pytest.mark.parametrize("text", ["quay.io/team/app:v1", "nginx"])
def test_without_a_list_everything_is_allowed(text: str) -> None:
    allows_all = ImportGate(None, mirrors=CheckedMirrors(lambda: (BY_DIGEST,)))
    assert error(allows_all, text) == ""


def test_a_recording_gate_checks_mirrors_too() -> None:
    assert error(RecordingGate(gate("quay.io", rules=(BY_DIGEST,))), "quay.io/team/app:v1") != ""
