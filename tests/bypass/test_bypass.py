"""Every known way round this class of software, tried on the whole service; each with a twin that passes."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.core.admission.request import Phase
from tests.bypass.reviewer_setup import (
    CASES,
    ReviewerSetup,
    build_world,
    filled_in,
    patched,
    read_cases,
    registry_of_tests,
    review_of,
)
from tests.support.registry_simulator import RegistrySimulator

ROOT = Path(__file__).parents[2]
ALL = read_cases()
PATCHABLE = re.compile(
    r"(/spec(/template/spec|/jobTemplate/spec/template/spec)?|/template/spec)/(init|ephemeralC|c)ontainers/\d+/image(PullPolicy)?"
    r"|/spec(/template/spec|/jobTemplate/spec/template/spec)?/volumes/\d+/image/(reference|pullPolicy)"
    r"|/spec/(strategy/\w+Strategy|source/images/\d+)/from/(kind|name|namespace)"
    r"|(/spec/template|/spec/jobTemplate/spec/template)?/metadata(/annotations(/imagegate~1resolved-images)?)?"
)
"""Where imagegate may change an object: images, and the record of what they were."""


@pytest.fixture(scope="session")
def registry() -> Iterator[RegistrySimulator]:
    with registry_of_tests() as running:
        yield running


@pytest.fixture(scope="session")
def worlds(
    registry: RegistrySimulator, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, dict[str, Any]], ReviewerSetup]:
    """Builds each world once: what one case leaves in a cache, the next one meets."""
    built: dict[str, ReviewerSetup] = {}

    def world(name: str, documents: dict[str, Any]) -> ReviewerSetup:
        if name not in built:
            built[name] = build_world(tmp_path_factory.mktemp("world") / "documents", documents, registry)
        return built[name]

    return world


@pytest.mark.parametrize(
    "name, documents, case", [pytest.param(*each, id=f"{each[0]}/{each[2]['name']}") for each in ALL]
)
def test_way_round(
    name: str,
    documents: dict[str, Any],
    case: dict[str, Any],
    worlds: Callable[[str, dict[str, Any]], ReviewerSetup],
    registry: RegistrySimulator,
) -> None:
    """Twin, case, twin, case: neither may leave anything behind that changes the other's answer."""
    world = worlds(name, documents)
    case = filled_in(case, registry)
    expected = case["denied"].get(case["world"], case["denied"])
    for _ in range(2):
        passes(world, review_of(case["twin"]))
        is_denied(world, review_of(case["request"]), expected, case)


def passes(world: ReviewerSetup, review: dict[str, Any]) -> None:
    """Both passes allow, the patch touches images only, and a second look changes nothing."""
    mutated, validated = world.both(review)
    assert mutated.allowed, mutated.message
    assert validated is not None
    assert validated.allowed, validated.message
    assert world.ask(review, Phase.VALIDATE).allowed
    assert [each.path for each in mutated.patch if PATCHABLE.fullmatch(each.path) is None] == []
    assert world.ask(patched(review, mutated.patch), Phase.MUTATE).patch == ()


def is_denied(world: ReviewerSetup, review: dict[str, Any], expected: dict[str, Any], case: dict[str, Any]) -> None:
    """Denied with the text and rule expected, also where only the validating pass sees the request."""
    mutated, validated = world.both(review, case.get("between"))
    if case.get("passes") == "validate" or "between" in case:
        assert mutated.allowed, mutated.message
        answers = [validated]
    else:
        answers = [mutated, world.ask(review, Phase.VALIDATE)]
    for answer in answers:
        assert answer is not None
        assert not answer.allowed
        assert answer.patch == ()
        if "message" in expected:
            assert answer.message == expected["message"]
            continue
        found = {(denial.because, denial.rule, denial.at) for denial in answer.denials}
        assert (expected["text"], expected["rule"], expected["at"]) in found
        assert expected["text"] in answer.message


def test_every_class_has_its_cases() -> None:
    """Each class of real bugs is tried here, or in a test that is named and exists."""
    classes = yaml.safe_load((CASES.parent / "classes.yaml").read_text(encoding="utf-8"))
    tried = {case["class"] for _, _, case in ALL}
    assert tried <= classes.keys()
    for name, entry in classes.items():
        elsewhere = entry.get("elsewhere", [])
        assert name in tried or elsewhere, f"{name}: neither a case nor a test"
        for test in elsewhere:
            file, *_, function = test.split("::")
            assert function in functions(ROOT / file), test


def functions(file: Path) -> set[str]:
    """Names of the functions in a file of tests."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_names_are_unique() -> None:
    names = [f"{name}/{case['name']}" for name, _, case in ALL]
    assert len(names) == len(set(names))
