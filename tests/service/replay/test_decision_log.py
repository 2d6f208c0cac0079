"""Records are made by the log itself, so that a new form of it is noticed here."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.decision import Decision, Denial, DenialCode
from imagegate.core.admission.request import GroupKind
from imagegate.core.kube.status import Status
from imagegate.errors import InvalidInput
from imagegate.service.replay.decision_log import read_record
from imagegate.service.replay.recorded import NoChange, NotReplayable, Recorded, Word
from tests.service.plugins import allowing
from tests.service.review.test_decision_log import record_of


class Denying:
    """Denies the images of a request with one code."""

    name = "image-policy"

    def __init__(self, *images: str, code: DenialCode = DenialCode.REJECTED_BY_RULE) -> None:
        denials = tuple(
            Denial(code=code, image=image, at=f"spec.containers[{number}].image", rule="no-hub", because="no")
            for number, image in enumerate(images)
        )
        status = Status(code=403, reason="Forbidden", message="no")
        self._decision = Decision(plugin=self.name, denials=denials, status=status, rules=("no-hub",))

    def covers(self, _request: Any) -> bool:
        return True

    def questions(self, _request: Any, _answers: Any) -> tuple[()]:
        return ()

    def decide(self, *_: Any, **__: Any) -> Decision:
        return self._decision


def record(*images: str, code: DenialCode = DenialCode.REJECTED_BY_RULE, **more: Any) -> dict[str, Any]:
    return record_of(Denying(*images, code=code)) | more


def test_a_denial_is_replayed_with_an_object_of_its_images() -> None:
    found = read_record(record("docker.io/a:1", "docker.io/b:1"))
    assert isinstance(found, Recorded)
    assert found.request.kind == GroupKind("", "Pod")
    assert found.request.object is not None
    images = [each["image"] for each in found.request.object["spec"]["containers"]]
    assert images == ["docker.io/a:1", "docker.io/b:1"]
    assert found.then.word is Word.DENIED
    assert [(each.plugin, each.rule, each.code, each.image, each.because) for each in found.then.reasons] == [
        ("image-policy", "no-hub", "rejected-by-rule", image, "no") for image in images
    ]


def test_a_denial_without_places_still_names_images() -> None:
    older = record("docker.io/a:1")
    del older["decisions"][0]["denials"]
    found = read_record(older)
    assert isinstance(found, Recorded)
    assert [(each.rule, each.image) for each in found.then.reasons] == [("no-hub", "docker.io/a:1")]


def test_a_template_is_where_its_kind_has_it() -> None:
    found = read_record(record("docker.io/a:1", resource="cronjobs.batch"))
    assert isinstance(found, Recorded)
    assert found.request.object is not None
    spec = found.request.object["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == "docker.io/a:1"


def test_lack_of_evidence_is_not_known() -> None:
    found = read_record(record("docker.io/a:1", code=DenialCode.LOOK_UP_FAILED))
    assert isinstance(found, Recorded)
    assert found.then.word is Word.UNKNOWN


def test_an_allowed_request_cannot_be_replayed() -> None:
    found = read_record(record_of(allowing()))
    assert found == NotReplayable("decision log, allowed: the images of an allowed request are not in the log")


def test_a_warning_is_replayed_as_the_pod_that_it_is_about() -> None:
    told = {"plugin": "image-policy", "code": "no-rule-allows", "rule": "", "image": "quay.io/a:1", "because": "why"}
    found = read_record(record_of(allowing()) | {"podWarnings": [told, {**told, "image": "quay.io/b:1"}]})
    assert isinstance(found, Recorded)
    assert (str(found.request.kind), found.request.operation, found.then.word) == ("Pod", "CREATE", Word.DENIED)
    assert found.request.object is not None
    assert [each["image"] for each in found.request.object["spec"]["containers"]] == ["quay.io/a:1", "quay.io/b:1"]
    assert [(each.plugin, each.code) for each in found.then.reasons] == [("image-policy", "no-rule-allows")] * 2


def test_a_warning_that_something_could_not_be_judged_is_not_known() -> None:
    told = {"plugin": "cise", "code": "look-up-failed", "image": "quay.io/a:1"}
    found = read_record(record_of(allowing()) | {"podWarnings": [told]})
    assert isinstance(found, Recorded)
    assert found.then.word is Word.UNKNOWN


@pytest.mark.parametrize(
    "more, why",
    [
        ({"podWarnings": [{"code": "internal-error"}]}, "names no image"),
        ({"podWarnings": [{"image": "a"}], "podWarningsLeftOut": 3}, "does not hold all of them"),
        ({"podWarnings": [{"image": "a" * 512}]}, "does not hold all images"),
    ],
)
def test_warnings_that_do_not_tell_all(more: dict[str, Any], why: str) -> None:
    found = read_record(record_of(allowing()) | more)
    assert isinstance(found, NotReplayable)
    assert why in found.why


@pytest.mark.parametrize("wrong", ["some", [1], [{"image": 1}]])
def test_warnings_of_the_wrong_type(wrong: Any) -> None:
    with pytest.raises(InvalidInput):
        read_record(record_of(allowing()) | {"podWarnings": wrong})


@pytest.mark.parametrize(
    "found, why",
    [
        (record("docker.io/a:1", resource="imagestreams.image.openshift.io"), "cannot be made from images alone"),
        (record("docker.io/a:1", resource="builds.build.openshift.io"), "cannot be made from images alone"),
        (record("docker.io/a:1", subResource="ephemeralcontainers"), "cannot be made from images alone"),
        (record(""), "names no image"),
        (record(*(f"docker.io/a:{number}" for number in range(30))), "does not hold all images"),
        (record("docker.io/" + "a" * 600), "does not hold all images"),
    ],
)
def test_what_is_not_in_the_log_is_named(found: dict[str, Any], why: str) -> None:
    entry = read_record(found)
    assert isinstance(entry, NotReplayable)
    assert why in entry.why


def test_a_deletion_is_no_change() -> None:
    assert isinstance(read_record(record("docker.io/a:1", operation="DELETE")), NoChange)


@pytest.mark.parametrize(
    "more", [{"allowed": "no"}, {"decisions": {}}, {"decisions": [1]}, {"resource": 1}, {"user": []}]
)
def test_fields_of_wrong_types_are_broken_records(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        read_record(record("docker.io/a:1", **more))
