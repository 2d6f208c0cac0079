"""Meaning of each code of a denial or a lint finding, and the remedy, for SARIF."""

from __future__ import annotations

from typing import NamedTuple

from imagegate.core.admission.decision import DenialCode

MANUAL = "https://docs.openshift.com/container-platform/3.11/admin_guide/image_policy.html"
"""The manual of what imagegate follows."""


class RuleHelp(NamedTuple):
    """Two sentences about one code, without their full stops."""

    what: str
    remedy: str


DENIALS = {
    DenialCode.REJECTED_BY_RULE: RuleHelp("A reject rule matches the image", "use an image that the rule admits"),
    DenialCode.NO_RULE_ALLOWS: RuleHelp(
        "There are accept rules, and none matches the image", "add a rule for its registry, as the image is written"
    ),
    DenialCode.UNRESOLVED: RuleHelp("The image must resolve to a digest, and is not known", "import it"),
    DenialCode.LOOK_UP_FAILED: RuleHelp("A look-up that a rule depends on failed", "try again"),
    DenialCode.DEADLINE: RuleHelp("A look-up that a rule depends on took too long", "try again"),
    DenialCode.INVALID_IMAGE_NAME: RuleHelp("The image is not an image reference", "correct it"),
    DenialCode.INVALID_OBJECT: RuleHelp("A field of the object has the wrong type", "correct the field"),
    DenialCode.NOT_ALWAYS_PULLED: RuleHelp(
        "AlwaysPullImages is on, and a container has another pull policy", "set imagePullPolicy: Always"
    ),
    DenialCode.IMPORT_NOT_ALLOWED: RuleHelp(
        "The registry is not on the import list", "import from a registry that is, or extend the list"
    ),
    DenialCode.NO_POLICY: RuleHelp("No image policy exists for the image", "create an ImagePolicy"),
    DenialCode.INVALID_POLICY: RuleHelp(
        "A policy object of the cluster that decides here cannot be read", "correct the object that the message names"
    ),
    DenialCode.NO_MATCHING_REPOSITORY: RuleHelp(
        "No entry of the image policies matches the image", "add an entry for its repository"
    ),
    DenialCode.NO_PULL_SECRET: RuleHelp(
        "The registry wants credentials, and none fit", "name a fitting Secret in imagePullSecrets"
    ),
    DenialCode.TRUST: RuleHelp("Trust data does not vouch for the image", "sign the image, or use a signed tag"),
    DenialCode.SIGNATURE: RuleHelp("The image has no acceptable signature", "sign the image with an accepted key"),
    DenialCode.VULNERABILITY: RuleHelp(
        "The image has vulnerabilities that the policy does not accept", "use an image without them"
    ),
    DenialCode.CONFLICT: RuleHelp(
        "Two requirements verified different digests, or another than the image names", "sign the digest that is used"
    ),
    DenialCode.NOT_CONFIGURED: RuleHelp(
        "A webhook asks for a plug-in that is not configured", "configure it, or remove the webhook"
    ),
    DenialCode.INTERNAL_ERROR: RuleHelp("imagegate failed to decide", "report the message"),
}

_FINDINGS = {
    "accepts-everything": "A rule without a condition accepts every image",
    "always-denies": "A requirement denies every image of its entry",
    "denies-everything": "Every image is denied",
    "empty-import-list": "An empty import list means different things in different profiles",
    "foreign-keys": "Keys of another namespace are named, which the settings do not allow",
    "import-blank": "An entry of the import list has a blank, and matches nothing",
    "import-duplicate": "An entry of the import list is repeated; the last counts",
    "import-hub-alias": "An entry covers one name of Docker Hub only",
    "import-insecure-unused": "insecure has no effect on an entry with a port",
    "import-path": "An entry of the import list has a path or a scheme, and matches nothing",
    "import-question-mark": "? stands for one character of a host",
    "import-secure-only": "An entry covers only the secure transport",
    "import-shadowed": "An entry of the import list is covered by another",
    "import-upper-case": "An entry of the import list has upper-case letters",
    "infrastructure-images": "Infrastructure images will have no registry",
    "invalid": "The document cannot be loaded",
    "lockout": "Nothing can be created any more",
    "matches-nothing": "A pattern or rule matches no image",
    "nameless-rule": "A rule has no name for messages",
    "no-cluster-policy": "Namespaces without an ImagePolicy have no policy",
    "no-effect": "A field has no effect",
    "no-integrated-registry": "A rule asks for the integrated registry, and none is configured",
    "no-policy": "There is no policy in a named place",
    "no-store": "No place is named where signatures are stored",
    "not-checked": "Something needs the cluster or the network, and is not checked",
    "not-read": "A file or folder is not read",
    "nothing-judges-pods": "Only imports are judged: every image may run",
    "redundant-rule": "A rule adds nothing to another",
    "registry-duplicate": "A registry is repeated",
    "registry-never": "No image can be written with the registry",
    "registry-only": "A pattern without a path is only an image of that name",
    "registry-path": "A registry has a path, and matches nothing",
    "registry-pattern": "A registry is compared literally, not as a pattern",
    "registry-scheme": "A registry has a scheme",
    "registry-spelling": "The registry is mostly written otherwise",
    "registry-upper-case": "A registry has upper-case letters",
    "reject-evadable": "A reject rule is evaded by another name of the registry",
    "reject-unresolved-passes": "Images that could not be resolved pass a reject rule",
    "rejects-everything": "A rule without a condition rejects every image",
    "resolution-duplicate": "Two resolution rules cover one resource",
    "resolution-unknown-resource": "A resolution rule names an unknown resource",
    "resource-group": "A resource is named in a group that does not have it",
    "resource-unknown": "A resource holds no images that are known",
    "resource-wildcard": "* as a resource covers less than it seems",
    "selector-never": "No labels can match a selector",
    "tenant-keys": "Who may write Secrets in a namespace chooses the key",
    "trust-registry": "No trust server is known for a registry",
    "unanchored-host": "A pattern also matches hosts that only begin or end so",
    "unanchored-path": "A pattern also matches names that only begin so",
    "unreachable-rule": "A rule can never accept anything",
    "unreadable": "A file or folder cannot be read",
    "va-registry": "No vulnerability reports are known for a registry",
}


def denial_help(code: str) -> RuleHelp:
    """Meaning and remedy of a denial code."""
    known = {each.value: about for each, about in DENIALS.items()}
    return known.get(code) or RuleHelp(_in_words(code), "see the message")


def finding_help(code: str) -> RuleHelp:
    """Meaning and remedy of a lint code."""
    what = _FINDINGS.get(code) or _in_words(code)
    return RuleHelp(what, "correct the place that the result names, or leave it if it is meant")


def _in_words(code: str) -> str:
    return code.replace("-", " ").capitalize()
