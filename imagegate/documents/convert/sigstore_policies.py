"""OpenShift 4's ClusterImagePolicy and ImagePolicy (``config.openshift.io/v1``) for entries that require signatures.

OpenShift verifies sigstore signatures, so that images must be signed again with cosign, and a sigstore key takes the
place of each OpenPGP key. These objects deny nothing but images without a signature: everything else that entries deny
is listed as not enforced.
Source: openshift/api, config/v1/types_cluster_image_policy.go, types_image_policy.go.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imagegate.documents.convert.container_policy import POLICY
from imagegate.documents.convert.container_requirements import ACCEPT, REJECT, Requirement
from imagegate.documents.convert.container_scopes import EVERYTHING
from imagegate.documents.convert.losses import Effect, Loss

_NAMESPACED = re.compile(r"policies/(?P<namespace>.*)\.json")
_KEY_PATH = re.compile(r"/keys/(?P<namespace>[^.]+)\.(?P<name>.+)\.gpg")
KEY_FOLDER = "/keys"
_UNSAFE = re.compile(r"[^a-z0-9]+")


@dataclass(slots=True)
class SigstorePolicies:
    """The objects as YAML documents, and what they do not say."""

    documents: list[str] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)


def sigstore_policies(files: Mapping[str, str], keys: Mapping[tuple[str, str], bytes]) -> SigstorePolicies:
    """The objects for the scopes of ``policy.json`` files.

    Args:
        files: by name, as ``container_policies`` makes them with keys in ``KEY_FOLDER``.
        keys: sigstore public keys (PEM) by namespace and name of the Secret whose key they take the place of.
    """
    result = SigstorePolicies()
    of_cluster: list[str] = []
    for name, text in sorted(files.items(), key=lambda each: each[0] != POLICY):
        namespaced = _NAMESPACED.fullmatch(name)
        if name != POLICY and namespaced is None:
            continue
        scopes: dict[str, list[Requirement]] = json.loads(text)["transports"]["docker"]
        namespace = "" if namespaced is None else namespaced["namespace"]
        conversion = _Conversion(scopes, namespace, keys, result, of_cluster)
        conversion.run()
        if namespaced is None:
            of_cluster = conversion.signed
    return result


class _Conversion:
    def __init__(
        self,
        scopes: Mapping[str, list[Requirement]],
        namespace: str,
        keys: Mapping[tuple[str, str], bytes],
        result: SigstorePolicies,
        of_cluster: Sequence[str],
    ) -> None:
        self._scopes = scopes
        self._namespace = namespace
        self._keys = keys
        self._result = result
        self._of_cluster = of_cluster
        self.signed: list[str] = []
        """Scopes with an object."""

    def run(self) -> None:
        """One object for each scope that requires a signature."""
        for scope in self._of_cluster:
            self._lose(scope, "the cluster's object counts in this namespace too", Effect.NARROWER)
        for scope, required in self._scopes.items():
            if required == [REJECT]:
                self._lose(scope, "objects of OpenShift cannot reject images: keep enforcing it", Effect.UNENFORCED)
            elif required != [ACCEPT]:
                self._require(scope, required)
        for scope, required in self._scopes.items():
            above = [each for each in self.signed if each != scope and _holds(each, scope)]
            if required == [ACCEPT] and above:
                self._lose(scope, f"needs a signature too: it is in scope {above[0]}", Effect.NARROWER)

    def _lose(self, scope: str, text: str, effect: Effect) -> None:
        file = f"namespace {self._namespace}" if self._namespace else "cluster"
        self._result.losses.append(Loss(file, 0, f"scope {scope or 'of all images'}", text, effect))

    def _require(self, scope: str, required: list[Requirement]) -> None:
        why = self._problem(scope, required)
        if why:
            self._lose(scope, why, Effect.UNENFORCED)
            return
        (requirement,) = required
        key = self._keys[_secret(requirement)]
        self.signed.append(scope)
        self._result.documents.append("\n".join(self._lines(scope, requirement, key)) + "\n")
        text = "verified with the sigstore key: images need signatures of cosign"
        self._lose(scope, text, Effect.NARROWER)

    def _problem(self, scope: str, required: list[Requirement]) -> str:
        """Why a scope cannot be said; empty if it can."""
        if scope == EVERYTHING:
            return "OpenShift has no scope of all images"
        over = next((each for each in self._of_cluster if _holds(each, scope)), "")
        if over:
            return f"OpenShift applies the ClusterImagePolicy of scope {over} there instead"
        if len(required) > 1:
            return "an object has one key, and several are required"
        namespace, name = _secret(required[0])
        if (namespace, name) not in self._keys:
            return f"no sigstore key for Secret {namespace}/{name}: --sigstore-key {namespace}/{name}=FILE"
        kind = required[0]["signedIdentity"]["type"]
        return "" if _identity(required[0]) is not None else f"signedIdentity {kind} is none of OpenShift's"

    def _lines(self, scope: str, requirement: Requirement, key: bytes) -> Iterator[str]:
        yield "apiVersion: config.openshift.io/v1"
        yield f"kind: {'ImagePolicy' if self._namespace else 'ClusterImagePolicy'}"
        yield "metadata:"
        yield f"  name: {json.dumps(_UNSAFE.sub('-', scope.lower()).strip('-'))}"
        if self._namespace:
            yield f"  namespace: {json.dumps(self._namespace)}"
        yield from ("spec:", "  scopes:", f"    - {json.dumps(scope)}", "  policy:", "    rootOfTrust:")
        yield from ("      policyType: PublicKey", "      publicKey:")
        yield f"        keyData: {base64.b64encode(key).decode()}"
        yield "    signedIdentity:"
        for name, value in (_identity(requirement) or {}).items():
            if isinstance(value, dict):
                yield f"      {name}:"
                yield from (f"        {inner}: {json.dumps(each)}" for inner, each in value.items())
            else:
                yield f"      {name}: {value}"


def _holds(wide: str, scope: str) -> bool:
    """True if every image of ``scope`` is in ``wide``."""
    if wide.startswith("*."):
        return scope == wide or scope.partition("/")[0].partition(":")[0].endswith(wide[1:])
    endings = ("/", ":", "@") if "/" in wide else ("/",)  # r.corp:5000 is another registry than r.corp
    return scope == wide or scope.startswith(tuple(wide + ending for ending in endings))


def _secret(requirement: Requirement) -> tuple[str, str]:
    """Namespace and name of the Secret with the key."""
    found = _KEY_PATH.fullmatch(requirement.get("keyPath", ""))
    return ("", "") if found is None else (found["namespace"], found["name"])


def _identity(requirement: Requirement) -> dict[str, Any] | None:
    """``signedIdentity`` of OpenShift; None where it has no such rule."""
    identity = requirement["signedIdentity"]
    match identity["type"]:
        case "matchRepoDigestOrExact":
            return {"matchPolicy": "MatchRepoDigestOrExact"}
        case "matchRepository":
            return {"matchPolicy": "MatchRepository"}
        case "exactRepository":
            exact = {"repository": identity["dockerRepository"]}
            return {"matchPolicy": "ExactRepository", "exactRepository": exact}
        case "remapIdentity":
            remap = {"prefix": identity["prefix"], "signedPrefix": identity["signedPrefix"]}
            return {"matchPolicy": "RemapIdentity", "remapIdentity": remap}
    return None
