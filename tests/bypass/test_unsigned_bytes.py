"""Bytes that nobody signed, from registries and in payloads: what decides is the hash of what was received.

The table "Bytes that nobody signed" of docs/threat-model.md names every one of them; OpenPGP's are tried in
tests/adapters/signing/test_openpgp_unsigned.py.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.adapters.registry.auth import LONGEST_TOKEN_S, read_token
from imagegate.core.admission.request import Phase
from imagegate.core.registry.manifest import MEDIA_TYPES, SCHEMA1_TYPES, digest_of, parse_manifest
from imagegate.core.signing.claims import Claims, InvalidClaims
from imagegate.errors import Malformed, TooLarge
from tests.bypass.reviewer_setup import ReviewerSetup, build_world, registry_of_tests
from tests.bypass.reviewer_setup import digest_of as digest_in
from tests.bypass.test_evidence import DOCUMENTS, app, image_after
from tests.support.registry_simulator import OCI_INDEX, OCI_MANIFEST, RegistrySimulator, image, replaced
from tests.support.simulator import Request, Response

ROOT = Path(__file__).parents[2]
DIGEST, OTHER = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32


@pytest.fixture
def registry() -> Iterator[RegistrySimulator]:
    with registry_of_tests() as running:
        yield running


@pytest.fixture
def world(registry: RegistrySimulator, tmp_path: Path) -> ReviewerSetup:
    return build_world(tmp_path / "world", DOCUMENTS, registry)


@pytest.mark.parametrize(
    "headers",
    [
        {"Docker-Content-Digest": OTHER},
        {"docker-content-digest": OTHER, "ETag": f'"{OTHER}"'},
        {"Digest": "sha-256=AAAA", "Content-Digest": "sha-256=:AAAA:", "Repr-Digest": "sha-256=:AAAA:"},
        {"OCI-Subject": OTHER, "OCI-Filters-Applied": "artifactType"},
        {"Content-Location": "/v2/team/evil/manifests/1", "Link": '</v2/team/evil/manifests/1>; rel="next"'},
        {"Location": "/v2/team/evil/manifests/1", "Refresh": "0; url=/v2/team/evil/manifests/1"},
        {"Date": "Thu, 01 Jan 1970 00:00:00 GMT", "Expires": "0", "Cache-Control": "max-age=31536000", "Age": "1"},
        {"Last-Modified": "Fri, 31 Dec 9999 23:59:59 GMT", "Warning": '199 - "x"', "Server": "\x1b[2J"},
        {
            "WWW-Authenticate": 'Bearer realm="https://evil.example/token"',
            "Set-Cookie": "a=b",
            "Alt-Svc": 'h2="evil:443"',
        },
        {"Strict-Transport-Security": "max-age=1", "Retry-After": "86400", "Content-Disposition": 'filename="x"'},
        {"Docker-Distribution-Api-Version": "registry/1.0", "X-Registry-Supports-Signatures": "yes"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_no_header_chooses_a_digest(registry: RegistrySimulator, world: ReviewerSetup, headers: dict[str, str]) -> None:
    def lie(request: Request, response: Response) -> Response:
        return replaced(response, headers=headers)

    registry.misbehave["/v2/"] = lie
    answer = world.ask(app(registry), Phase.MUTATE)
    assert image_after(answer) == f"{registry.host}/team/app@{digest_in(registry, 'team/app', '1')}"
    assert registry.count(path="/v2/team/evil") == 0


# Manifests: header, mediaType, schemaVersion and members may contradict each other

_DESCRIPTOR = {"mediaType": "application/octet-stream", "digest": DIGEST, "size": 7}
_FORMS: tuple[dict[str, Any], ...] = (
    {"config": _DESCRIPTOR, "layers": []},
    {"manifests": [_DESCRIPTOR]},
    {"config": _DESCRIPTOR, "layers": [], "manifests": [_DESCRIPTOR]},
    {"fsLayers": [{"blobSum": DIGEST}], "history": [{"v1Compatibility": "{}"}]},
)
_SERVED = (*MEDIA_TYPES, "", "application/json", "text/html", "application/vnd.oci.image.config.v1+json")


@pytest.mark.parametrize("served", _SERVED)
def test_a_manifest_is_one_thing_or_refused(served: str) -> None:
    """Served as, says of itself, version, members: whatever is read has the hash of all bytes and one kind."""
    read = 0
    for own, version, form in itertools.product((*_SERVED, None), (1, 2, 3, "2", 2.0, True, None), _FORMS):
        document = {**form, **({} if own is None else {"mediaType": own})}
        document |= {} if version is None else {"schemaVersion": version}
        raw = json.dumps(document).encode()
        try:
            manifest = parse_manifest(raw, served)
        except (Malformed, TooLarge):
            continue
        read += 1
        assert manifest.digest == digest_of(raw)
        assert served in ("", manifest.media_type)
        if own:
            assert own == manifest.media_type or {own, manifest.media_type} <= SCHEMA1_TYPES
        assert manifest.is_index is ("manifests" in document)
        assert bool(manifest.layers or manifest.config) is not manifest.is_index
    assert bool(read) is (served in (*MEDIA_TYPES, ""))


def test_a_list_that_is_served_as_an_image_and_the_other_way(registry: RegistrySimulator, world: ReviewerSetup) -> None:
    """CVE-2021-41190: one text, two kinds, told apart by a header only."""
    both = json.dumps({"schemaVersion": 2, **_FORMS[2]}).encode()
    for served in (OCI_MANIFEST, OCI_INDEX):
        registry.repository("team/app").manifests["1"] = (both, served)
        assert not world.ask(app(registry), Phase.MUTATE).allowed
    registry.repository("team/app").put(*image("again"), tag="1")
    assert world.ask(app(registry), Phase.MUTATE).allowed


# Token servers


_VALUES = st.one_of(
    st.text(max_size=20), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.text(), max_size=2)
)
_TOKEN_MEMBERS = ("token", "access_token", "expires_in", "issued_at", "refresh_token", "scope", "realm")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(_TOKEN_MEMBERS, _VALUES)))
def test_a_token_is_a_header_and_a_bounded_time(answer: Mapping[str, Any]) -> None:
    """Its scope and a refresh token decide nothing, its time of issue only shortens.

    Nothing in it starts a header of its own.
    """
    try:
        token, lifetime_s = read_token(json.dumps(answer).encode(), now=0)
    except (Malformed, TooLarge):
        return
    assert re.fullmatch(r"[\x21-\x7e]+", token)
    assert token == (answer.get("token") or answer.get("access_token"))
    assert math.isfinite(lifetime_s)
    assert 0 < lifetime_s <= LONGEST_TOKEN_S
    relevant = {name: answer[name] for name in ("token", "access_token", "expires_in", "issued_at") if name in answer}
    assert read_token(json.dumps(relevant).encode(), now=0) == (token, lifetime_s)


# Payloads: signed, but ``optional`` by anybody whose key is in a ring, of a time of his choice

_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(st.one_of(st.sampled_from(["creator", "timestamp", "expires"]), st.text(max_size=8)), _JSON))
def test_optional_members_decide_nothing(optional: dict[str, Any]) -> None:
    critical = {
        "type": "atomic container signature",
        "image": {"docker-manifest-digest": DIGEST},
        "identity": {"docker-reference": "icr.io/a/b:1"},
    }
    try:
        claims = Claims.parse(json.dumps({"critical": critical, "optional": optional}).encode())
    except InvalidClaims:
        return  # of another type than the original reads: refused, never taken for something else
    assert claims == Claims(DIGEST, "icr.io/a/b:1")


def test_every_row_of_the_threat_model_names_tests_that_exist() -> None:
    table = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8").partition("## Bytes that nobody signed")[2]
    rows = [line for line in table.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]
    for row in rows:
        file = "adapters/signing/test_openpgp_unsigned.py"  # where a row begins with ``::``
        named = re.findall(r"`([^`]+)`", row.rstrip("| ").rpartition("|")[2])
        assert named, row
        for test in named:
            path, _, function = test.partition("::")
            file = path or file
            assert (ROOT / "tests" / file).is_file(), test
            assert not function or f"def {function}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), test
    assert len(rows) > 20


def test_every_finding_of_the_threat_model_names_tests_that_exist() -> None:
    table = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8").partition("## Findings")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 80
    for row in rows:
        tried = row.rstrip("| ").rpartition(" | ")[2]
        files = re.findall(r"(?:\w+/)+\w+\.(?:py|yaml)", tried)
        assert files, row
        text = ""
        for file in files:
            path = ROOT / "tests" / file.removeprefix("tests/")
            assert path.is_file(), f"{file}: {row}"
            text += path.read_text(encoding="utf-8")
        for name in re.findall(r"::(\w+)", tried):
            assert f"def {name}(" in text or f"class {name}" in text, f"{name}: {row}"
