"""Decisions in sentences."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import imagegate
from imagegate.core.admission.decision import PatchOp
from imagegate.core.admission.request import Phase
from imagegate.core.admission.trace import HINT, Step
from imagegate.core.enforcement.explain import ENTRY, EVIDENCE, REQUIREMENT
from imagegate.service.review.both_passes import TwoPassResult, creation, review_manifest
from imagegate.service.review.explanation import Explanation, explanation, lines
from imagegate.service.review.step_sentences import sentence
from tests.service.plugins import Told, allowing, denying, reviewer, rewriting

AT = "spec.containers[0].image"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "a", "image": "quay.io/x/y:1"}]},
}


def decided(*plugins: Told) -> TwoPassResult:
    return review_manifest(reviewer(*plugins), creation(POD, uid="u"))


def explained(*plugins: Told, steps: tuple[tuple[str, Step], ...] = ()) -> Explanation:
    return explanation(decided(*plugins), steps)


def rule(name: str, outcome: str, effect: str = "accept", *unmet: str) -> Step:
    return Step(
        "rule", name, outcome, "because", {"effect": effect, "unmet": list(unmet)} if unmet else {"effect": effect}
    )


def test_a_denial_comes_with_what_to_change_before_the_evidence() -> None:
    steps = (
        ("", Step("plug-in", "image-policy", "covered")),
        (AT, Step("look-up", "nginx", "absent", "there is none")),
        (AT, rule("two", "not-matched", "accept", "one thing", "another")),
        (AT, rule("one", "not-matched", "accept", "the registry is wrong")),
        (AT, Step(HINT, "nginx", "told", "nearest rule: one would allow it, but the registry is wrong")),
        ("", Step("plug-in", "cise", "not-covered")),
    )
    found = explained(denying("image-policy", "no rule allows it"), steps=steps)
    assert found.verdict == "denied"
    assert found.change == "Nearest rule: one would allow it, but the registry is wrong."
    text = list(lines(found))
    assert text == [
        found.change,
        "image-policy: denied",
        f"  {AT}: nginx: denied",
        "    because no rule allows it [rejected-by-rule]",
        "    Looked up: there is none.",
        "    two does not match: one thing; another.",
        "    one does not match: the registry is wrong.",
        "Nothing to say about such an object: cise",
    ]


def test_a_rewrite_is_told_by_the_plug_in_that_made_it() -> None:
    op = PatchOp("replace", "/spec/containers/0/image", "quay.io/x/y@sha256:" + "0" * 64)
    steps = (
        ("", Step("plug-in", "image-policy", "covered")),
        (AT, rule("one", "matched")),
        ("", Step("plug-in", "cise", "covered")),
        (AT, Step("requirement", "none", "holds")),
    )
    found = explained(rewriting("image-policy", op), allowing("cise"), steps=steps)
    assert (found.verdict, found.change) == ("rewritten", "")
    first, second = found.plugins
    assert [(each.image, each.verdict, each.runs) for each in first.images] == [
        ("quay.io/x/y:1", "rewritten", op.value)
    ]
    assert [(each.image, each.verdict, each.runs) for each in second.images] == [("quay.io/x/y:1", "allowed", "")]


def test_without_a_trace_the_reasons_stand_alone() -> None:
    found = explained(denying("image-policy", "first", "second"))
    assert [image.reasons for part in found.plugins for image in part.images] == [
        ["first [rejected-by-rule]", "second [rejected-by-rule]"]
    ]
    assert found.change == f"Use another image at {AT}, or change the policy that denies it."


STREAM = {
    "apiVersion": "image.openshift.io/v1",
    "kind": "ImageStream",
    "metadata": {"name": "web"},
    "spec": {"tags": [{"name": "latest", "from": {"name": "quay.io/a/b:1"}}, {"name": "v1.2", "from": 5}, None]},
}


@pytest.mark.parametrize(
    "at, image",
    [
        ("spec.tags[latest].from.name", "quay.io/a/b:1"),
        ("spec.tags[0].from.name", "quay.io/a/b:1"),
        ("spec.tags[absent].from.name", ""),
        ("spec.tags[9].from.name", ""),
        ("spec.tags[1].from.name", ""),
        ("spec.tags[2].from.name", ""),
        ("spec.tags[v1.2].from.name", ""),
        ("metadata.name.more[0]", ""),
    ],
)
def test_the_image_is_found_by_the_position_or_the_name_of_an_item(at: str, image: str) -> None:
    both = review_manifest(reviewer(allowing("import-gate")), creation(STREAM, uid="u"))
    steps = (("", Step("plug-in", "import-gate", "covered")), (at, Step("import-rule", "x", "matched", "by a rule")))
    (part,) = explanation(both, steps).plugins
    assert [each.image for each in part.images] == [image]


def test_an_import_that_no_rule_admits_names_no_image_as_a_rule() -> None:
    step = Step("import-rule", "quay.io/a/b:1", "not-matched", "it is not on the list")
    steps = (("", Step("plug-in", "import-gate", "covered")), (AT, step))
    found = explained(denying("import-gate", "it is not on the list"), steps=steps)
    assert found.change == f"Use another image at {AT}, or change the policy that denies it."


def test_the_base_image_of_a_build_is_told_as_it_is_changed() -> None:
    build = {
        "apiVersion": "build.openshift.io/v1",
        "kind": "Build",
        "metadata": {"name": "b"},
        "spec": {"strategy": {"dockerStrategy": {"from": {"kind": "DockerImage", "name": "a:1"}}}},
    }
    changed = {"kind": "DockerImage", "name": "a@sha256:0"}
    plugin = rewriting("image-policy", PatchOp("replace", "/spec/strategy/dockerStrategy/from", changed))
    both = review_manifest(reviewer(plugin), creation(build, uid="u"))
    at = "spec.strategy.dockerStrategy.from.name"
    steps = (("", Step("plug-in", "image-policy", "covered")), (at, rule("one", "matched")))
    (part,) = explanation(both, steps).plugins
    assert [(each.image, each.runs, each.verdict) for each in part.images] == [("a:1", "a@sha256:0", "rewritten")]


def _steps_of_the_code() -> set[str]:
    """First arguments of every ``Step(...)`` in the package, where they are written out."""
    found: set[str] = set()
    for path in Path(imagegate.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="Step"), args=[ast.Constant(value=str() as what), *_]):
                    found.add(what)
    return found


def test_every_kind_of_step_has_a_sentence() -> None:
    kinds = {*_steps_of_the_code(), ENTRY, REQUIREMENT, EVIDENCE}
    kinds -= {"plug-in", "import-host"}  # a heading; shown by explain --import alone
    assert len(kinds) > 12
    for what in kinds:
        text = sentence(Step(what, "SUBJECT", "OUTCOME", "BECAUSE"))
        assert not text.startswith(f"{what} SUBJECT: OUTCOME"), f"{what} is shown word for word"


def test_a_step_of_another_kind_is_shown_word_for_word() -> None:
    assert sentence(Step("new", "thing", "seen", "it is there")) == "new thing: seen: it is there"


def test_both_passes_are_told_once() -> None:
    both = decided(denying("image-policy", "no"))
    assert both.mutating.request.phase is Phase.MUTATE
    assert [image.reasons for part in explanation(both, ()).plugins for image in part.images] == [
        ["no [rejected-by-rule]"]
    ]
