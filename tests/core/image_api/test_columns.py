"""Columns of ``kubectl get``: docs/spec/import-gate.md 7; the original's printer and its durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from imagegate.core.image_api.columns import cells, columns, human_duration, tags_up_to_width
from tests.support.image_objects import DIGEST_1, event, image, spec_tag, stream

NOW = datetime(2018, 6, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.4, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (180, "3 minutes"),
        (3600, "About an hour"),
        (3 * 3600, "3 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (13 * 86400, "13 days"),
        (14 * 86400, "2 weeks"),
        (59 * 86400, "8 weeks"),
        (60 * 86400, "2 months"),
        (729 * 86400, "24 months"),
        (730 * 86400, "2 years"),
    ],
)
def test_durations_in_words(seconds: float, text: str) -> None:
    assert human_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    "tags, text",
    [
        ([], ""),
        (["latest"], "latest"),
        (["a", "b", "c"], "a,b,c"),
        (["x" * 60], "x" * 60),
        (["x" * 60, "y"], "x" * 60 + " + 1 more..."),
        (["1234567890"] * 6, "1234567890,1234567890,1234567890 + 3 more..."),
        (["x" * 20, "y" * 25, "z"], "x" * 20 + "," + "y" * 25 + " + 1 more..."),
    ],
)
def test_tags_fill_forty_characters(tags: list[str], text: str) -> None:
    assert tags_up_to_width(tags) == text


def test_stream_row_shows_newest_tags_first() -> None:
    tags = {
        "old": [event(DIGEST_1, "x", created="2018-06-01T09:00:00Z")],
        "new": [event(DIGEST_1, "x", created="2018-06-01T10:00:00Z")],
        "also": [event(DIGEST_1, "x", created="2018-06-01T10:00:00Z")],
        "failed": [],
    }
    found = stream(tags=tags)
    found["status"]["dockerImageRepository"] = "reg:5000/test/app"
    assert cells("ImageStream", found, NOW) == ["app", "reg:5000/test/app", "also,new,old,failed", "2 hours ago"]
    found["spec"]["dockerImageRepository"] = "quay.io/a/b"
    assert cells("ImageStream", found, NOW)[1] == "quay.io/a/b"
    found["status"]["publicDockerImageRepository"] = "public/test/app"
    assert cells("ImageStream", found, NOW)[1] == "public/test/app"


def test_empty_stream_row() -> None:
    assert cells("ImageStream", stream(), NOW) == ["app", "", "", ""]


def test_columns_and_wide_columns() -> None:
    assert [(column.name, column.priority) for column in columns("ImageStreamTag")] == [
        ("Name", 0),
        ("Image Reference", 0),
        ("Updated", 0),
        ("Image Name", 1),
    ]
    assert [column.name for column in columns("ImageTag")] == ["Name", "Spec", "Status", "History", "Updated"]
    for kind in ("Image", "ImageStream", "ImageStreamTag", "ImageTag", "ImageStreamImage"):
        assert len(cells(kind, {"metadata": {"name": "n"}}, NOW)) == len(columns(kind))


def test_image_and_tag_rows() -> None:
    found = image(DIGEST_1)
    assert cells("Image", found, NOW) == [DIGEST_1, f"quay.io/org/app@{DIGEST_1}"]
    tag = {"metadata": {"name": "app:v1", "creationTimestamp": "2018-06-01T11:58:00Z"}, "image": found}
    assert cells("ImageStreamTag", tag, NOW) == ["app:v1", f"quay.io/org/app@{DIGEST_1}", "2 minutes ago", DIGEST_1]
    assert cells("ImageStreamImage", tag, NOW) == ["app:v1", "2 minutes ago", f"quay.io/org/app@{DIGEST_1}", DIGEST_1]


@pytest.mark.parametrize(
    "spec, status, expected",
    [
        (spec_tag("t", "q/a:1", generation=2), None, ["Tag", "q/a:1", None, ""]),
        (spec_tag("t", "q/a:1", reference=True), None, ["Ref", "q/a:1", None, ""]),
        (spec_tag("t", "q/a:1", importPolicy={"scheduled": True}), None, ["Scheduled", "q/a:1", None, ""]),
        (spec_tag("t", "app@sha256:1", kind="ImageStreamImage"), None, ["Tag", "image/sha256:1", None, ""]),
        (spec_tag("t", "sha256", kind="ImageStreamImage"), None, ["Tag", "InvalidRefName", None, ""]),
        (spec_tag("t", "other:1", kind="ImageStreamTag"), None, ["Tag", "istag/other:1", None, ""]),
        (spec_tag("t", "latest", kind="ImageStreamTag"), None, ["Track", "istag/latest", None, ""]),
        (spec_tag("t", "x", kind="Odd"), None, ["Tag", "InvalidRefKind", None, ""]),
        ({"name": "t"}, None, ["", "", None, ""]),
        (
            {"name": "t", "from": {"kind": "ImageStreamTag", "namespace": "ns", "name": "a:b"}},
            {"items": [event("", "")], "conditions": [{"type": "Other", "status": "False"}]},
            ["Tag", "istag ns/a:b", 1, "2 hours ago"],
        ),
        (None, {"items": [event("sha256:1", "q/a")]}, ["Push", "image/sha256:1", 1, "2 hours ago"]),
        (
            spec_tag("t", "q/a:1", generation=2),
            {"items": [event("sha256:1", "q/a", 1)]},
            ["Tag", "Importing", 1, "2 hours ago"],
        ),
        (
            spec_tag("t", "q/a:1", generation=2),
            {"items": [event("", "q/a:1", 2)]},
            ["Tag", "q/a:1", 1, "2 hours ago"],
        ),
        (
            spec_tag("t", "q/a:1", generation=2),
            {"items": [event("sha256:1", "q/a", 3)]},
            ["Push", "image/sha256:1", 1, "2 hours ago"],
        ),
        (
            spec_tag("t", "q/a:1", generation=2),
            {
                "items": [],
                "conditions": [
                    {
                        "type": "ImportSuccess",
                        "status": "False",
                        "reason": "NotFound",
                        "lastTransitionTime": "2018-06-01T11:00:00Z",
                    }
                ],
            },
            ["Tag", "ImportFailed (NotFound)", None, "About an hour ago"],
        ),
    ],
)
def test_image_tag_rows(spec: dict[str, Any] | None, status: dict[str, Any] | None, expected: list[Any]) -> None:
    tag = {"metadata": {"name": "app:t"}, "spec": spec, "status": status}
    assert cells("ImageTag", tag, NOW) == ["app:t", *expected]
