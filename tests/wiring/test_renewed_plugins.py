"""Other policy objects of a cluster reach everything that was made of the ones before."""

from __future__ import annotations

from imagegate.core.admission.plugin import Plugin
from imagegate.core.admission.template_plugin import TemplatePlugin
from imagegate.core.enforcement.plugin import CisePlugin
from imagegate.documents.image_policies import LoadedPolicies, read_policies
from imagegate.documents.master_config import MasterConfig
from imagegate.documents.yaml.source import read_source
from imagegate.ports.policy_objects import PolicyObjectsNow
from imagegate.service.guard.policy_guard import PolicyGuard
from imagegate.settings.load import read_settings
from imagegate.wiring.plugins import configured_plugins, with_objects
from tests.support.enforcement_setup import policy

SETTINGS = """
cise: {}
guard: {images: ['r.example.com/imagegate:1']}
imagePolicy:
  extraResources:
  - {group: argoproj.io, resource: rollouts, kind: Rollout, podSpecs: [spec.template.spec]}
"""


def names(plugin: Plugin) -> list[str]:
    assert isinstance(plugin, CisePlugin)
    return [each.name for each in plugin.policies.policies]


def test_templates_and_the_guard_are_judged_by_the_new_ones() -> None:
    settings = read_settings(read_source(SETTINGS, "s").documents[0], "s")
    before = configured_plugins(settings, MasterConfig(), LoadedPolicies(), objects=PolicyObjectsNow())
    files = read_policies(policy('{name: "*"}', name="new"), "p.yaml")
    after = with_objects(before, files, PolicyObjectsNow())
    assert [each.name for each in after] == [each.name for each in before]
    for each in after:
        if isinstance(each.plugin, TemplatePlugin):
            assert names(each.plugin.plugin) == names(each.plugin.judge) == ["new"]
    (guard,) = (each.plugin for each in after if isinstance(each.plugin, PolicyGuard))
    assert {name for each in guard.plugins for name in names(each.plugin)} == {"new"}
