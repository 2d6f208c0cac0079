"""One request as the image policy reads it: changed images, annotations, exclusions, owner, service account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, TypeAlias

from imagegate.core.admission.answer_reader import NOT_LOOKED_UP, AnswerReader
from imagegate.core.admission.lookup import Absent, Found, Impossible, Unknown, Unlisted
from imagegate.core.admission.owners import controller_reference, owner_holds_images, owner_question
from imagegate.core.admission.plugin import Question
from imagegate.core.admission.request import AdmissionRequest, User
from imagegate.core.admission.workload import (
    BUILDS,
    DEPLOYER,
    DEPLOYMENT_CONFIGS,
    DOCKER_IMAGE,
    MAY_LACK_TEMPLATE,
    POD,
    WORKLOADS,
    Extent,
    ImageUse,
    bounded,
    build_images,
    deployer_images,
    dig,
    pod_images,
    strategy_from,
)
from imagegate.core.image_policy.behaviour import Behaviour, ControllerOwned, NamespaceOverride
from imagegate.core.image_policy.config import IGNORE_RULES_ANNOTATION, RESOLVE_NAMES_ANNOTATION
from imagegate.core.image_policy.execution_rules import CompiledRule
from imagegate.core.image_policy.resolution import Resolver
from imagegate.core.image_streams.questions import Namespace

_NO_NAMESPACE = Absent("the request has no namespace")
_VOLUME = ".image.reference"
_Place: TypeAlias = tuple[str, str]


class Exclusions:
    """Names of rules that the namespace switches off. ``used`` records disabled rules that would have been evaluated.

    ``in_doubt``: the reason why the names are not known. Then every reject rule counts, and an accept rule that may be
    switched off does not accept for certain.
    """

    __slots__ = ("_names", "_restricted", "are_none", "in_doubt", "used")

    def __init__(self, names: frozenset[str], *, restricted: bool, in_doubt: str = "") -> None:
        self._names = names
        self._restricted = restricted
        self.in_doubt = in_doubt
        self.are_none = not in_doubt and not names
        """True if certainly no rule is switched off."""
        self.used: set[str] = set()

    def __call__(self, compiled: CompiledRule) -> bool:
        """True if the rule is switched off, which ``used`` records."""
        off = bool(self._names) and self.switches_off(compiled)
        if off:
            self.used.add(compiled.rule.name)
        return off

    def switches_off(self, compiled: CompiledRule) -> bool:
        """True if the rule is switched off; records nothing."""
        return compiled.rule.name in self._names and self._may_be_off(compiled)

    def uncertain(self, compiled: CompiledRule) -> str:
        """Reason why it is not known if the rule is switched off; empty where it is known."""
        return self.in_doubt if self.in_doubt and self._may_be_off(compiled) else ""

    def _may_be_off(self, compiled: CompiledRule) -> bool:
        rule = compiled.rule
        return not rule.ignore_namespace_override and (rule.allow_namespace_override or not self._restricted)


class PolicyRequest:
    """The parts of a request that the plug-in needs, read once."""

    __slots__ = (
        "_account",
        "_before",
        "_behaviour",
        "_owner",
        "_request",
        "is_exempt",
        "may_lack_template",
        "may_rewrite",
        "mismatched",
        "no_images",
        "resolve_all",
        "skip_reason",
        "uses",
    )

    def __init__(self, request: AdmissionRequest, behaviour: Behaviour) -> None:
        """Read the object, and the old one on UPDATE.

        Raises:
            InvalidObject: an object does not have the form its kind must have.
        """
        document = request.object or {}
        self._request, self._behaviour = request, behaviour
        self.skip_reason = ""
        self.mismatched = self.is_exempt = False
        self.may_lack_template = request.kind in MAY_LACK_TEMPLATE
        self._owner = controller_reference(document)
        self.may_rewrite = behaviour.pins_ephemeral if request.sub_resource else self._is_free
        self._before: Mapping[_Place, str] = {}
        spec = _pod_or_build_spec(document, request)
        self.no_images = spec is None
        self.resolve_all = _resolves_all(document, request)
        self._account = "default"
        self.uses: tuple[ImageUse, ...] = ()
        if spec is None:
            return
        uses = _image_uses(document, spec, request, behaviour.extent)
        if request.operation == "UPDATE" and request.old_object is not None:
            uses = self._changed_uses(spec, tuple(uses), request.old_object)
        self.uses = bounded(uses)
        account = spec.get("serviceAccountName") or spec.get("serviceAccount")
        if isinstance(account, str):
            self._account = account
        if behaviour.exempt_service_accounts and self._account_name in behaviour.exempt_service_accounts:
            self.is_exempt = True
            self.skip_reason = f"service account {self._account_name} is exempt"

    def first_questions(self) -> Iterable[Question]:
        """Look-ups of the namespace (for its annotation) and, where trusted owners count, of the owner."""
        if self._request.namespace:
            yield Namespace(self._request.namespace)
        if self._owner is not None and self._trusts_user():
            yield owner_question(self._owner, self._request.namespace)

    @property
    def _is_free(self) -> bool:
        """True if no controller would undo a rewrite."""
        return self._owner is None or self._behaviour.controller_owned is ControllerOwned.SKIP

    def held(self, use: ImageUse, *, fixed: bool) -> str | None:
        """The only image that may be written in the place of ``use``; None where any digest may be written.

        Empty where nothing may be written and the image stays as in the request. Some images cannot change once they
        are stored: all of a job or a build (``fixed``), those of ephemeral containers and of a pod's volumes. There
        only the old object's image can be written, because that is not a change.
        """
        if use.within:
            return ""
        is_ephemeral = use.field.startswith("spec.ephemeralContainers[")
        if self._request.sub_resource and not is_ephemeral:
            return ""  # the API server takes nothing else from this subresource
        if not self._request.sub_resource and not self._is_free:
            return ""
        if self._request.operation != "UPDATE":
            return None
        is_stored = _place_of(use) in self._before
        is_pod_volume = self._request.kind == POD and use.field.endswith(_VOLUME)
        if not (fixed or is_pod_volume or (is_ephemeral and is_stored)):
            return None
        return self._before.get(_place_of(use), "")

    def resolver(self, reader: AnswerReader, *, own: bool = False) -> Resolver:
        """A resolver with the rights of this request's user and service account; ``own``: with imagegate's rights."""
        return Resolver(
            self._behaviour,
            reader,
            self._request.namespace,
            resolve_all=self.resolve_all,
            subjects=() if own else self._subjects(),
            own=own,
        )

    def exclusions(self, reader: AnswerReader) -> Exclusions:
        """Rules that the namespace's annotation switches off (docs/spec/image-policy.md 4 step 6)."""
        restricted = self._behaviour.namespace_override is NamespaceOverride.RESTRICTED
        answer = reader(Namespace(self._request.namespace)) if self._request.namespace else _NO_NAMESPACE
        text = ""
        if isinstance(answer, Found):
            namespace: Mapping[str, Any] = answer.value
            text = ((namespace.get("metadata") or {}).get("annotations") or {}).get(IGNORE_RULES_ANNOTATION) or ""
        if not text:
            # Unlisted: no source will ever have the annotation. A doubt would deny in that namespace for ever.
            known = isinstance(answer, (Found, Absent, Impossible, Unlisted))
            in_doubt = ""
            if not known:
                why = answer.why if isinstance(answer, Unknown) else NOT_LOOKED_UP
                in_doubt = f"annotations of namespace {self._request.namespace} could not be read: {why}"
            return Exclusions(frozenset(), restricted=restricted, in_doubt=in_doubt)
        names = text.split(",")
        if self._behaviour.trim_ignored_rules:
            names = [name.strip() for name in names if name.strip()]
        return Exclusions(frozenset(names), restricted=restricted)

    def is_trusted(self, reader: AnswerReader) -> bool:
        """True if a listed controller account sends the request and its owner confirms the claim.

        Source: docs/spec/image-policy.md 14 row 1.
        """
        if self._owner is None or not self._trusts_user():
            return False
        answer = reader(owner_question(self._owner, self._request.namespace))
        if not isinstance(answer, Found):
            return False
        images = frozenset(use.name for use in self.uses)
        trusted = owner_holds_images(answer.value, self._owner.get("uid"), images)
        if trusted:
            self.skip_reason = f"owned by {answer.value.get('kind')}, verified"
        return trusted

    def _trusts_user(self) -> bool:
        behaviour = self._behaviour
        return (
            behaviour.controller_owned is ControllerOwned.TRUSTED
            and self._request.user.name in behaviour.trusted_controllers
        )

    @property
    def _account_name(self) -> str:
        return f"system:serviceaccount:{self._request.namespace}:{self._account}"

    def _subjects(self) -> tuple[User, ...]:
        """Users whose rights count: the requesting user and the pod's service account."""
        user, namespace = self._request.user, self._request.namespace
        subjects = (user,) if user.name else ()
        if not namespace:
            return subjects
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        return (*subjects, User(self._account_name, "", groups))

    def _changed_uses(
        self, spec: Mapping[str, Any], uses: tuple[ImageUse, ...], old: Mapping[str, Any]
    ) -> tuple[ImageUse, ...]:
        """The uses without those that the old object has in the same place (docs/spec/image-policy.md 9)."""
        request = self._request
        old_kind = old.get("kind")
        if isinstance(old_kind, str) and old_kind and old_kind != request.kind.kind:
            self.mismatched = True
            return ()
        old_spec = _pod_or_build_spec(old, request)
        if old_spec is None:
            self.mismatched = not self._behaviour.template_optional
            return uses
        self._before = before = _by_place(_image_uses(old, old_spec, request, self._behaviour.extent))
        if _resolves_all(old, request) != self.resolve_all:
            return uses
        if request.kind in BUILDS:
            named = _named_before(spec, old_spec, self._behaviour.extent)
            return tuple(use for use in uses if not _build_unchanged(use, spec, old_spec, named))
        return tuple(use for use in uses if before.get(_place_of(use)) != use.name)


