import pytest

from imagegate.service.review.trace_text import format_step


@pytest.mark.parametrize(
    "step, line",
    [
        (
            {"at": "/spec/image", "what": "rule", "subject": "no-hub", "outcome": "matches", "because": "registry"},
            "/spec/image: rule no-hub: matches: registry",
        ),
        ({"at": "", "what": "policy", "subject": "p", "outcome": "covers"}, "policy p: covers"),
    ],
)
def test_a_step_is_one_line(step: dict[str, str], line: str) -> None:
    assert format_step(step) == line
