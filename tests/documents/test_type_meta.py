"""Version and kind of a document in profile openshift-4, as apimachinery 0.34 answers (run as a Go program)."""

from __future__ import annotations

import pytest

from imagegate.core.profile import Profile
from imagegate.documents.image_policy_config import load_image_policy
from imagegate.errors import InvalidPolicy

TAKEN = [
    "kind: ImagePolicyConfig\napiVersion: /\n",
    "kind: ImagePolicyConfig\napiVersion: image.openshift.io/\n",
    "apiVersion: image.openshift.io/\n",
    "apiVersion: /\n",
    "kind: null\napiVersion: null\n",
    "Kind: ImagePolicyConfig\nAPIVERSION: image.openshift.io/v1\n",
    # Converted YAML has its keys sorted, so the lower case comes last and counts.
    "kind: ImagePolicyConfig\nKIND: Pod\n",
    "kind: ImagePolicyConfig\napiVer\u017fion: image.openshift.io/v1\napiVersion: /image.openshift.io/v1\n",
    '{"Kind": "Pod", "kind": "ImagePolicyConfig"}',
    '{"kind": "Pod", "Kind": "ImagePolicyConfig", "KIND": null}',
    # Only the two names are looked for in any case.
    "ExecutionRules: 5\n",
    "kind : ImagePolicyConfig\n'kind ': Pod\n",
]

REFUSED = [
    "kind: ImagePolicyConfig\napiVersion: /v1\n",
    "kind: ImagePolicyConfig\napiVersion: //\n",
    "kind: ImagePolicyConfig\napiVersion: image.openshift.io/v1/\n",
    "kind: ImagePolicyConfig\napiVersion: image.openshift.io\n",
    "kind: ImagePolicyConfig\napiVersion: /image.openshift.io/v1\n",
    "kind: ImagePolicyConfig\napiVersion: image.openshift.io/V1\n",
    "kind: ImagePolicyConfig\napiVersion: 'image.openshift.io/v1 '\n",
    "apiVersion: a/\n",
    "apiVersion: 1\n",
    "kind: []\n",
    "KIND: {}\nkind: ImagePolicyConfig\n",
    "kiNd: Pod\n",
    "\u212aind: Pod\n",
    '{"kind": "ImagePolicyConfig", "Kind": "Pod"}',
    '{"apiversion": 1, "apiversion": "image.openshift.io/v1"}',
    '{"kind": "Pod", "kind": null}',
]


@pytest.mark.parametrize("text", TAKEN)
def test_taken_as_the_original_does(text: str) -> None:
    assert load_image_policy(text, profile=Profile.OPENSHIFT_4).config.resolve_images == "Attempt"


@pytest.mark.parametrize("text", REFUSED)
def test_refused_as_the_original_does(text: str) -> None:
    with pytest.raises(InvalidPolicy):
        load_image_policy(text, profile=Profile.OPENSHIFT_4)


@pytest.mark.parametrize(
    "text, message",
    [
        ("apiVersion: a/b/c\n", 'policy.yaml:1: apiVersion: "a/b/c" is not GROUP/VERSION'),
        ("Kind: 5\n", "policy.yaml:1: Kind: not a string"),
        (
            "kind: Pod\napiVersion: v1\n",
            (
                'policy.yaml:1: no kind "Pod" is known for version "v1"; '
                "expected kind ImagePolicyConfig of image.openshift.io/v1"
            ),
        ),
    ],
)
def test_the_message_names_what_was_found(text: str, message: str) -> None:
    with pytest.raises(InvalidPolicy) as error:
        load_image_policy(text, "policy.yaml", Profile.OPENSHIFT_4)
    assert message in str(error.value)