def _pod_or_build_spec(document: Mapping[str, Any], request: AdmissionRequest) -> Mapping[str, Any] | None:
    """The pod spec or build spec; None where the kind has none, or its template is missing."""
    if request.kind in BUILDS:
        return dig(document, ("spec",)) or {}
    shape = WORKLOADS.get(request.kind)
    if shape is None:
        return None
    spec = dig(document, shape.pod_spec)
    if spec is not None:
        return spec
    if request.kind not in MAY_LACK_TEMPLATE:
        return {}
    assert shape.template is not None  # noqa: S101 - every kind that may lack a template has one
    return {} if dig(document, shape.template) is not None else None


def _image_uses(
    document: Mapping[str, Any], spec: Mapping[str, Any], request: AdmissionRequest, extent: Extent
) -> Iterable[ImageUse]:
    if request.kind in BUILDS:
        return build_images(spec, extent)
    uses = pod_images(spec, ".".join(WORKLOADS[request.kind].pod_spec), extent)
    if extent.deployers and request.kind in DEPLOYMENT_CONFIGS:
        return chain(uses, deployer_images(document))
    return uses


def _resolves_all(document: Mapping[str, Any], request: AdmissionRequest) -> bool:
    """True if the annotation says that every name means an image stream tag (docs/spec/image-policy.md 4 step 7)."""
    shape = WORKLOADS.get(request.kind)
    if shape is not None and shape.template is not None:
        template = dig(document, shape.template)
        if template is not None and _resolve_names_annotation(template) == "*":
            return True
    return _resolve_names_annotation(document) == "*"


