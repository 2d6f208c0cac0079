"""Whatever fails, however it fails, and whatever is sent: an answer that an API server reads as a denial.

And the other way about: a mode that only warns or notes never denies.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.core.admission.decision import Decision, PatchOp
from imagegate.core.admission.lookup import Found, Lookup
from imagegate.core.admission.plugin import Answers, Question
from imagegate.core.admission.request import API_VERSIONS, AdmissionRequest, Phase
from imagegate.core.admission.trace import Trace
from imagegate.service.policies.policy_set import ConfiguredPlugin, Mode, Modes, PolicyHolder, PolicySet
from imagegate.service.review.lookups import Answerer, LookUp
from imagegate.service.review.reviewer import Reviewer
from imagegate.web.admission import ENDPOINTS, AdmissionEndpoints
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.runtime import build
from tests.bypass.reviewer_setup import UID, review_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVIL = {"image": "evil.example/x:1"}
FAILURES: tuple[BaseException, ...] = (
    ValueError("no"), KeyError("no"), AttributeError(), TypeError(), RecursionError(), MemoryError(), OSError(5, "io"),
    TimeoutError(), AssertionError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), StopIteration(), LookupError(),
    RuntimeError("no"), ZeroDivisionError(), NotImplementedError(), EOFError(), BufferError(),
    ExceptionGroup("no", [ValueError()]),
)  # fmt: skip
SPOTS = ("covers", "questions", "decide", "answerer", "rewrite")


class Ask(Question):
    """Something to be asked."""

    __slots__ = ()


class Failing:
    """A plug-in that allows, but for what fails in one spot."""

    name = "failing"

    def __init__(self, spot: str, error: BaseException) -> None:
        self._spot = spot
        self._error = error

    def _maybe(self, spot: str) -> None:
        if spot == self._spot:
            raise self._error

    def covers(self, request: AdmissionRequest) -> bool:
        self._maybe("covers")
        return True

    def questions(self, request: AdmissionRequest, answers: Answers) -> Iterable[Question]:
        self._maybe("questions")
        return [_ASK]

    def decide(
        self, request: AdmissionRequest, answers: Answers, *, now: datetime, trace: Trace | None = None
    ) -> Decision:
        answers.get(_ASK)
        self._maybe("decide")
        if self._spot == "covers":
            raise self._error
        if self._spot == "answerer":
            answer = answers.get(_ASK)
            assert not isinstance(answer, Found), "an answerer's exception is no answer"
            if answer is not None:
                raise ValueError(str(answer))
        rewrites = (PatchOp("replace", "/spec/nowhere/0/image", "x"),) if self._spot == "rewrite" else ()
        return Decision(plugin=self.name, rewrites=rewrites)


_ASK = Ask()


def reviewer_of(plugin: Any, answer: Callable[..., Lookup[Any]], mode: Mode = Mode.ENFORCE) -> Reviewer:
    """A reviewer with one plug-in and one answerer."""
    policies = PolicyHolder(lambda: PolicySet((ConfiguredPlugin(plugin, Modes(mode)),)), lambda: NOW)
    return Reviewer(policies, LookUp({Ask: Answerer(answer)}), clock=lambda: NOW)


def post(app: AdmissionEndpoints, path: str, body: bytes, **environ: Any) -> tuple[str, dict[str, str], Any]:
    """Status, headers and decoded body of one POST, as a WSGI server would make it."""
    started: list[Any] = []
    content = b"".join(
        app(
            {
                "REQUEST_METHOD": "POST",
                "PATH_INFO": path,
                "QUERY_STRING": "timeout=1s",
                "CONTENT_TYPE": "application/json",
                "CONTENT_LENGTH": str(len(body)),
                "wsgi.input": io.BytesIO(body),
                **environ,
            },
            lambda *args: started.append(args),
        )
    )
    status, headers = started[0]
    assert len(started) == 1
    assert dict(headers)["Content-Length"] == str(len(content))
    return status, dict(headers), json.loads(content)


def no_such_path(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    raise AssertionError("every path of these tests is an endpoint")


@pytest.mark.parametrize("spot", SPOTS)
@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_whatever_fails_is_a_denial_with_the_uid(spot: str, error: BaseException) -> None:
    def answer(question: Any, /, *, deadline_s: float) -> Lookup[Any]:
        raise error if spot == "answerer" else LookupError

    app = AdmissionEndpoints(reviewer_of(Failing(spot, error), answer), no_such_path)
    body = json.dumps(review_of(EVIL)).encode()
    status, _, document = post(app, "/mutate", body)
    assert status == "200 OK"
    assert document["kind"] == "AdmissionReview"
    assert document["response"]["uid"] == UID
    assert document["response"]["allowed"] is False
    assert document["response"]["status"]["code"] == 500
    assert "patch" not in document["response"]
    assert "Traceback" not in json.dumps(document)


def test_the_twin_that_fails_nowhere_is_allowed() -> None:
    def answer(question: Any, /, *, deadline_s: float) -> Lookup[Any]:
        raise LookupError

    app = AdmissionEndpoints(reviewer_of(Failing("", ValueError()), answer), no_such_path)
    assert post(app, "/mutate", json.dumps(review_of(EVIL)).encode())[2]["response"]["allowed"] is True


@pytest.mark.parametrize("mode", [Mode.WARN, Mode.AUDIT])
@pytest.mark.parametrize("spot", SPOTS)
def test_a_mode_that_does_not_enforce_never_denies_and_never_patches(mode: Mode, spot: str) -> None:
    def answer(question: Any, /, *, deadline_s: float) -> Lookup[Any]:
        raise ValueError

    reviewer = reviewer_of(Failing(spot, ValueError("no")), answer, mode)
    for phase in Phase:
        response = reviewer.review(review_of(EVIL), phase)["response"]
        assert response["allowed"] is True
        assert "patch" not in response


class Slow:
    """An answerer that takes its time, and more."""

    def __init__(self) -> None:
        self.given: list[float] = []

    def __call__(self, question: Any, /, *, deadline_s: float) -> Lookup[Any]:
        import threading

        self.given.append(deadline_s)
        threading.Event().wait(min(deadline_s, 0.2) + 0.2)
        raise TimeoutError


def test_a_look_up_that_takes_too_long_is_a_denial_in_time() -> None:
    slow = Slow()
    reviewer = reviewer_of(Failing("answerer", ValueError()), slow)
    response = reviewer.review(review_of(EVIL), Phase.MUTATE, timeout_s=0.2)["response"]
    assert response["allowed"] is False
    assert response["uid"] == UID
    assert slow.given
    assert slow.given[0] <= 0.16, "look-ups get 80 % of the caller's patience"


SOFT: dict[str, Any] = {
    "imagePolicy": {"mode": "warn"},
    "cise": {"mode": "audit", "profile": "portieris"},
    "importGate": {"mode": "warn"},
    "alwaysPull": {"mode": "audit"},
}
CONFIG = {
    "kind": "MasterConfig",
    "apiVersion": "v1",
    "imagePolicyConfig": {"allowedRegistriesForImport": [{"domainName": "good.example"}]},
    "admissionConfig": {
        "pluginConfig": {
            "openshift.io/ImagePolicy": {
                "configuration": {
                    "kind": "ImagePolicyConfig",
                    "apiVersion": "v1",
                    "resolveImages": "AttemptRewrite",
                    "executionRules": [{"name": "good", "matchRegistries": ["good.example"]}],
                }
            },
            "AlwaysPullImages": {"configuration": {"kind": "DefaultAdmissionConfig", "apiVersion": "v1"}},
        }
    },
}
POLICY = {
    "apiVersion": "portieris.cloud.ibm.com/v1",
    "kind": "ClusterImagePolicy",
    "metadata": {"name": "p"},
    "spec": {"repositories": [{"name": "good.example/*"}]},
}


def whole_service(directory: Path, given: dict[str, Any]) -> AdmissionEndpoints:
    """The endpoints over every plug-in at once."""
    (directory / "config.yaml").write_text(json.dumps(CONFIG))
    (directory / "policies.yaml").write_text(json.dumps(POLICY))
    documents = {"config": "config.yaml", "policies": ["policies.yaml"], "cise": {"profile": "portieris"}, **given}
    (directory / "imagegate.yaml").write_text(json.dumps(documents))
    service = build(StartupOptions(settings_file=directory / "imagegate.yaml", environ={}))
    return AdmissionEndpoints(service.reviewer, no_such_path)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> AdmissionEndpoints:
    return whole_service(tmp_path_factory.mktemp("service"), {})


@pytest.fixture(scope="module")
def soft_service(tmp_path_factory: pytest.TempPathFactory) -> AdmissionEndpoints:
    return whole_service(tmp_path_factory.mktemp("soft"), SOFT)


def is_a_refusal(status: str, document: Any) -> bool:
    """Whether an API server with ``failurePolicy: Fail`` refuses the request; asserts that it can read the answer."""
    if not status.startswith("200"):
        assert document["kind"] == "Status"
        assert document["status"] == "Failure"
        assert document["code"] == int(status.split(maxsplit=1)[0])
        assert document["code"] in (400, 405, 413, 415)
        return True
    assert document.keys() == {"apiVersion", "kind", "response"}
    assert document["apiVersion"] in API_VERSIONS
    response = document["response"]
    assert isinstance(response["uid"], str)
    assert isinstance(response["allowed"], bool)
    if not response["allowed"]:
        assert response["status"]["status"] == "Failure"
        assert response["status"]["message"].strip()
        assert "patch" not in response
    return not response["allowed"]


PATHS = st.sampled_from(sorted(ENDPOINTS))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
GOOD_POD = review_of({"image": "good.example/a:1"})


@st.composite
def spoiled(draw: st.DrawFn) -> Any:
    """A review with a few places replaced, taken away or added to."""
    document = json.loads(json.dumps(draw(st.sampled_from([GOOD_POD, review_of(EVIL)]))))
    for _ in range(draw(st.integers(0, 4))):
        at: Any = document
        while True:
            key = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else list(range(len(at)))))
            inside = at[key]
            if isinstance(inside, (dict, list)) and inside and draw(st.booleans()):
                at = inside
                continue
            if isinstance(at, dict) and draw(st.booleans()):
                at[draw(st.sampled_from(["containers", "image", "kind", "metadata", "object", "spec"]))] = draw(JSON)
            else:
                at[key] = draw(JSON)
            break
    return document


@settings(max_examples=200)
@given(PATHS, st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_gets_an_answer(service: AdmissionEndpoints, path: str, body: bytes) -> None:
    status, _, document = post(service, path, body)
    assert is_a_refusal(status, document), "nothing random is a review"


@settings(max_examples=800)
@given(PATHS, spoiled())
def test_any_spoiled_review_gets_an_answer(service: AdmissionEndpoints, path: str, review: Any) -> None:
    status, _, document = post(service, path, json.dumps(review).encode())
    refused = is_a_refusal(status, document)
    request = review.get("request") if isinstance(review, dict) else None
    if status.startswith("200") and isinstance(request, dict):
        assert document["response"]["uid"] == request["uid"]
    if not refused and path == "/mutate":
        assert not runs_evil(request), "an image that no policy allows got through"


def runs_evil(request: Any) -> bool:
    """Whether a CREATE of a Pod, as an API server would send it, holds the image that nothing allows."""
    if request["operation"] != "CREATE" or request.get("subResource") or request["resource"] != _PODS:
        return False
    spec = (request.get("object") or {}).get("spec")
    containers = spec.get("containers") if isinstance(spec, dict) else None
    return any(container.get("image") == EVIL["image"] for container in containers or [])


_PODS = GOOD_POD["request"]["resource"]


@settings(max_examples=200)
@given(st.sampled_from(["/mutate", "/validate", "/mutate/image-policy", "/validate/imports", "/admit"]), spoiled())
def test_soft_modes_never_deny_what_can_be_read(soft_service: AdmissionEndpoints, path: str, review: Any) -> None:
    status, _, document = post(soft_service, path, json.dumps(review).encode())
    refused = is_a_refusal(status, document)
    assert not refused or not status.startswith("200")


def test_the_twins_of_all_that_are_answered_as_they_should(service: AdmissionEndpoints) -> None:
    assert not is_a_refusal(*_two(post(service, "/mutate", json.dumps(GOOD_POD).encode())))
    assert runs_evil(review_of(EVIL)["request"])
    assert is_a_refusal(*_two(post(service, "/mutate", json.dumps(review_of(EVIL)).encode())))


def test_deep_long_and_huge(service: AdmissionEndpoints) -> None:
    """Depth, size and numbers beyond any use: refused, or answered like any other."""
    good = json.dumps(GOOD_POD)
    deep = good.replace('"spec":', '"deep": ' + "[" * 100_000 + "]" * 100_000 + ', "spec":')
    assert is_a_refusal(*_two(post(service, "/mutate", deep.encode())))
    below = good.replace('"spec":', '"deep": ' + "[" * 500 + "]" * 500 + ', "spec":')
    assert not is_a_refusal(*_two(post(service, "/mutate", below.encode())))
    for number in ("1e400", "-1e400", "1" * 5000, "1.0e-9999", "NaN", "Infinity"):
        odd = good.replace('"dryRun": false', f'"dryRun": false, "options": {{"n": {number}}}')
        assert odd != good
        is_a_refusal(*_two(post(service, "/mutate", odd.encode())))  # either will do, as long as it is an answer
    long = json.dumps(review_of({"image": "a" * 1_000_000}))
    assert is_a_refusal(*_two(post(service, "/mutate", long.encode())))
    assert is_a_refusal(*_two(post(service, "/mutate", b" " * (8 * 2**20 + 1))))


def _two(answer: tuple[str, dict[str, str], Any]) -> tuple[str, Any]:
    return answer[0], answer[2]


def test_repeated_members_mean_what_they_mean_to_the_api_server(service: AdmissionEndpoints) -> None:
    """Of two members of one name Go keeps the last; so must whoever decides."""
    good, evil = ('"image": "good.example/a:1"', '"image": "evil.example/x:1"')
    for first, last, allowed in ((good, evil, False), (evil, good, True)):
        body = json.dumps(GOOD_POD).replace(good, f"{first}, {last}").encode()
        _, _, document = post(service, "/validate/image-policy", body)
        assert document["response"]["allowed"] is allowed


@pytest.mark.parametrize(
    "environ",
    [
        {"CONTENT_TYPE": "text/plain"}, {"CONTENT_TYPE": ""}, {"HTTP_CONTENT_ENCODING": "gzip"},
        {"CONTENT_LENGTH": "-1"}, {"CONTENT_LENGTH": "9999999999999999999"},
        {"CONTENT_LENGTH": "٣"}, {"CONTENT_LENGTH": "100000"},
        {"CONTENT_LENGTH": ""}, {"REQUEST_METHOD": "GET"}, {"REQUEST_METHOD": "PATCH"},
    ],
)  # fmt: skip
def test_odd_requests_are_refused(service: AdmissionEndpoints, environ: dict[str, str]) -> None:
    body = json.dumps(GOOD_POD).encode()
    assert is_a_refusal(*_two(post(service, "/mutate", body, **environ)))
