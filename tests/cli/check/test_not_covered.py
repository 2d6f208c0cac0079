"""An object that no policy covers says why, and what is judged later."""

from __future__ import annotations

import pytest

from imagegate.cli.check.not_covered import why_kind_not_covered


@pytest.mark.parametrize(
    "api_version, kind, expected",
    [
        ("v1", "Service", "holds no images"),
        ("rbac.authorization.k8s.io/v1", "Role", "holds no images"),
        ("route.openshift.io/v1", "Route", "holds no images"),
        ("v1", "Pod", "no rule covers pods here"),
        ("apps/v1", "Deployment", "no rule covers this Deployment, or pods"),
        ("v1", "BuildConfig", "no rule covers builds; "),
        ("image.openshift.io/v1", "ImageStream", "no import list (allowedRegistriesForImport) covers it; "),
        ("v1", "ImageStream", "no import list (allowedRegistriesForImport) covers it; "),
        ("template.openshift.io/v1", "Template", "it makes no objects"),
        ("jobset.x-k8s.io/v1", "JobSet", "JobSet.jobset.x-k8s.io is not known: if it makes Pods, list it in "),
        ("argoproj.io/v1", "Rollout", "Rollout.argoproj.io is not known: if it makes Pods, list it in "),
        ("example.com/v1", "Deployment", "Deployment.example.com is not known"),
        ("", "X", "holds no images"),
    ],
)
def test_reason(api_version: str, kind: str, expected: str) -> None:
    assert why_kind_not_covered(api_version, kind, templates=True).startswith(expected)


def test_without_templates_their_pods_come_later() -> None:
    assert why_kind_not_covered("batch/v1", "Job", templates=False) == (
        "its Pods are judged when they are created; --templates judges them here"
    )