def _resolve_names_annotation(document: Mapping[str, Any]) -> object:
    metadata = dig(document, ("metadata", "annotations"))
    return None if metadata is None else metadata.get(RESOLVE_NAMES_ANNOTATION)


def _place_of(use: ImageUse) -> _Place:
    """The place of an image, equal in the old and the new object: the container's or volume's name."""
    if not use.owner and (use.field == DEPLOYER or use.field.endswith(".from")):
        return use.field, ""
    return _VOLUME if use.field.endswith(_VOLUME) else "", use.owner


def _by_place(uses: Iterable[ImageUse]) -> dict[_Place, str]:
    """The pull spec of each place; of two containers with the same name the first counts."""
    found: dict[_Place, str] = {}
    for use in uses:
        if use.kind == DOCKER_IMAGE and not use.within:
            found.setdefault(_place_of(use), use.name)
    return found


def _named_before(spec: Mapping[str, Any], old_spec: Mapping[str, Any], extent: Extent) -> frozenset[tuple[str, str]]:
    """Every image of the old Dockerfile, with the reason why it is unknown.

    An unknown image counts as the same only where everything that it may depend on is the same.
    """
    is_same = all(spec.get(key) == old_spec.get(key) for key in ("source", "strategy"))
    uses = (use for use in build_images(old_spec, extent) if use.within and (is_same or not use.unknown))
    return frozenset((use.name, use.unknown) for use in uses)


def _build_unchanged(
    use: ImageUse, spec: Mapping[str, Any], old_spec: Mapping[str, Any], named: frozenset[tuple[str, str]]
) -> bool:
    """True if the old build has the image too.

    Source images: any old source has an equal ``from``. Strategies: the same strategy has an equal ``from``.
    Images of a Dockerfile: the old Dockerfile names them, on any line.
    """
    if use.within:
        return (use.name, use.unknown) in named
    if use.field.startswith("spec.source."):
        index = int(use.field.partition("[")[2].partition("]")[0])
        new = _image_sources(spec)[index]
        return any(old.get("from") == new.get("from") for old in _image_sources(old_spec))
    name = use.field.split(".")[2]
    old_use = strategy_from(old_spec, name)
    return old_use is not None and old_use.reference == use.reference


def _image_sources(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    images = (dig(spec, ("source",)) or {}).get("images")
    return [entry for entry in images if isinstance(entry, Mapping)] if isinstance(images, list) else []
