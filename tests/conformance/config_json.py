"""An image policy as the original's Go types print it, to compare both."""

from __future__ import annotations

from collections.abc import Sequence

from imagegate.core.image_policy.config import ExecutionRule, ResolutionRule
from imagegate.core.kube.go_quote import JsonValue
from imagegate.documents.image_policy_config import LoadedImagePolicy


def config_to_json(loaded: LoadedImagePolicy) -> dict[str, JsonValue]:
    """The configuration as the original's Go types print it: ``null`` for what was not written, ``[]`` for what was."""
    config = loaded.config
    out: dict[str, JsonValue] = {}
    if loaded.kind:
        out["kind"] = loaded.kind
    if loaded.api_version:
        out["apiVersion"] = loaded.api_version
    rules = [_execution_rule_json(rule) for rule in config.execution_rules]
    return out | {
        "resolveImages": config.resolve_images,
        "resolutionRules": [_resolution_rule_json(rule) for rule in config.resolution_rules],
        "executionRules": rules if loaded.execution_rules_written else None,
    }


def _resolution_rule_json(rule: ResolutionRule) -> JsonValue:
    return {"policy": rule.policy, "targetResource": rule.target._asdict(), "localNames": rule.local_names}


def _execution_rule_json(rule: ExecutionRule) -> JsonValue:
    def listed(name: str, values: Sequence[JsonValue]) -> JsonValue:
        return values if values or name in rule.written_empty else None

    docker_image_labels = [condition.to_json() for condition in rule.match_docker_image_labels]
    image_annotations = [condition.to_json() for condition in rule.match_image_annotations]
    return {
        "name": rule.name,
        "ignoreNamespaceOverride": rule.ignore_namespace_override,
        "onResources": [resource._asdict() for resource in rule.on_resources],
        "invertMatch": rule.invert_match,
        "matchIntegratedRegistry": rule.match_integrated_registry,
        "matchRegistries": listed("matchRegistries", list(rule.match_registries)),
        "skipOnResolutionFailure": rule.skip_on_resolution_failure,
        "matchDockerImageLabels": listed("matchDockerImageLabels", docker_image_labels),
        "matchImageLabels": listed("matchImageLabels", [selector.to_json() for selector in rule.match_image_labels]),
        "matchImageAnnotations": listed("matchImageAnnotations", image_annotations),
        "reject": rule.reject,
    }
