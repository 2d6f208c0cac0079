"""The mode of a plug-in, and other modes for namespaces by their labels."""

from __future__ import annotations

from dataclasses import dataclass

from imagegate.core.kube.label_selector import LabelSelector
from imagegate.documents.image_policy_config import read_label_selector
from imagegate.documents.yaml.fields import Fields
from imagegate.settings.schema import choice, custom

MODES = ("enforce", "warn", "audit")


@dataclass(frozen=True, slots=True)
class NamespaceMode:
    """The mode of a plug-in in namespaces with certain labels; the first that matches decides."""

    selector: LabelSelector
    mode: str


def _namespace_modes(fields: Fields, name: str) -> tuple[NamespaceMode, ...]:
    return fields.each(name, _namespace_mode) or ()


def _namespace_mode(fields: Fields) -> NamespaceMode:
    selector = fields.child("selector")
    labels = read_label_selector(selector)
    selector.finish()
    if problem := labels.problem():
        fields.error("selector", problem)
    if not fields.has("mode"):
        fields.error("mode", "Required value")
    return NamespaceMode(labels, fields.choice("mode", MODES, MODES[0]))


def mode_of(plugin: str) -> str:
    """The setting of a plug-in's mode."""
    return choice("enforce", MODES, f"Effect of a denial by {plugin}: deny, warn the user, or only record it.")


def modes_by_namespace() -> tuple[NamespaceMode, ...]:
    """The setting of other modes."""
    doc = "Other modes for namespaces by their labels; the first selector that matches decides."
    return custom((), doc, "list of `{selector, mode}`", _namespace_modes)
