"""What a payload must say; the vectors of ``cise_payload`` are run beside this, without texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.signing.claims import Claims, InvalidClaims
from tests.support.samples import SAMPLES

DIGEST = "sha256:" + "ab" * 32
GOOD: dict[str, Any] = {
    "critical": {
        "type": "atomic container signature",
        "image": {"docker-manifest-digest": DIGEST},
        "identity": {"docker-reference": "icr.io/a/b:1"},
    },
    "optional": {"creator": "atomic 5.36.0", "timestamp": 1700000000, "more": {"x": [1]}},
}


def payload(**changes: Any) -> bytes:
    """The good payload with members replaced; ``critical__type=1`` reaches inside."""
    document = json.loads(json.dumps(GOOD))
    for path, value in changes.items():
        *parents, last = path.replace("_", "-").replace("--", "/").split("/")
        place = document
        for parent in parents:
            place = place[parent]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return json.dumps(document).encode()


def refused(text: bytes) -> str:
    with pytest.raises(InvalidClaims) as raised:
        Claims.parse(text)
    return str(raised.value)


def test_reads_what_skopeo_wrote() -> None:
    claims = Claims.parse((SAMPLES / "simple-signing" / "payload-1.json").read_bytes())
    assert claims.docker_reference == "127.0.0.1:5000/signed/app:v1"
    assert claims.docker_manifest_digest.startswith("sha256:0d4c6b3d")


@pytest.mark.parametrize(
    "text, error",
    [
        (payload(extra=1), 'Unknown key "extra"'),
        (payload(optional=...), 'Key "optional" missing in a JSON object'),
        (payload(optional=None), "JSON object expected, got <nil>"),
        (payload(optional=[]), "JSON object expected, got 91"),
        (payload(optional="x"), 'JSON object expected, got "x"'),
        (payload(optional=True), "JSON object expected, got true"),
        (payload(critical=1.5), "JSON object expected, got 1.5"),
        (payload(critical__more=1), 'Unknown key "more"'),
        (payload(critical__type="cosign"), "Unrecognized signature type cosign"),
        (payload(critical__type=None), "Unrecognized signature type "),
        (payload(critical__type={}), "json: cannot unmarshal object into Go value of type string"),
        (payload(critical__image=None), "JSON object expected, got <nil>"),
        (payload(critical__image={}), 'Key "docker-manifest-digest" missing in a JSON object'),
        (
            payload(critical__image={"docker-manifest-digest": "sha256:ab"}),
            'invalid docker-manifest-digest value "sha256:ab": invalid checksum digest length',
        ),
        (
            payload(critical__image={"docker-manifest-digest": None}),
            'invalid docker-manifest-digest value "": invalid checksum digest format',
        ),
        (
            payload(critical__identity={"docker-reference": False}),
            "json: cannot unmarshal bool into Go value of type string",
        ),
        (payload(optional__creator=[]), "json: cannot unmarshal array into Go value of type string"),
        (payload(optional__timestamp="1"), "json: cannot unmarshal string into Go value of type float64"),
        (payload(optional__timestamp=True), "json: cannot unmarshal bool into Go value of type float64"),
        (payload(optional__timestamp=1.5), "Field optional.timestamp is not an integer"),
        (payload(optional__timestamp=2**63), "Field optional.timestamp is not an integer"),
        (b'{"critical":{},"critical":{},"optional":{}}', 'Duplicate key "critical"'),
        (b'{"optional":{"x":1,"x":1},"critical":{}}', 'Duplicate key "x"'),
        (payload() + b"x", f"payload is not JSON: Extra data at character {len(payload())}"),
        (b"\xff", "payload is not JSON: not UTF-8: invalid start byte at byte 0"),
        (b"[" * 70_000, "payload is not JSON: nested more than 400 levels deep"),
    ],
)
def test_refuses_with_a_reason(text: bytes, error: str) -> None:
    assert refused(text) == error


@pytest.mark.parametrize(
    "text",
    [
        payload(),
        payload(optional={}),
        payload(optional__creator=None, optional__timestamp=None),
        payload(optional__timestamp=-(2**63)),
        payload(optional__timestamp=1e3),
        payload(optional__nested={"deep": [[[]]]}),
        payload(optional__long="x" * 5000),
    ],
)
def test_the_twins_pass(text: bytes) -> None:
    assert Claims.parse(text) == Claims(DIGEST, "icr.io/a/b:1")


def test_no_reference_is_an_empty_one() -> None:
    assert Claims.parse(payload(critical__identity={"docker-reference": None})).docker_reference == ""


@given(st.integers(0, len(payload()) - 1), st.integers(0, 255))
def test_one_changed_byte_is_refused_or_reads_as_a_value(at: int, byte: int) -> None:
    """Nothing but ``InvalidClaims`` leaves the parser."""
    text = bytearray(payload())
    text[at] = byte
    try:
        Claims.parse(bytes(text))
    except InvalidClaims:
        return


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(text: bytes) -> None:
    with pytest.raises(InvalidClaims):
        Claims.parse(text)
