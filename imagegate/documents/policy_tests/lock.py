"""The lock file of policy tests: the digests that tags had when it was written."""

from __future__ import annotations

from imagegate.core.references.docker import check_digest
from imagegate.documents.policy_tests.read import InvalidSuite
from imagegate.documents.policy_tests.suite import API_VERSION
from imagegate.documents.yaml.fields import Fields, Report
from imagegate.documents.yaml.source import read_source
from imagegate.errors import InvalidDigest

KIND = "PolicyTestLock"


def read_lock(text: str, file: str) -> dict[str, str]:
    """Image with Docker's defaults -> digest.

    Raises:
        ConfigError: not YAML, another kind of document, or something that is no digest.
    """
    report = Report(file)
    documents = [node for node in read_source(text, file).documents if node.value is not None]
    if len(documents) != 1:
        raise InvalidSuite(f"{file}:1: expected one document of kind {KIND}")
    fields = Fields(documents[0], "", report)
    for name, value in (("apiVersion", API_VERSION), ("kind", KIND)):
        if fields.text(name) != value:
            fields.error(name, f"expected {value}")
    images = fields.child("images")
    found = {name: images.text(name) for name in images.entries}
    for name, digest in found.items():
        try:
            check_digest(digest)
        except InvalidDigest as error:
            images.error(name, f"{digest}: {error}")
    fields.finish()
    report.check(InvalidSuite)
    return found


def lock_document(images: dict[str, str]) -> dict[str, object]:
    """The lock file's document, in the order of names."""
    return {"apiVersion": API_VERSION, "kind": KIND, "images": dict(sorted(images.items()))}
