"""Limit ranges and quotas that a cluster refuses."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.cluster_kinds.validation import object_errors


def errors(*items: dict[str, Any]) -> list[str]:
    return [str(error) for error in object_errors("LimitRange", {"spec": {"limits": list(items)}})]


def of(**fields: Any) -> list[str]:
    return [each.removeprefix("spec.limits[0].") for each in errors({"type": "Container", **fields})]


def test_good_ones() -> None:
    assert errors({"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1"}}, {"type": "Pod"}) == []
    assert errors({"type": "openshift.io/Image", "max": {"storage": "1Gi"}}) == []
    assert of(max={"cpu": "2"}, min={"cpu": "1"}, maxLimitRequestRatio={"cpu": "2"}) == []
    assert of(max={"cpu": "2"}, min={"cpu": "0"}, maxLimitRequestRatio={"cpu": "2"}) == []  # no quotient
    assert object_errors("LimitRange", {}) == []


def test_types() -> None:
    assert errors({"type": "Pod"}, {"type": "Pod"}) == ['spec.limits[1].type: Duplicate value: "Pod"']
    assert errors({"type": "Node"}) == [
        'spec.limits[0].type: Invalid value: "Node": must be a standard limit type or fully qualified'
    ]
    assert len(errors({})) == 2  # an empty name is invalid in two ways


@pytest.mark.parametrize(
    "fields, expected",
    [
        (
            {"max": {"disk": "1"}},
            'max[disk]: Invalid value: "disk": must be a standard resource type or fully qualified',
        ),
        ({"max": {"pods": "1"}}, 'max[pods]: Invalid value: "pods": must be a standard resource for containers'),
        (
            {"min": {"cpu": "2"}, "max": {"cpu": "1"}},
            'min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
        ),
        (
            {"default": {"cpu": "2"}, "max": {"cpu": "1"}},
            'default[cpu]: Invalid value: "1": default value 2 is greater than max value 1',
        ),
        (
            {"defaultRequest": {"cpu": "2"}, "default": {"cpu": "1"}},
            'defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than default limit value 1',
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "500m"}},
            'maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1',
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "3"}, "min": {"cpu": "1"}, "max": {"cpu": "2"}},
            'maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000',
        ),
        (
            {"default": {"hugepages-2Mi": "4Mi"}, "defaultRequest": {"hugepages-2Mi": "2Mi"}},
            (
                'defaultRequest[hugepages-2Mi]: Invalid value: "2Mi": default value 4Mi must equal to defaultRequest '
                "value 2Mi in hugepages-2Mi"
            ),
        ),
    ],
)
def test_refused_amounts(fields: dict[str, Any], expected: str) -> None:
    assert expected in of(**fields)


def test_ratios_of_huge_amounts_are_compared_as_whole_numbers() -> None:
    huge = {"max": {"memory": "8Ei"}, "min": {"memory": "4Ei"}}
    assert of(**huge, maxLimitRequestRatio={"memory": "2"}) == []
    assert "greater than max/min = 2.000000" in of(**huge, maxLimitRequestRatio={"memory": "3"})[0]


def test_pods_have_no_defaults_and_claims_a_limit() -> None:
    assert errors({"type": "Pod", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}}) == [
        "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
        "spec.limits[0].defaultRequest: Forbidden: may not be specified when `type` is 'Pod'",
    ]
    assert errors({"type": "PersistentVolumeClaim", "max": {"cpu": "1"}}) == [
        (
            "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither "
            "was provided"
        )
    ]


@pytest.mark.parametrize(
    "name, amount, expected",
    [
        ("pods", "10", []),
        ("count/jobs.batch", "1", []),
        ("pods", "1500m", ['spec.hard[pods]: Invalid value: "1500m": must be an integer']),
        ("cpu", "-1", ['spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0']),
        (
            "disk",
            "1",
            [
                'spec.hard[disk]: Invalid value: "disk": must be a standard resource type or fully qualified',
                'spec.hard[disk]: Invalid value: "disk": must be a standard resource for quota',
            ],
        ),
        ("storage", "1", ['spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota']),
    ],
)
def test_quotas(name: str, amount: str, expected: list[str]) -> None:
    assert list(map(str, object_errors("ResourceQuota", {"spec": {"hard": {name: amount}}}))) == expected


def test_extended_resources() -> None:
    assert of(max={"example.com/gpu": "1"}) == []
    assert "doesn't follow extended resource name standard" in of(max={"requests.example.com/gpu": "1"})[0]
