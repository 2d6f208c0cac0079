"""Which store is opened, and what stands behind the image API of a service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.core.admission.access_review import Access, AccessHolders
from imagegate.core.admission.lookup import Found
from imagegate.core.admission.request import User
from imagegate.core.image_policy.marks import DENY_ANNOTATION, Marks
from imagegate.errors import InvalidSettings
from imagegate.service.image_api.local import holders_of
from imagegate.service.policies.policy_set import Mode
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.runtime import Runtime, build
from imagegate.wiring.stores import default_store_path

MASTER_CONFIG = {
    "kind": "MasterConfig",
    "apiVersion": "v1",
    "imagePolicyConfig": {
        "allowedRegistriesForImport": [{"domainName": "quay.io"}],
        "internalRegistryHostname": "reg.local:5000",
        "externalRegistryHostnames": ["reg.example.com"],
        "maxImagesBulkImportedPerRepository": 7,
        "disableScheduledImport": True,
    },
}


EXECUTION_RULES = [
    {
        "name": "quarantine",
        "reject": True,
        "onResources": [{"resource": "pods"}],
        "matchImageAnnotations": [{"key": "example.com/quarantine", "value": "true"}],
    },
    {
        "name": "tiers",
        "onResources": [{"resource": "pods"}],
        "matchImageLabels": [{"matchExpressions": [{"key": "example.com/tier", "operator": "Exists"}]}],
    },
]
POLICY = {"kind": "ImagePolicyConfig", "apiVersion": "v1", "executionRules": EXECUTION_RULES}


def made(
    tmp_path: Path, *, environ: dict[str, str] | None = None, policy: dict[str, Any] | None = None, **settings: object
) -> Runtime:
    config: dict[str, Any] = MASTER_CONFIG
    if policy is not None:
        config = {
            **config,
            "admissionConfig": {"pluginConfig": {"openshift.io/ImagePolicy": {"configuration": policy}}},
        }
    (tmp_path / "master-config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    path = tmp_path / "imagegate.yaml"
    path.write_text(yaml.safe_dump({"config": "master-config.yaml", **settings}), encoding="utf-8")
    return build(StartupOptions(settings_file=path, environ=environ or {}), keeps_images=True)


@pytest.mark.parametrize(
    "environ, path",
    [
        ({"XDG_STATE_HOME": "/state", "HOME": "/home/me"}, "/state/imagegate/images.db"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/me"}, "/home/me/.local/state/imagegate/images.db"),
        ({"HOME": "/home/me"}, "/home/me/.local/state/imagegate/images.db"),
        ({}, "/.local/state/imagegate/images.db"),
    ],
)
def test_where_the_store_is(environ: dict[str, str], path: str) -> None:
    assert default_store_path(environ) == Path(path)


def test_a_named_store_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InvalidSettings, match=r"store.path: .*cannot be opened"):
        made(tmp_path, store={"path": "file/images.db"})


def test_without_a_place_for_a_store_there_is_no_image_api(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("not a folder")
    service = made(tmp_path, environ={"XDG_STATE_HOME": str(tmp_path / "file")})
    assert service.images is None
    assert "no image API" in caplog.text
    twin = made(tmp_path, environ={"XDG_STATE_HOME": str(tmp_path / "state")})
    assert twin.images is not None


def test_documents_reach_the_image_api(tmp_path: Path) -> None:
    service = made(tmp_path, store={"path": "images.db"}, importGate={"mode": "warn"})
    assert service.images is not None
    objects = service.images.api.objects
    assert (objects.hosts().internal, objects.hosts().external) == ("reg.local:5000", "reg.example.com")
    in_force = objects.gate("default")
    assert [rule.label for rule in in_force.gate.rules] == ["reg.local:5000", "quay.io:443"]
    assert in_force.mode is Mode.WARN
    assert service.images.schedule.disabled
    assert not service.images.is_stopping()


def test_rules_say_what_a_mark_is(tmp_path: Path) -> None:
    service = made(tmp_path, policy=POLICY, store={"path": "images.db"})
    assert service.images is not None
    marks = service.images.api.objects.marks()
    assert marks == Marks(frozenset({DENY_ANNOTATION, "example.com/quarantine"}), frozenset({"example.com/tier"}))


def test_who_may_do_what(tmp_path: Path) -> None:
    rules = {
        "kind": "AccessRules",
        "rules": [{"users": ["alice"], "verbs": ["get"], "apiGroups": ["*"], "resources": ["imagestreams/layers"]}],
    }
    (tmp_path / "access.yaml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    service = made(tmp_path, store={"path": "images.db"}, accessRules="access.yaml")
    assert service.images is not None

    def may(user: User, verb: str = "get") -> bool:
        question = Access(user, verb, "image.openshift.io", "imagestreams", "layers", "other", "app")
        assert service.images is not None
        answer = service.images.api.objects.answers([question])[question]
        assert isinstance(answer, Found)
        return bool(answer.value.allowed)

    assert may(User("alice"))
    assert not may(User("bob"))
    assert may(User("root", "", ("system:masters",)))
    asked = Access(User(""), "get", "image.openshift.io", "imagestreams", "layers", "other")
    found = holders_of(service.images.api.objects, asked)
    assert isinstance(found, Found)
    assert found.value == AccessHolders(frozenset({"alice"}), frozenset({"system:masters"}))
