"""Rewriting of admitted images to the digests that were verified.

Source: docs/spec/enforcement.md 10.2 and 15.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imagegate.core.admission.decision import Denial, PatchOp, pointer
from imagegate.core.admission.request import AdmissionRequest
from imagegate.core.admission.workload import ImageUse
from imagegate.core.enforcement.behaviour import CiseSettings
from imagegate.core.enforcement.evaluate import RequirementsResult
from imagegate.core.enforcement.image import CiseImage, parse_image
from imagegate.core.enforcement.policy import Entry
from imagegate.core.enforcement.rewrite_record import Rewrite, RewriteRecords, record_place
from imagegate.core.enforcement.selection import PolicySet, Selected, select
from imagegate.core.enforcement.workload import Workload


@dataclass(slots=True)
class ImageVerdict:
    """The result for one image."""

    use: ImageUse
    image: CiseImage | None = None
    """None for a blank image that is filled in later."""
    result: RequirementsResult | None = None
    denials: tuple[Denial, ...] = ()


@dataclass(slots=True)
class Rewriter:
    """Rewrites the images of one admitted object."""

    request: AdmissionRequest
    workload: Workload
    policies: PolicySet
    settings: CiseSettings
    records: RewriteRecords
    may_rewrite: bool
    """False where only the images of volumes are looked at, to warn about them."""
    keeps_records: bool
    """True if a record stays valid for as long as the object needs it."""

    def rewrites(self, verdicts: Sequence[ImageVerdict]) -> tuple[tuple[PatchOp, ...], tuple[str, ...]]:
        """The patch, and warnings about images that keep their tag."""
        operations: list[PatchOp] = []
        warnings: list[str] = []
        records: dict[str, Rewrite] = {}
        for verdict in verdicts:
            result, image, use = verdict.result, verdict.image, verdict.use
            if result is None or image is None:
                continue
            if result.entry.mutate_image is False and result.entry.trust.enabled:
                warnings.append(f"imagegate: image {use.name} admitted without digest (mutateImage: false)")
            if not result.digest or not result.entry.rewrites:
                continue
            if use.field.endswith(".reference"):  # an image volume
                warnings += _volume_warning(use, image, result.digest)
                continue
            if not self.may_rewrite:
                continue
            now = image.at_digest(result.digest, keep_tag=self.settings.keep_tag and self.keeps_records)
            if now == image.original:
                continue
            if self.keeps_records:
                records[record_place(use)] = Rewrite(image.original, now)
            elif not self._finds_again(now, result.entry):
                warnings.append(f"imagegate: image {use.name} admitted without digest: {result.entry.name} names a tag")
                continue
            if now != use.name:
                operations.append(PatchOp("replace", pointer(use.field), now))
        operations += self.records.patch(
            self.request.object or {}, metadata_paths(self.workload), records, self.request.namespace
        )
        return tuple(operations), tuple(warnings)

    def _finds_again(self, rewritten: str, entry: Entry) -> bool:
        """True if a second look at a rewritten image, without a record, would select the same entry."""
        image = parse_image(rewritten)
        found = select(self.policies, self.request.namespace, rewritten, image, self.settings)
        return isinstance(found, Selected) and found.entry is entry


def metadata_paths(workload: Workload) -> tuple[tuple[str, ...], ...]:
    """Places of a workload's record: its own metadata, and that of its pod template."""
    return (("metadata",),) if workload.is_pod else (("metadata",), (*workload.spec_path[:-1], "metadata"))


def _volume_warning(use: ImageUse, image: CiseImage, digest: str) -> list[str]:
    """The warning for a volume's image, which is never rewritten: a node mounts what its tag then resolves to.

    Source: docs/spec/enforcement.md 10.2.
    """
    if image.digest:
        return []
    seen = f"imagegate: image {use.name} of volume {use.owner} was verified as sha256:{digest}, but is not rewritten"
    return [f"{seen}: the node mounts what the tag then resolves to; name the digest in the volume's reference"]
