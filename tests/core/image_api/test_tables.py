"""Tables of any kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from imagegate.core.image_api.tables import partial_metadata, short_duration, table

NOW = datetime(2018, 6, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "seconds, text",
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (600, "10m"),
        (3 * 3600 + 120, "3h2m"),
        (8 * 3600, "8h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (50 * 3600, "2d2h"),
        (8 * 86400, "8d"),
        (729 * 86400, "729d"),
        (730 * 86400, "2y"),
        (731 * 86400, "2y1d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_ages(seconds: int, text: str) -> None:
    assert short_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    "kind, found, cells",
    [
        ("ConfigMap", {"metadata": {"name": "a", "creationTimestamp": "2018-06-01T11:59:00Z"}}, ["a", "60s"]),
        ("ConfigMap", {"metadata": {"name": "a"}}, ["a", "<unknown>"]),
        ("Namespace", {"metadata": {"name": "a"}, "status": {"phase": "Active"}}, ["a", "Active", "<unknown>"]),
        (
            "Pod",
            {"metadata": {"name": "p"}, "spec": {"containers": [{"image": "a"}, {"image": "b"}, 7]}},
            ["p", "", "<unknown>", "a,b"],
        ),
        ("Image", {"metadata": {"name": "sha256:1"}, "dockerImageReference": "x"}, ["sha256:1", "x"]),
    ],
)
def test_rows(kind: str, found: dict[str, Any], cells: list[Any]) -> None:
    made = table(kind, [found], NOW, resourceVersion="7")
    assert made["metadata"] == {"resourceVersion": "7"}
    assert [row["cells"] for row in made["rows"]] == [cells]
    assert len(made["columnDefinitions"]) == len(cells)
    assert made["rows"][0]["object"] == partial_metadata(found)
