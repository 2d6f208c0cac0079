"""The files that fixtures name: keys, signatures, trust data and reports of scanners."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from imagegate.cli.check.manifests import read_objects
from imagegate.cli.check.yaml_text import BadManifest
from imagegate.cli.policy_tests.inputs import read_bounded
from imagegate.core.content_trust.limits import MAX_UPDATE_BYTES
from imagegate.core.enforcement.questions import InvalidSecret, secret_item
from imagegate.core.references.openshift import ImageReference
from imagegate.core.signing.key_ring import InvalidKeyRing, KeyRing
from imagegate.core.signing.requirements import SIGNATURES_MAX
from imagegate.core.vulnerabilities.formats import read_report
from imagegate.core.vulnerabilities.report import REPORT_MAX_BYTES
from imagegate.core.vulnerabilities.verdict import PlacedReport
from imagegate.documents.policy_tests.read import InvalidSuite
from imagegate.documents.policy_tests.suite import ImageFixture, Place, SignatureFixture, Suite
from imagegate.errors import EvidenceError
from imagegate.service.policy_tests.evidence import FixtureFiles, Signed, full_name

SIGNATURE_MAX_BYTES = 4 * 1024 * 1024
TRUST_FILES_MAX = 1000


def fixture_files(suite: Suite, folder: Path) -> FixtureFiles:
    """The contents of all files that the fixtures of a suite name.

    Args:
        folder: that of the suite.

    Raises:
        InvalidSuite: one cannot be read, or holds something else.
    """
    return FixtureFiles(
        signatures={each: _signed(each, image, folder) for image in suite.registry for each in image.signatures},
        trust={
            _repository(image): _trust_files(folder / image.trust.folder, _below(image.trust.place, "folder"))
            for image in suite.registry
            if image.trust is not None and image.trust.folder
        },
        reports={
            full_name(image.image): tuple(_report(each, image, folder) for each in image.reports)
            for image in suite.registry
            if image.reports
        },
    )


def _repository(image: ImageFixture) -> str:
    return ImageReference.parse(image.image).with_docker_defaults().as_repository().exact


def _signed(signature: SignatureFixture, image: ImageFixture, folder: Path) -> Signed:
    if signature.file:
        at = _below(signature.place, "file")
        return Signed(blobs=(read_bounded(folder / signature.file, SIGNATURE_MAX_BYTES, at),))
    if signature.folder:
        return Signed(blobs=tuple(_stored(folder / signature.folder, image, _below(signature.place, "folder"))))
    at = _below(signature.place, "key")
    content = read_bounded(folder / signature.key, SIGNATURE_MAX_BYTES, at)
    is_armoured = any(line.startswith(b"-----BEGIN ") for line in content.splitlines())
    try:
        return Signed(key=KeyRing.parse(content if is_armoured else _key_of_secret(content, at)))
    except InvalidKeyRing as error:
        raise InvalidSuite(f"{at}: {signature.key}: {error}") from error


def _stored(store: Path, image: ImageFixture, at: Place) -> Iterator[bytes]:
    """The signatures of an image in a lookaside store, up to the first number that is missing."""
    if not image.digest:
        raise InvalidSuite(f"{at}: signatures in a store are of a digest: the image needs one")
    path = ImageReference.parse(image.image).with_docker_defaults().as_repository()
    name = path.exact.partition("/")[2]
    place = store / f"{name}@{image.digest.replace(':', '=')}"
    if not store.is_dir():
        raise InvalidSuite(f"{at}: {store}: not a folder")
    for number in count(1):
        file = place / f"signature-{number}"
        if not file.exists():
            return
        if number >= SIGNATURES_MAX:
            raise InvalidSuite(f"{at}: {place}: more than {SIGNATURES_MAX} signatures")
        yield read_bounded(file, SIGNATURE_MAX_BYTES, at)


def _trust_files(folder: Path, at: Place) -> dict[str, bytes]:
    """Trust data by name; ``targets/alice.json`` is ``targets/alice``."""
    found: dict[str, bytes] = {}
    left = MAX_UPDATE_BYTES
    for path in _json_files(folder, at):
        content = found[path.relative_to(folder).as_posix().removesuffix(".json")] = read_bounded(path, left, at)
        left -= len(content)
        if len(found) > TRUST_FILES_MAX:
            raise InvalidSuite(f"{at}: {folder}: more than {TRUST_FILES_MAX} files")
    if "root" not in found:
        raise InvalidSuite(f"{at}: {folder}: no root.json, so this is no trust data")
    return found


def _json_files(folder: Path, at: Place) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise InvalidSuite(f"{at}: {error.filename}: cannot be read: {error.strerror}") from error

    for parent, _, names in os.walk(folder, onerror=fail):
        yield from (Path(parent) / name for name in sorted(names) if name.endswith(".json"))


def _report(name: str, image: ImageFixture, folder: Path) -> PlacedReport:
    at = _below(image.place, "reports")
    content = read_bounded(folder / name, REPORT_MAX_BYTES, at)
    try:
        return PlacedReport(name, read_report(content), names_image=True)
    except EvidenceError as error:
        raise InvalidSuite(f"{at}: {name}: {error}") from error


def _key_of_secret(content: bytes, at: Place) -> bytes:
    try:
        for manifest in read_objects(content.decode("utf-8-sig"), str(at)):
            item = secret_item(manifest.object, "key")
            if manifest.object.get("kind") == "Secret" and item is not None:
                return item.content
    except (BadManifest, UnicodeDecodeError, InvalidSecret) as error:
        raise InvalidSuite(f"{at}: {error}") from error
    raise InvalidSuite(f"{at}: neither an armoured public key nor a Secret with an item key")


def _below(place: Place, name: str) -> Place:
    return place._replace(path=f"{place.path}.{name}")
