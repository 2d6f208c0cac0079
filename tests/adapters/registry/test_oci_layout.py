"""OCI layouts on disk that are damaged; the contract of the port is in ``test_client_real``."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegate.adapters.registry.oci_layout import OciLayoutRegistry
from imagegate.core.admission.lookup import Absent
from imagegate.core.references.openshift import ImageReference
from imagegate.ports.registry import RegistryErrorKind, RegistryUnknown

DEADLINE_S = 20.0


@pytest.mark.parametrize(
    "index, error_kind",
    [
        (b"{", RegistryErrorKind.MALFORMED),
        (b'{"manifests": 1}', RegistryErrorKind.MALFORMED),
        (b'{"manifests": [1]}', RegistryErrorKind.MALFORMED),
        (b'{"manifests": [{"digest": "sha256:../../../etc/passwd"}]}', RegistryErrorKind.MALFORMED),
        (b" " * (4 * 1024 * 1024 + 1), RegistryErrorKind.TOO_LARGE),
        (b'{"manifests": [{"digest": "sha256:%s", "annotations": {"org.opencontainers.image.ref.name": 1}}]}', None),
        (b'{"manifests": []}', None),
    ],
)
def test_a_layout_that_is_none(tmp_path: Path, index: bytes, error_kind: RegistryErrorKind | None) -> None:
    layout = tmp_path / "r.example.test" / "team" / "app"
    layout.mkdir(parents=True)
    (layout / "index.json").write_bytes(index.replace(b"%s", b"0" * 64))
    image = ImageReference.parse("r.example.test/team/app:v1")
    answer = OciLayoutRegistry(tmp_path).manifest(image, deadline_s=DEADLINE_S)
    if error_kind is None:
        assert isinstance(answer, Absent)
    else:
        assert isinstance(answer, RegistryUnknown)
        assert answer.error_kind is error_kind


def test_a_layout_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "r.example.test" / "team" / "app" / "index.json").mkdir(parents=True)
    image = ImageReference.parse("r.example.test/team/app:v1")
    answer = OciLayoutRegistry(tmp_path).manifest(image, deadline_s=DEADLINE_S)
    assert isinstance(answer, RegistryUnknown)
    assert answer.error_kind is RegistryErrorKind.UNREACHABLE
    assert answer.retryable
