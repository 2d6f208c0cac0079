"""What the owner of a denied object is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from imagegate.core.admission.decision import Denial, DenialCode
from imagegate.core.admission.denied_object import DENIED, NOT_JUDGED, NOTE_MAX_BYTES, OwnerReference, denied_object
from tests.service.plugins import pod, request

OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d", "uid": "u-rs", "controller": True}
REFUSED = Denial(
    code=DenialCode.NO_RULE_ALLOWS,
    image="quay.io/evil/tool:1",
    at="spec.containers[0].image",
    rule="executionRules[0] only-ours",
    because="this image is prohibited by policy",
)


def asked(*references: Any, **more: Any) -> Any:
    document = pod()
    document["metadata"] = {"generateName": "web-6d-", "ownerReferences": list(references)}
    return replace(replace(request(), object=document), **more)


def test_the_note_names_object_owner_place_image_reason_and_rule() -> None:
    found = denied_object(asked(OWNER), [("image-policy", REFUSED)])
    assert found is not None
    assert (found.namespace, found.owner) == ("default", OwnerReference("apps/v1", "ReplicaSet", "web-6d", "u-rs"))
    assert found.reason == DENIED
    assert found.note == (
        "Pod of ReplicaSet web-6d was denied by image-policy: spec.containers[0].image: quay.io/evil/tool:1: "
        "this image is prohibited by policy (executionRules[0] only-ours)"
    )
    assert dict(found.annotations) == {
        "imagegate.dev/plugin": "image-policy",
        "imagegate.dev/code": "no-rule-allows",
        "imagegate.dev/image": "quay.io/evil/tool:1",
        "imagegate.dev/rule": "executionRules[0] only-ours",
    }


def test_image_and_rule_are_not_said_twice_and_further_denials_are_counted() -> None:
    because = "quay.io/evil/tool:1 is denied by executionRules[0] only-ours"
    found = denied_object(asked(OWNER), [("image-policy", replace(REFUSED, because=because)), ("cise", REFUSED)])
    assert found is not None
    assert found.note == (
        f"Pod of ReplicaSet web-6d was denied by image-policy: spec.containers[0].image: {because} (and 1 more)"
    )


@pytest.mark.parametrize("code", [DenialCode.LOOK_UP_FAILED, DenialCode.DEADLINE, DenialCode.INTERNAL_ERROR])
def test_a_failed_look_up_says_nothing_against_the_image(code: DenialCode) -> None:
    late = replace(REFUSED, code=code)
    found = denied_object(asked(OWNER), [("image-policy", late)])
    assert found is not None
    assert found.reason == NOT_JUDGED
    assert found.note.startswith("Pod of ReplicaSet web-6d could not be judged by image-policy: ")
    both = denied_object(asked(OWNER), [("image-policy", late), ("cise", REFUSED)])
    assert both is not None
    assert both.reason == DENIED


def test_texts_that_differ_in_a_time_are_repetitions_and_other_images_are_not() -> None:
    def key(**change: Any) -> Any:
        found = denied_object(asked(OWNER), [("image-policy", replace(REFUSED, **change))])
        assert found is not None
        return found.key

    assert key() == key(because="not asked since 16:44:10 UTC")
    assert key() != key(image="quay.io/evil/tool:2")
    assert key() != key(code=DenialCode.LOOK_UP_FAILED)


@pytest.mark.parametrize(
    "references",
    [
        [],
        [{**OWNER, "controller": False}],
        [{**OWNER, "uid": ""}],
        [{**OWNER, "name": "x" * 254}],
        [{**OWNER, "kind": 7}],
        [{key: value for key, value in OWNER.items() if key != "apiVersion"}],
        ["ReplicaSet"],
    ],
    ids=str,
)
def test_without_a_controller_that_could_exist_nobody_is_told(references: list[Any]) -> None:
    assert denied_object(asked(*references), [("image-policy", REFUSED)]) is None


def test_a_dry_run_and_an_object_in_no_namespace_are_not_told() -> None:
    assert denied_object(asked(OWNER, dry_run=True), [("image-policy", REFUSED)]) is None
    assert denied_object(asked(OWNER, namespace=""), [("image-policy", REFUSED)]) is None
    assert denied_object(asked(OWNER, object=None), [("image-policy", REFUSED)]) is None


@pytest.mark.parametrize("because", ["ü" * 5000, "a\n\tb " * 2000, "x" * 5000, "\ud800" * 3000])
def test_a_note_is_one_line_within_its_limit(because: str) -> None:
    denials = [("image-policy", replace(REFUSED, because=because))] * 3
    found = denied_object(asked(OWNER), denials)
    assert found is not None
    assert len(found.note.encode()) <= NOTE_MAX_BYTES
    assert found.note.endswith("… (and 2 more)")
    assert "\n" not in found.note
