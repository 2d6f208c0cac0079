"""The import gate as a webhook: what it looks at, what it asks, and what it answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from imagegate.core.admission.access_review import Access
from imagegate.core.admission.decision import Decision, DenialCode
from imagegate.core.admission.lookup import Found
from imagegate.core.admission.plugin import Answers, KnownAnswers
from imagegate.core.admission.request import AdmissionRequest, Phase, User
from imagegate.core.admission.trace import Trace
from imagegate.core.image_streams.questions import Image, Stream
from imagegate.core.import_gate.behaviour import DOCUMENTED, OPENSHIFT_4, GateBehaviour, Grandfather
from imagegate.core.import_gate.gate import RecordingGate
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.import_gate.write_parts import Refusal
from imagegate.core.import_gate.writes import read_write
from tests.support.import_gate_setup import (
    MANUAL_LISTED,
    NOW,
    ImportSetup,
    docker_tag,
    history,
    printed,
    request_of,
    review_of,
    stream,
    stream_import,
    stream_tag,
)

ADMIN = """
kind: AccessRules
rules:
- {users: [admin], verbs: ["*"], apiGroups: ["*"], resources: ["*"]}
"""
REFUSED = f'Forbidden: registry "quay.io" not allowed by whitelist: {MANUAL_LISTED}'
DIGEST = f"sha256:{'d' * 64}"


def image_tag(name: str, source: str | None, **fields: Any) -> dict[str, Any]:
    spec = None if source is None else docker_tag("", source)
    return {"kind": "ImageTag", "metadata": {"name": name, "namespace": "test"}, "spec": spec, **fields}


def versioned(document: dict[str, Any], version: str = "7") -> dict[str, Any]:
    return {**document, "metadata": {**document["metadata"], "resourceVersion": version}}


def codes(decision: Decision) -> list[DenialCode]:
    return [denial.code for denial in decision.denials]


# what is looked at


@pytest.mark.parametrize(
    "resource,sub_resource,covered",
    [
        ("imagestreams", "", True),
        ("imagestreams", "status", True),
        ("imagestreams", "layers", False),
        ("imagestreamtags", "", True),
        ("imagetags", "", True),
        ("imagestreamimports", "", True),
        ("imagestreammappings", "", True),
        ("images", "", False),
        ("imagesignatures", "", False),
    ],
)
def test_the_six_resources(resource: str, sub_resource: str, covered: bool) -> None:
    request = request_of(resource, {"metadata": {}}, sub_resource=sub_resource)
    assert ImportSetup().plugin.covers(request) is covered


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_other_operations_are_not_looked_at(operation: str) -> None:
    request = request_of("imagestreams", None, {"metadata": {}}, operation=operation)
    assert not ImportSetup().plugin.covers(request)


def test_other_groups_passes_and_clusters_without_a_list_are_not_looked_at() -> None:
    review = review_of("imagestreams", {"metadata": {}})
    assert not ImportSetup().plugin.covers(AdmissionRequest.parse(review, Phase.MUTATE))
    assert not ImportSetup(None).plugin.covers(AdmissionRequest.parse(review, Phase.VALIDATE))
    review["request"]["resource"]["group"] = "example.com"
    assert not ImportSetup().plugin.covers(AdmissionRequest.parse(review, Phase.VALIDATE))


def test_its_name() -> None:
    assert ImportSetup().plugin.name == "import-gate"


# image streams


def test_the_status_of_a_denial() -> None:
    decision = ImportSetup().decide(request_of("imagestreams", stream("app", docker_tag("a", "quay.io/x"))))
    assert decision.status is not None
    assert decision.status.to_json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f'ImageStream.image.openshift.io "app" is invalid: spec.tags[a].from.name: {REFUSED}',
        "reason": "Invalid",
        "details": {
            "name": "app",
            "group": "image.openshift.io",
            "kind": "ImageStream",
            "causes": [{"reason": "FieldValueForbidden", "message": REFUSED, "field": "spec.tags[a].from.name"}],
        },
        "code": 422,
    }
    (denial,) = decision.denials
    assert (denial.code, denial.image, denial.at) == (
        DenialCode.IMPORT_NOT_ALLOWED,
        "quay.io/x",
        "spec.tags[a].from.name",
    )
    assert denial.because == REFUSED.removeprefix("Forbidden: ")
    assert decision.rules == ("allowedRegistriesForImport",)


def test_an_allowed_stream_names_the_rules_that_admitted_it() -> None:
    tags = [docker_tag("a", "registry.access.redhat.com/x"), docker_tag("b", "r.mydomain.com/x", insecure=True)]
    decision = ImportSetup().decide(request_of("imagestreams", stream("app", *tags)))
    assert decision.allowed
    assert decision.rules == (
        "allowedRegistriesForImport[0] registry.access.redhat.com:443",
        "allowedRegistriesForImport[1] *.mydomain.com:80",
    )


def test_errors_come_by_place_and_tag_and_are_all_reported() -> None:
    document = stream("App", docker_tag("b", "quay.io/x"), docker_tag("a", "Bad Name"))
    document["spec"]["dockerImageRepository"] = "quay.io/x:tag"
    decision = ImportSetup().decide(request_of("imagestreams", document))
    assert [denial.at for denial in decision.denials] == [
        "metadata.name",
        "spec.dockerImageRepository",
        "spec.tags[a].from.name",
        "spec.tags[b].from.name",
    ]
    assert codes(decision) == [DenialCode.INVALID_OBJECT] * 3 + [DenialCode.IMPORT_NOT_ALLOWED]


def test_a_stream_without_namespace_or_with_a_generated_name_is_what_the_server_makes_of_it() -> None:
    document = stream("app")
    document["metadata"] = {"generateName": "app"}
    assert ImportSetup().decide(request_of("imagestreams", document)).allowed
    document["metadata"] = {}
    assert printed(ImportSetup().decide(request_of("imagestreams", document))) == [
        'The ImageStream "" is invalid: metadata.name: Required value: name or generateName is required'
    ]


def test_the_insecure_annotation_counts_for_every_tag() -> None:
    document = stream("app", docker_tag("a", "r.mydomain.com/x"))
    assert not ImportSetup().decide(request_of("imagestreams", document)).allowed
    document["metadata"]["annotations"] = {"openshift.io/image.insecureRepository": "true"}
    assert ImportSetup().decide(request_of("imagestreams", document)).allowed


def test_what_the_server_derived_itself_is_looked_at() -> None:
    old = versioned(stream("app", docker_tag("a", "registry.access.redhat.com/x")))
    sent = {**old, "status": {"tags": [history("a", "quay.io/x")]}}
    decision = ImportSetup().decide(request_of("imagestreams", sent, old))
    assert [denial.at for denial in decision.denials] == ["status.tags[a].items[0].dockerImageReference"]


def test_an_unchanged_stream_outside_the_list_may_be_updated() -> None:
    old = versioned(stream("app", docker_tag("a", "quay.io/x"), status={"tags": [history("a", "quay.io/x")]}))
    assert ImportSetup().decide(request_of("imagestreams", old, old)).allowed


def test_a_bad_reference_may_be_taken_away() -> None:
    old = versioned(stream("app", docker_tag("a", "Bad Name")))
    assert ImportSetup().decide(request_of("imagestreams", versioned(stream("app")), old)).allowed
    assert not ImportSetup().decide(request_of("imagestreams", old, old)).allowed


@pytest.mark.parametrize(
    "grandfather,same,repository",
    [(Grandfather.REPOSITORY, True, True), (Grandfather.EXACT, True, False), (Grandfather.NONE, False, False)],
)
def test_what_stays_allowed_is_a_setting(grandfather: Grandfather, same: bool, repository: bool) -> None:
    world = ImportSetup(behaviour=replace(DOCUMENTED, grandfather=grandfather))
    old = versioned(stream("app", docker_tag("a", "quay.io/x:1")))
    assert world.decide(request_of("imagestreams", old, old)).allowed is same
    other = versioned(stream("app", docker_tag("a", "quay.io/x:2")))
    assert world.decide(request_of("imagestreams", other, old)).allowed is repository


def test_a_foreign_stream_that_cannot_be_read_denies_for_lack_of_evidence() -> None:
    source = {"name": "a", "from": {"kind": "ImageStreamTag", "name": "src:1", "namespace": "other"}}
    world = ImportSetup(access=ADMIN, failing=frozenset({Stream}))
    decision = world.decide(request_of("imagestreams", stream("app", source), user="admin"))
    assert decision.only_lacks_evidence
    assert decision.denials[0].at == "[]"
    assert decision.status is not None
    assert decision.status.causes[0].reason == "InternalError"


# status


def test_a_status_update_is_compared_literally_and_keeps_the_old_spec() -> None:
    old = versioned(stream("app", docker_tag("a", "r.mydomain.com/x", insecure=True)))
    new = versioned(stream("app", status={"tags": [history("a", "r.mydomain.com/x@" + DIGEST)]}))
    assert ImportSetup().decide(request_of("imagestreams", new, old, sub_resource="status")).allowed
    new["status"] = {"tags": [history("a", "quay.io/x")]}
    decision = ImportSetup().decide(request_of("imagestreams", new, old, sub_resource="status"))
    assert [denial.at for denial in decision.denials] == ["status.tags[a].items[0].dockerImageReference"]
    held = {**old, "status": new["status"]}
    assert ImportSetup().decide(request_of("imagestreams", new, held, sub_resource="status")).allowed


# image stream tags and image tags


def test_a_tag_whose_stream_is_refused_names_the_stream() -> None:
    held = versioned(stream("app", docker_tag("b", "Bad Name")))
    world = ImportSetup(stored=[held])
    request = request_of("imagestreamtags", stream_tag("app:a", "registry.access.redhat.com/x"))
    assert printed(world.decide(request)) == [
        'The ImageStream "app" is invalid: spec.tags[b].from.name: Invalid value: "Bad Name": invalid reference format'
    ]
    assert world.asked == [Stream("test", "app")]


def test_a_tag_copied_from_a_stream_whose_origin_is_not_listed() -> None:
    source = stream("src", namespace="other", status={"tags": [history("1", "quay.io/a/b@" + DIGEST)]})
    sent = stream_tag("app:a", "")
    sent["tag"]["from"] = {"kind": "ImageStreamTag", "namespace": "other", "name": "src:1"}
    request = request_of("imagestreamtags", sent, user="admin")
    assert printed(ImportSetup(stored=[source], access=ADMIN).decide(request)) == [
        f'The ImageStream "app" is invalid: status.tags[a].items[0].dockerImageReference: {REFUSED}'
    ]
    refused = ImportSetup(stored=[source]).decide(request)
    assert [denial.at for denial in refused.denials] == ["[]"]
    original = ImportSetup(stored=[source], behaviour=OPENSHIFT_4).decide(request)
    assert [denial.at for denial in original.denials] == ["[]", "status.tags[a].items[0].dockerImageReference"]
    allowed = ImportSetup((AllowedRegistry("quay.io"),), stored=[source], access=ADMIN)
    assert allowed.decide(request).allowed


@pytest.mark.parametrize("kind", ["ImageStreamTag", "ImageStreamImage"])
def test_who_may_not_look_is_not_told_whether_there_is_anything(kind: str) -> None:
    """Second red-team pass, no. 16: "Not found" beside the refusal told which streams another project has."""
    listed, unlisted = (
        stream(name, namespace="secret", status={"tags": [history("1", f"{host}/a/b@{DIGEST}")]})
        for name, host in (("listed", "registry.access.redhat.com"), ("unlisted", "quay.io"))
    )
    texts: dict[GateBehaviour, set[str]] = {}
    for behaviour in (DOCUMENTED, OPENSHIFT_4):
        world = ImportSetup(stored=[listed, unlisted], behaviour=behaviour)
        for name, tag in (("listed", "1"), ("listed", "2"), ("unlisted", "1"), ("none", "1")):
            separator = ":" if kind == "ImageStreamTag" else "@"
            source = {"kind": kind, "namespace": "secret", "name": f"{name}{separator}{tag}"}
            asked = request_of("imagestreams", stream("app", {"name": "t", "from": source}))
            text = "\n".join(printed(world.decide(asked)))
            assert "spec.tags[t].from: Forbidden" in text
            texts.setdefault(behaviour, set()).add(text.replace(f"secret/{name}:", "secret/NAME:"))
    assert len(texts[DOCUMENTED]) == 1
    assert len(texts[OPENSHIFT_4]) > 1


def test_an_old_registry_without_a_repository_keeps_no_other_allowed() -> None:
    """Second red-team pass, no. 16: ``old.corp`` in the old object let ``evil.com:5000`` in."""
    old = versioned(stream("app", docker_tag("a", "old.corp")))
    for new, allowed in (("evil.com:5000", False), ("old.corp", True)):
        changed = versioned(stream("app", docker_tag("a", "old.corp"), docker_tag("b", new)))
        assert ImportSetup(behaviour=OPENSHIFT_4).decide(request_of("imagestreams", changed, old)).allowed
        decision = ImportSetup().decide(request_of("imagestreams", changed, old))
        assert decision.allowed is allowed, (new, printed(decision))


def test_updating_a_tag_keeps_its_own_repository_allowed() -> None:
    old = versioned(stream_tag("app:a", "quay.io/a/b:1"))
    held = versioned(stream("app", docker_tag("a", "quay.io/a/b:1")))
    world = ImportSetup(stored=[held])
    same = versioned(stream_tag("app:a", "quay.io/a/b:2"))
    assert world.decide(request_of("imagestreamtags", same, old)).allowed
    other = versioned(stream_tag("app:a", "quay.io/a/c"))
    assert printed(world.decide(request_of("imagestreamtags", other, old))) == [
        f'The ImageStreamTag "app:a" is invalid: tag.from.name: {REFUSED}'
    ]


def test_a_tag_that_exists_is_left_to_the_server() -> None:
    held = stream("app", docker_tag("a", "Bad Name"))
    request = request_of("imagestreamtags", stream_tag("app:a", "registry.access.redhat.com/x"))
    assert ImportSetup(stored=[held]).decide(request).allowed


@pytest.mark.parametrize("name", ["app", "app:a"])
def test_a_tag_without_a_source_of_its_own_brings_nothing(name: str) -> None:
    world = ImportSetup(failing=frozenset({Stream}))
    document = {"metadata": {"name": name, "namespace": "test"}, "tag": None}
    assert world.decide(request_of("imagestreamtags", document)).allowed
    assert world.asked == []


def test_a_tag_without_a_colon_in_its_name_is_still_gated() -> None:
    decision = ImportSetup().decide(request_of("imagestreamtags", stream_tag("app", "quay.io/x")))
    assert [denial.at for denial in decision.denials] == ["tag.from.name"]
    assert (
        ImportSetup().decide(request_of("imagestreamtags", stream_tag("app", "registry.access.redhat.com/x"))).allowed
    )


@pytest.mark.parametrize("resource", ["imagestreamtags", "imagetags"])
def test_a_stream_that_cannot_be_read_is_a_500_that_may_be_tried_again(resource: str) -> None:
    document = stream_tag("app:a", "registry.access.redhat.com/x")
    if resource == "imagetags":
        document = image_tag("app:a", "registry.access.redhat.com/x")
    world = ImportSetup(failing=frozenset({Stream}))
    decision = world.decide(request_of(resource, document))
    assert decision.only_lacks_evidence
    assert decision.status is not None
    assert (decision.status.code, decision.status.retry_after_s) == (500, 1)
    assert decision.status.message == (
        "Internal error occurred: image stream test/app could not be read: connection refused"
    )


@pytest.mark.parametrize(
    "answers,why",
    [
        ({}, "it was not looked up in time"),
        ({Stream("test", "app"): Found({"spec": 5})}, "spec: expected an object, got 5"),
    ],
)
def test_a_stream_that_was_not_asked_for_or_has_the_wrong_shape_denies(answers: Answers, why: str) -> None:
    request = request_of("imagestreamtags", stream_tag("app:a", "registry.access.redhat.com/x"))
    decision = ImportSetup().plugin.decide(request, answers, now=NOW)
    assert codes(decision) == [DenialCode.LOOK_UP_FAILED]
    assert decision.denials[0].because == f"image stream test/app could not be read: {why}"


def test_image_tags() -> None:
    world = ImportSetup()
    assert world.decide(request_of("imagetags", image_tag("app:a", "registry.access.redhat.com/x"))).allowed
    assert printed(world.decide(request_of("imagetags", image_tag("app:a", "quay.io/x")))) == [
        f'The ImageTag "app:a" is invalid: spec.from.name: {REFUSED}'
    ]
    assert printed(world.decide(request_of("imagetags", image_tag("app:a", None)))) == [
        'The ImageTag "app:a" is invalid: spec: Required value: spec is a required field during creation'
    ]


def test_updates_of_image_tags() -> None:
    old = versioned(image_tag("app:a", "quay.io/a/b:1"))
    old["spec"]["name"] = "a"
    world = ImportSetup(stored=[versioned(stream("app", docker_tag("a", "quay.io/a/b:1")))])
    new = {**old, "spec": docker_tag("a", "quay.io/a/b:2")}
    assert world.decide(request_of("imagetags", new, old)).allowed
    assert world.decide(request_of("imagetags", {**old, "spec": None}, old)).allowed
    wrong = {**old, "spec": docker_tag("b", "quay.io/a/b:2"), "status": {"tag": "a"}}
    assert [denial.at for denial in world.decide(request_of("imagetags", wrong, old)).denials] == [
        "spec.name",
        "status",
    ]


# imports


def test_reviews_are_asked_only_where_they_matter() -> None:
    world = ImportSetup()
    assert world.decide(request_of("imagestreamimports", stream_import("app", "registry.access.redhat.com/x"))).allowed
    assert world.asked == [Stream("test", "app")]
    world = ImportSetup()
    request = request_of("imagestreamimports", stream_import("app", "quay.io/x", imports=False))
    assert not world.decide(request).allowed
    user = User("alice", "", ("system:authenticated",))
    assert world.asked == [
        Access(user, "create", "image.openshift.io", "images"),
        Access(user, "create", "image.openshift.io", "imagestreammapping"),
    ]


@pytest.mark.parametrize("resource", ["images", "imagestreammapping"])
def test_either_right_skips_the_gate_of_imports(resource: str) -> None:
    rules = (
        "kind: AccessRules\nrules:\n- {users: [alice], verbs: [create], apiGroups: [image.openshift.io], "
        f"resources: [{resource}]}}"
    )
    request = request_of("imagestreamimports", stream_import("app", "quay.io/x", imports=False))
    assert ImportSetup(access=rules).decide(request).allowed


def test_mappings_of_the_namespace_count_if_the_setting_says_so() -> None:
    rules = (
        "kind: AccessRules\nrules:\n- {users: [alice], verbs: [create], apiGroups: [image.openshift.io], "
        "resources: [imagestreammappings], namespaces: [test]}"
    )
    request = request_of("imagestreamimports", stream_import("app", "quay.io/x", imports=False))
    assert not ImportSetup(access=rules).decide(request).allowed
    assert ImportSetup(access=rules, behaviour=replace(DOCUMENTED, reviews_mappings=True)).decide(request).allowed


def test_privilege_that_is_not_known_is_none_and_lacks_evidence() -> None:
    request = request_of("imagestreamimports", stream_import("app", "quay.io/x", imports=False))
    decision = ImportSetup(failing=frozenset({Access})).decide(request)
    assert decision.only_lacks_evidence
    assert not ImportSetup().decide(request).only_lacks_evidence


def test_a_privileged_import_of_what_the_stream_holds() -> None:
    held = versioned(stream("app", docker_tag("a", "quay.io/a/b:1")))
    request = request_of("imagestreamimports", stream_import("app", "quay.io/a/b:2", to="b"), user="admin")
    assert ImportSetup(stored=[held], access=ADMIN).decide(request).allowed
    other = request_of("imagestreamimports", stream_import("app", "quay.io/a/c", to="b"), user="admin")
    assert [denial.at for denial in ImportSetup(stored=[held], access=ADMIN).decide(other).denials] == [
        "spec.tags[b].from.name",
        "status.tags[b].items[0].dockerImageReference",
    ]


def test_full_bypass_is_a_setting() -> None:
    request = request_of("imagestreamimports", stream_import("app", "quay.io/x"), user="admin")
    assert not ImportSetup(access=ADMIN).decide(request).allowed
    assert ImportSetup(access=ADMIN, behaviour=replace(DOCUMENTED, bypass_is_full=True)).decide(request).allowed


def test_insecure_imports_may_fall_back_to_secure_rules() -> None:
    request = request_of("imagestreamimports", stream_import("x", "registry.access.redhat.com/x", insecure=True))
    assert not ImportSetup().decide(request).allowed
    falls_back = replace(DOCUMENTED, insecure_import_falls_back=True)
    assert ImportSetup(behaviour=falls_back).decide(request).allowed
    other = request_of("imagestreamimports", stream_import("x", "quay.io/x", insecure=True))
    assert '"quay.io:80"' in printed(ImportSetup(behaviour=falls_back).decide(other))[0]


def test_an_import_that_passes_itself_may_fail_as_a_stream() -> None:
    """``8*`` matches port 80, which an import asks for, and is not literally 80, which a tag without a port wants."""
    request = request_of("imagestreamimports", stream_import("x", "foo.com/x", insecure=True))
    decision = ImportSetup((AllowedRegistry("foo.com:8*"),)).decide(request)
    assert [denial.at for denial in decision.denials] == [
        "spec.tags[latest].from.name",
        "status.tags[latest].items[0].dockerImageReference",
    ]


def test_a_repository_import_is_one_of_all_tags() -> None:
    document = stream_import("app", "x")
    document["spec"] = {"import": True, "repository": {"from": {"kind": "DockerImage", "name": "quay.io/a/b"}}}
    assert [denial.at for denial in ImportSetup().decide(request_of("imagestreamimports", document)).denials] == [
        "spec.repository.from.name"
    ]
    admin = ImportSetup(access=ADMIN).decide(request_of("imagestreamimports", document, user="admin"))
    assert [denial.at for denial in admin.denials] == [
        "spec.tags[*].from.name",
        "status.tags[*].items[0].dockerImageReference",
    ]


def test_an_image_without_a_target_is_fetched_and_not_stored() -> None:
    document = stream_import("app", "quay.io/a/b")
    del document["spec"]["images"][0]["to"]
    assert ImportSetup(access=ADMIN).decide(request_of("imagestreamimports", document, user="admin")).allowed


def test_an_imported_tag_gives_its_event_to_tags_that_follow_it() -> None:
    held = versioned(stream("app", {"name": "b", "from": {"kind": "ImageStreamTag", "name": "latest"}}))
    request = request_of("imagestreamimports", stream_import("app", "quay.io/x"), user="admin")
    assert "status.tags[b].items[0].dockerImageReference" in {
        denial.at for denial in ImportSetup(stored=[held], access=ADMIN).decide(request).denials
    }


def test_an_invalid_import_is_not_asked_about_registries() -> None:
    decision = ImportSetup().decide(request_of("imagestreamimports", stream_import("app", "Bad Name")))
    (line,) = printed(decision)
    assert line == (
        'The ImageStreamImport "app" is invalid: '
        'spec.images[0].from.name: Invalid value: "Bad Name": invalid reference format'
    )


@pytest.mark.parametrize(
    "behaviour,text",
    [
        (DOCUMENTED, 'Invalid value: "*": invalid reference format'),
        (OPENSHIFT_4, 'Forbidden: importing images from registry "docker.io:443" is forbidden: '),
    ],
)
def test_a_star_as_the_source_of_an_import(behaviour: GateBehaviour, text: str) -> None:
    request = request_of("imagestreamimports", stream_import("app", "*"))
    assert text in printed(ImportSetup(behaviour=behaviour).decide(request))[0]


@pytest.mark.parametrize("behaviour,places", [(DOCUMENTED, 1), (OPENSHIFT_4, 2)])
def test_a_missing_name_is_one_error_or_two(behaviour: GateBehaviour, places: int) -> None:
    world = ImportSetup(behaviour=behaviour)
    decision = world.decide(request_of("imagestreamtags", stream_tag("app:a", "")))
    assert [denial.at for denial in decision.denials] == ["tag.from.name"] * places


def test_a_stream_that_cannot_be_read_denies_an_import() -> None:
    request = request_of("imagestreamimports", stream_import("app", "registry.access.redhat.com/x"))
    assert ImportSetup(failing=frozenset({Stream})).decide(request).only_lacks_evidence
    dry_run = request_of("imagestreamimports", stream_import("app", "registry.access.redhat.com/x", imports=False))
    assert ImportSetup(failing=frozenset({Stream})).decide(dry_run).allowed


# mappings


def mapping(reference: str, *, managed: bool = False) -> dict[str, Any]:
    annotations = {"openshift.io/image.managed": "true"} if managed else {}
    image = {"metadata": {"name": DIGEST, "annotations": annotations}, "dockerImageReference": reference}
    return {"kind": "ImageStreamMapping", "metadata": {"name": "app"}, "tag": "v1", "image": image}


def test_a_mapping_is_gated_as_a_status_update() -> None:
    world = ImportSetup(stored=[stream("app")])
    assert printed(world.decide(request_of("imagestreammappings", mapping("quay.io/x@" + DIGEST)))) == [
        f'The ImageStream "app" is invalid: status.tags[v1].items[0].dockerImageReference: {REFUSED}'
    ]
    listed = mapping("registry.access.redhat.com/x@" + DIGEST)
    assert world.decide(request_of("imagestreammappings", listed)).allowed


def test_a_mapping_without_a_reference_is_in_the_integrated_registry() -> None:
    assert (
        ImportSetup(integrated="r:5000", stored=[stream("app")])
        .decide(request_of("imagestreammappings", mapping("")))
        .allowed
    )
    decision = ImportSetup(stored=[stream("app")]).decide(request_of("imagestreammappings", mapping("")))
    assert [denial.at for denial in decision.denials] == ["image.dockerImageReference"]


def test_a_managed_image_that_is_there_is_made_local() -> None:
    stored = [{"kind": "Image", "metadata": {"name": DIGEST}}]
    document = mapping("quay.io/x@" + DIGEST, managed=True)
    request = request_of("imagestreammappings", document)
    world = ImportSetup(integrated="r:5000", stored=[stream("app"), *stored])
    assert world.decide(request).allowed
    assert Image(DIGEST) in world.asked
    assert not ImportSetup(integrated="r:5000", stored=[stream("app")]).decide(request).allowed
    listed = stream("app")
    listed["spec"]["dockerImageRepository"] = "registry.access.redhat.com/x"
    assert ImportSetup(stored=[listed, *stored]).decide(request).allowed
    assert not ImportSetup(stored=[stream("app"), *stored]).decide(request).allowed


def test_a_mapping_to_no_stream_is_left_to_the_server() -> None:
    assert ImportSetup().decide(request_of("imagestreammappings", mapping("quay.io/x@" + DIGEST))).allowed
    decision = ImportSetup(failing=frozenset({Stream})).decide(
        request_of("imagestreammappings", mapping("quay.io/x@" + DIGEST))
    )
    assert decision.only_lacks_evidence


# what cannot be read, and how much is done


@pytest.mark.parametrize(
    "document,old,text",
    [
        (None, None, "request.object: required"),
        ({"spec": {"tags": 5}}, None, "spec.tags: expected a list, got 5"),
    ],
)
def test_an_unreadable_request_is_refused(document: Any, old: Any, text: str) -> None:
    decision = ImportSetup().decide(request_of("imagestreams", document, old))
    assert codes(decision) == [DenialCode.INVALID_OBJECT]
    assert decision.status is not None
    assert (decision.status.code, decision.status.message) == (400, text)


@pytest.mark.parametrize("resource", ["imagestreamimports", "imagestreammappings"])
def test_an_unreadable_document_of_every_kind_is_refused(resource: str) -> None:
    decision = ImportSetup().decide(request_of(resource, {"metadata": {"name": 5}}))
    assert codes(decision) == [DenialCode.INVALID_OBJECT]


def test_an_update_without_the_old_object_is_refused() -> None:
    decision = ImportSetup().decide(request_of("imagestreams", stream("app"), operation="UPDATE"))
    assert [denial.because for denial in decision.denials] == ["request.oldObject: required for an update"]


def test_a_trace_tells_what_was_asked_of_the_list() -> None:
    old = versioned(stream("app", docker_tag("a", "quay.io/a/b:1")))
    tags = [
        docker_tag("a", "quay.io/a/b:2"),
        docker_tag("b", "registry.access.redhat.com/x"),
        docker_tag("c", "gcr.io/x"),
    ]
    trace = Trace()
    ImportSetup().decide(request_of("imagestreams", versioned(stream("app", *tags)), old), trace)
    assert [(at, step.what, step.subject, step.outcome) for at, step in trace.steps] == [
        ("spec.tags[a].from.name", "import-rule", "quay.io/a/b:2", "inherited"),
        ("spec.tags[b].from.name", "import-rule", "registry.access.redhat.com/x", "matched"),
        ("spec.tags[c].from.name", "import-rule", "gcr.io/x", "not-matched"),
    ]
    assert trace.steps[1][1].because == "admitted by allowedRegistriesForImport[0] registry.access.redhat.com:443"


def test_what_was_read_is_not_read_again_and_not_kept() -> None:
    world = ImportSetup()
    request = request_of("imagestreams", stream("app", docker_tag("a", "registry.access.redhat.com/x")))
    world.plugin.questions(request, KnownAnswers())
    kept = world.plugin._known_write(request)
    assert kept is not None
    assert world.plugin._known_write(request_of("imagestreams", stream("app"))) is None
    assert world.decide(request).allowed
    assert world.plugin._known_write(request) is None


class Counted:
    """A list of ten thousand tags, all different, one of them outside the list."""

    count = 10_000

    def __init__(self) -> None:
        sources = (f"registry.access.redhat.com/a/b{number}:{number}" for number in range(1, self.count))
        tags = [docker_tag(f"t{number}", source, reference=True) for number, source in enumerate(sources, 1)]
        self.document = stream("app", docker_tag("t0", "quay.io/x"), *tags)


def test_ten_thousand_tags_ask_the_list_once_a_registry() -> None:
    world = ImportSetup()
    gate = RecordingGate(world.gate)
    request = request_of("imagestreams", Counted().document)
    verdict = read_write(request).verdict(gate, KnownAnswers())
    assert isinstance(verdict, Refusal)
    assert [finding.error.field for finding in verdict.findings] == ["spec.tags[t0].from.name"]
    assert len(gate.asked) == 2 * Counted.count - 1  # every spec tag, and the event of every reference tag
    assert len(gate._answers) == 2


class CountingReads(dict[str, Any]):
    """An object that counts how often its status is looked at."""

    reads = 0

    def get(self, key: str, default: Any = None) -> Any:
        self.reads += key == "status"
        return super().get(key, default)


def test_ten_thousand_tags_from_one_stream_read_it_once() -> None:
    items = [{"dockerImageReference": f"quay.io/x/{n}", "image": f"sha256:{n:064x}"} for n in range(Counted.count)]
    source = CountingReads(stream("src", status={"tags": [{"tag": "v1", "items": items}]}))
    sources = (f"src@sha256:{number:064x}" for number in range(Counted.count))
    tags = [{"name": f"t{n}", "from": {"kind": "ImageStreamImage", "name": name}} for n, name in enumerate(sources)]
    request = request_of("imagestreams", stream("app", *tags))
    plugin = ImportSetup((AllowedRegistry("quay.io"),)).plugin
    assert set(plugin.questions(request, KnownAnswers())) == {Stream("test", "src")}
    decision = plugin.decide(request, KnownAnswers({Stream("test", "src"): Found(source)}), now=NOW)
    assert decision.allowed
    assert source.reads == 1


def test_a_star_that_is_stored_is_no_reference() -> None:
    """Profile openshift-4 lets ``*`` through the import; with a target it still is no source of a tag."""
    world = ImportSetup((AllowedRegistry("docker.io"),), behaviour=OPENSHIFT_4)
    decision = world.decide(request_of("imagestreamimports", stream_import("app", "*")))
    assert [denial.because for denial in decision.denials] == ['Invalid value: "*": invalid reference format'] * 2


def test_a_mapping_by_repository_is_checked_as_one() -> None:
    document = {**mapping("registry.access.redhat.com/x"), "dockerImageRepository": "Bad Name"}
    decision = ImportSetup(stored=[stream("app")]).decide(request_of("imagestreammappings", document))
    assert [denial.at for denial in decision.denials] == ["dockerImageRepository"]


@pytest.mark.parametrize("source,allowed", [("busybox", True), ("docker.io/busybox", True), ("evil/busybox", False)])
def test_imports_and_tags_agree_on_rules_for_some_repositories(source: str, allowed: bool) -> None:
    world = ImportSetup((AllowedRegistry("docker.io", repository="library/*"),))
    assert world.decide(request_of("imagestreamimports", stream_import("app", source))).allowed is allowed
    assert world.decide(request_of("imagestreamtags", stream_tag("app:a", source))).allowed is allowed
