"""The import block of the configuration as a value."""

from __future__ import annotations

from imagegate.core.import_gate.behaviour import OPENSHIFT_4
from imagegate.core.import_gate.config import NO_LIMIT, ImagePolicyBlock
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.import_gate.transport import Transport
from imagegate.core.references.openshift import ImageReference


def test_the_defaults_are_the_originals() -> None:
    block = ImagePolicyBlock()
    assert block.max_images_bulk_imported_per_repository == 50
    assert block.scheduled_image_import_minimum_interval_s == 15 * 60
    assert block.max_scheduled_image_imports_per_minute == 60
    assert NO_LIMIT == -1


def test_an_absent_list_allows_everything_and_an_empty_one_nothing() -> None:
    image = ImageReference.parse("quay.io/a/b")
    absent = ImportGate.configured(ImagePolicyBlock().allowed_registries_for_import)
    assert absent.admit(image, Transport.SECURE).allowed
    empty = ImagePolicyBlock(allowed_registries_for_import=())
    assert not ImportGate.configured(empty.allowed_registries_for_import).admit(image, Transport.SECURE).allowed
    as_in_4 = ImportGate.configured(empty.allowed_registries_for_import, behaviour=OPENSHIFT_4)
    assert as_in_4.admit(image, Transport.SECURE).allowed


def test_lines_are_only_for_messages() -> None:
    entries = (AllowedRegistry("quay.io"),)
    one = ImagePolicyBlock(allowed_registries_for_import=entries, allowed_registry_lines=(3,))
    assert one == ImagePolicyBlock(allowed_registries_for_import=entries, allowed_registry_lines=(7,))
