"""Answers which digest a reference stands for, from its registry."""

from __future__ import annotations

from imagegate.core.cise_questions import ManifestDigest, NeedsCredentials
from imagegate.core.evidence import Found, Lookup, Unknown
from imagegate.ports.registry import Registry, RegistryAccess, RegistryUnknown, Trouble


class ManifestDigests:
    """The answerer of ``ManifestDigest``."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def ask(self, question: ManifestDigest, *, deadline_s: float) -> Lookup[str]:
        """The digest of the manifest's bytes; of a list, that of the list."""
        access = RegistryAccess(question.secrets, anonymous_first=True)
        answer = self._registry.manifest(question.image, access=access, deadline_s=deadline_s)
        if isinstance(answer, Found):
            return Found(answer.value.digest, answer.source)
        if isinstance(answer, RegistryUnknown) and answer.trouble is Trouble.NO_CREDENTIALS:
            return NeedsCredentials(answer.why, answer.retryable)
        if isinstance(answer, RegistryUnknown) and answer.trouble is Trouble.INTEGRITY and question.image.id:
            return Unknown(f"Manifest does not match provided manifest digest {question.image.id}", retryable=False)
        return answer
