"""Errors in the words of Kubernetes."""

from __future__ import annotations

from imagegate.core.kube.field_errors import required
from imagegate.core.kube.status import (
    StatusError,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    not_found,
    server_timeout,
)


def test_texts() -> None:
    assert not_found("imagestreams", "app").message == 'imagestreams.image.openshift.io "app" not found'
    assert not_found("pods", "p", group="").message == 'pods "p" not found'
    assert already_exists("imagetags", "a:b").message == 'imagetags.image.openshift.io "a:b" already exists'
    assert conflict("x", "n", "why", group="g").message == 'Operation cannot be fulfilled on x.g "n": why'
    assert forbidden("pods", "p", "why", group="").message == 'pods "p" is forbidden: why'
    assert forbidden("", "", "why").message == ".image.openshift.io is forbidden: why"
    assert bad_request("why").message == "why"


def test_a_write_that_kept_conflicting() -> None:
    status = server_timeout("imagestreamtags", "create").to_json()
    assert (status["code"], status["reason"]) == (500, "ServerTimeout")
    assert status["message"] == (
        "The create operation against imagestreamtags.image.openshift.io could not be completed at this time, "
        "please try again."
    )
    assert status["details"]["retryAfterSeconds"] == 2


def test_invalid_lists_every_cause_and_prints_equal_texts_once() -> None:
    errors = [required("a"), required("b", "why"), required("a")]
    status = invalid("ImageStream", "app", errors)
    assert status.message == (
        'ImageStream.image.openshift.io "app" is invalid: [a: Required value, b: Required value: why]'
    )
    assert len(status.causes) == 3
    assert str(StatusError(status)) == status.message
