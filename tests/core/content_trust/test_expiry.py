from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.content_trust.expiry import print_expires, read_expires


@pytest.mark.parametrize(
    "text, utc, printed",
    [
        ("2026-12-05T01:10:00.142679065Z", datetime(2026, 12, 5, 1, 10, 0, 142679, UTC), "Sat Dec 5 01:10:00 UTC 2026"),
        ("2026-12-05T01:10:00Z", datetime(2026, 12, 5, 1, 10, tzinfo=UTC), "Sat Dec 5 01:10:00 UTC 2026"),
        ("2026-12-05T01:10:00+00:00", datetime(2026, 12, 5, 1, 10, tzinfo=UTC), "Sat Dec 5 01:10:00 UTC 2026"),
        (
            "2029-11-19T20:07:42.426172719-05:00",
            datetime(2029, 11, 20, 1, 7, 42, 426172, UTC),
            "Mon Nov 19 20:07:42 -0500 2029",
        ),
        (
            "2029-11-19T20:07:42.4+05:30",
            datetime(2029, 11, 19, 14, 37, 42, 400000, UTC),
            "Mon Nov 19 20:07:42 +0530 2029",
        ),
    ],
)
def test_times_of_the_original(text: str, utc: datetime, printed: str) -> None:
    time = read_expires(text)
    assert time == utc
    assert time is not None
    assert print_expires(time) == printed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-12-05",
        "2026-12-05T01:10:00",
        "2026-12-05 01:10:00Z",
        "2026-12-05T01:10:00z",
        "2026-12-05T01:10:00.1234567891Z",
        "2026-12-05T01:10:00Z\n",
        "2026-02-30T01:10:00Z",
        "2026-12-05T24:10:00Z",
        "2026-12-05T01:10:60Z",
        "0000-12-05T01:10:00Z",
        "9999-12-31T23:59:59-01:00",
        "20261205T011000Z",
        "2026-W49-6T01:10:00Z",
        "٢٠٢٦-12-05T01:10:00Z",
    ],
)
def test_other_forms(text: str) -> None:
    assert read_expires(text) is None


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_every_time_is_read_back(time: datetime) -> None:
    assert read_expires(time.isoformat().replace("+00:00", "Z")) == time
