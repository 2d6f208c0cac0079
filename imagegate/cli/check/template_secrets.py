"""Secrets in the files, for the TemplateInstances beside them."""

from __future__ import annotations

from imagegate.cli.check.manifests import Manifest, read_manifests
from imagegate.cli.check.pieces import Piece
from imagegate.core.openshift_templates.processing import NO_SECRETS
from imagegate.core.openshift_templates.secret_values import Secrets

_NAMES = ("TemplateInstance", "Secret")


def secrets_of(text: str, piece: Piece, namespace: str) -> Secrets:
    """The Secrets of a text that also has a TemplateInstance. Any other text is not read a second time."""
    if not all(name in text for name in _NAMES):
        return NO_SECRETS
    found = read_manifests(text, piece.file, first_line=piece.first_line)
    return Secrets((each.object for each in found if isinstance(each, Manifest)), namespace)
