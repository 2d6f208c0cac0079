"""Lets the plug-ins judge pod templates of custom resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from imagegate.core.admission.custom_resources import CustomResource
from imagegate.core.admission.plugin import Plugin
from imagegate.core.admission.template_plugin import TemplatePlugin
from imagegate.core.always_pull import NAME as ALWAYS_PULL
from imagegate.core.image_policy.images_review import NAME as IMAGE_POLICY
from imagegate.service.policies.policy_set import ConfiguredPlugin

CISE = "cise"


def judging_templates(
    plugins: Iterable[ConfiguredPlugin], resources: Sequence[CustomResource]
) -> Iterator[ConfiguredPlugin]:
    """The plug-ins; those that judge Pods judge the templates of ``resources`` too."""
    for each in plugins:
        name = each.plugin.name
        if resources and name in (IMAGE_POLICY, ALWAYS_PULL, CISE):
            judge = _judging_templates(each.plugin) if name == CISE else each.plugin
            plugin = TemplatePlugin(each.plugin, judge, tuple(resources), judges_images=name != ALWAYS_PULL)
            yield replace(each, plugin=plugin)
        else:
            yield each


def _judging_templates(plugin: Plugin) -> Plugin:
    """Image enforcement without records of rewrites, which a custom resource may not store.

    With ``cise.rewriting: pods`` templates stay as they are written, though they are judged as Pods.
    """
    from imagegate.core.enforcement.behaviour import Rewriting  # takes time: imported when used
    from imagegate.core.enforcement.plugin import CisePlugin

    if not isinstance(plugin, CisePlugin):
        raise TypeError(f"plug-in {plugin.name} is not image enforcement")
    settings = plugin.settings
    if settings.rewriting is Rewriting.PODS:
        settings = replace(settings, rewriting=Rewriting.NEVER)
    return replace(plugin, settings=settings, record_key=b"")


def extra_resources(plugins: Iterable[ConfiguredPlugin]) -> tuple[CustomResource, ...]:
    """The custom resources whose templates the plug-ins judge."""
    return next((each.plugin.resources for each in plugins if isinstance(each.plugin, TemplatePlugin)), ())


def without_templates(plugin: Plugin) -> Plugin:
    """The plug-in itself."""
    return plugin.plugin if isinstance(plugin, TemplatePlugin) else plugin
