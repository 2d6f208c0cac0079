"""Requests recorded from the real ``oc``, sent again: every answer is as recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oc_recordings.record import read_scenarios
from tests.oc_recordings.replay import Replay, exchanges, scenarios
from tests.oc_recordings.setup import api_over, push_samples
from tests.support.certificates import Authority
from tests.support.registry import Registry


@pytest.fixture(scope="module")
def samples(registry_tls: Registry) -> Registry:
    push_samples(registry_tls)
    return registry_tls


@pytest.mark.parametrize("scenario", scenarios())
def test_every_answer_is_as_recorded(scenario: str, tmp_path: Path, ca: Authority, samples: Registry) -> None:
    differences = []
    with api_over(tmp_path / "images.db", ca, samples) as api:
        replay = Replay(api)
        for exchange in exchanges(scenario):
            found = replay.send(exchange)
            differences += [f"{exchange['command']}: {exchange['method']} {exchange['path']}: {each}" for each in found]
    assert not differences, "\n".join(differences[:20])


def test_every_command_is_recorded() -> None:
    for scenario in read_scenarios():
        recorded = {exchange["command"] for exchange in exchanges(scenario["name"])}
        assert recorded == {f"oc {entry['run']}" for entry in scenario["commands"]}
    assert {scenario["name"] for scenario in read_scenarios()} == set(scenarios())


def test_a_difference_is_seen(tmp_path: Path, ca: Authority, samples: Registry) -> None:
    """A recording that expects something else fails, so that the others say something."""
    with api_over(tmp_path / "images.db", ca, samples) as api:
        found = (each for each in exchanges("read") if each["path"].endswith("imagestreams/app"))
        exchange = next(each for each in found if each["status"] == 200)
        assert Replay(api).send(exchange)[0].startswith("status: expected 200, got 404")
        first, *_ = (each for each in exchanges("session") if each["path"].endswith("/selfsubjectreviews"))
        first["response"]["status"]["userInfo"]["username"] = "somebody"
        (difference,) = Replay(api).send(first)
        assert difference == ".status.userInfo.username: expected 'somebody', got 'system:admin'"
