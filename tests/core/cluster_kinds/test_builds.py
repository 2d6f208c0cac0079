"""The next Build of a BuildConfig. More is tested through the API."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.cluster_kinds.builds import next_build
from imagegate.errors import InvalidInput

NOW = "2026-11-28T09:00:00Z"


def config(name: str = "a", **strategy: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "n", "uid": "u"}, "spec": {"strategy": strategy}}


def made(found: dict[str, Any], **request: Any) -> dict[str, Any]:
    return next_build(found, {"metadata": {}, **request}, NOW)


def test_options_of_one_kind() -> None:
    arguments = [{"name": "A", "value": "1"}]
    docker = config(dockerStrategy={})
    found = made(docker, dockerStrategyOptions={"buildArgs": arguments})["spec"]["strategy"]
    assert found == {"dockerStrategy": {"buildArgs": arguments}}
    found = made(docker, dockerStrategyOptions={"noCache": False})["spec"]["strategy"]
    assert found == {"dockerStrategy": {"noCache": False}}
    assert docker["spec"]["strategy"] == {"dockerStrategy": {}}
    found = made(config(sourceStrategy={}), sourceStrategyOptions={"incremental": True})["spec"]["strategy"]
    assert found == {"sourceStrategy": {"incremental": True}}
    with pytest.raises(InvalidInput, match="not a Docker build"):
        made(config(sourceStrategy={}), dockerStrategyOptions={"noCache": True})


def test_a_label_has_as_much_of_a_long_name_as_it_can() -> None:
    name = f"{'a' * 62}-{'b' * 30}"
    found = made(config(name))
    assert found["metadata"]["labels"]["buildconfig"] == "a" * 62
    assert found["metadata"]["name"] == f"{name}-1"
