"""What convert makes of Kyverno's and Gatekeeper's policies, beside the recorded verdicts of both programs.

Nothing that a program denies is allowed, unless convert says so; where convert lists no difference, there is none; and
where it lists differences, every image that is judged differently is named here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from imagegate.cli.check.manifests import Manifest
from imagegate.cli.check.run import ALLOWED as ALLOWED_WORD
from imagegate.cli.check.run import REWRITTEN, CheckOptions, check_manifest
from imagegate.cli.check.templates import Made
from imagegate.core.enforcement.image import parse_image
from imagegate.core.enforcement.policy import PolicyGroup
from imagegate.documents.convert.foreign import ReadLists, lists_to_policies, read_lists
from imagegate.documents.convert.losses import Effect, Loss
from imagegate.errors import InvalidReference
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.runtime import build
from tests.peers.corpus import corpus, digest
from tests.peers.recordings import ALLOWED, DENIED, ERROR, PROGRAMS, policy_files, read

TESTED = corpus()
POLICIES = [
    pytest.param(program, each, id=f"{program}/{each.stem}") for program in PROGRAMS for each in policy_files(program)
]


class Difference(NamedTuple):
    """A Pod that is judged differently, and which way."""

    pod: str
    image: str
    is_wider: bool


def converted(policy: Path, *, allow_wider: bool) -> tuple[str, list[Loss], ReadLists]:
    lists = read_lists(policy.read_text(encoding="utf-8"), policy.name, allow_wider=allow_wider)
    return *lists_to_policies(lists, PolicyGroup.PORTIERIS, allow_wider=allow_wider), lists


def verdicts(folder: Path, text: str) -> Iterator[bool]:
    """For each Pod of the corpus, if the policies in ``text`` allow it."""
    file = folder / "made.yaml"
    file.write_text(text, encoding="utf-8")
    reviewer = build(StartupOptions(policies=(file,), environ={})).reviewer
    options = CheckOptions()
    for each in TESTED:
        result = check_manifest(reviewer, Made(Manifest("corpus", 1, each.pod)), options)
        yield result.verdict in (ALLOWED_WORD, REWRITTEN)


def is_reference(image: str) -> bool:
    """False for a name that no container runtime takes: imagegate denies it whatever a policy says."""
    try:
        parse_image(image)
    except InvalidReference:
        return False
    return True


def is_about_mode(loss: Loss) -> bool:
    """True for the remark that the original only reports: verdicts are compared, not what becomes of them."""
    return loss.text.startswith("the policy only audits")


def differences(folder: Path, program: str, policy: Path, text: str) -> list[Difference]:
    recorded = read(program).verdicts[policy.name]
    found = []
    for letter, tested, is_allowed in zip(recorded, TESTED, verdicts(folder, text), strict=True):
        if (letter == ALLOWED) != is_allowed and (is_allowed or is_reference(tested.image)):
            found.append(Difference(tested.name, tested.image, is_allowed))
    return found


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_recordings_are_of_these_policies_and_pods(program: str) -> None:
    recording = read(program)
    assert recording.corpus == digest(TESTED), "the corpus has changed: python -m tests.peers.record GATOR KYVERNO"
    assert recording.version.startswith("v")
    assert recording.verdicts.keys() == {each.name for each in policy_files(program)}
    letters = "".join(recording.verdicts.values())
    assert set(letters) <= {ALLOWED, DENIED, ERROR}
    assert {ALLOWED, DENIED} <= set(letters)


@pytest.mark.parametrize("program, policy", POLICIES)
def test_nothing_more_is_allowed_and_every_difference_is_listed(tmp_path: Path, program: str, policy: Path) -> None:
    text, losses, lists = converted(policy, allow_wider=False)
    effects = {loss.effect for loss in losses}
    assert Effect.WIDER not in effects
    if not lists.restrictions:  # convert writes nothing, and ends with 2
        assert Effect.UNENFORCED in effects
        return
    found = differences(tmp_path, program, policy, text)
    assert [each for each in found if each.is_wider] == []
    if not any(loss.effect is Effect.NARROWER and not is_about_mode(loss) for loss in losses):
        assert found == []


@pytest.mark.parametrize("program, policy", POLICIES)
def test_with_allow_wider_what_is_allowed_more_is_listed(tmp_path: Path, program: str, policy: Path) -> None:
    text, losses, lists = converted(policy, allow_wider=True)
    effects = {loss.effect for loss in losses}
    if not lists.restrictions:
        assert effects & {Effect.UNENFORCED, Effect.WIDER}
        return
    found = differences(tmp_path, program, policy, text)
    if Effect.WIDER not in effects:
        assert [each for each in found if each.is_wider] == []
    if effects <= {Effect.NOTE}:
        assert found == []
