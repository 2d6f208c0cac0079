"""Every file under config/ is read by what reads it in the service, and says what its comments say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from imagegate.adapters.files.config import load_config
from imagegate.cli.lint.files import lint_paths
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.image_policy.config import apply_defaults
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.profile import Profile
from imagegate.documents.convert.inventory import read_inventory
from imagegate.documents.image_objects import read_image_objects
from imagegate.documents.image_policies import read_policies
from imagegate.documents.lint.findings import Severity
from imagegate.settings.load import load_settings

CONFIG = Path(__file__).resolve().parent.parent / "config"
EXAMPLES = CONFIG / "examples"
DIGEST = "sha256:09ce3d8b5b63595ffca6636c7daefb1a615a7c0e3f8ea68e5db044a9340d6ba8"
DENY = "images.openshift.io/deny-execution"
STEPS = ("step-2-docker-hub", "step-3-other-registry", "step-4-internal-registry", "step-5-unknown-tag")


def files() -> list[Path]:
    return sorted(path for path in CONFIG.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(CONFIG)))
def test_every_file_is_read_by_what_reads_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    place = path.relative_to(CONFIG)
    if place.name == "imagegate.yaml":
        load_settings(path, environ={})
    elif place.name in ("master-config.yaml", "default-policy.yaml"):
        load_config(path)
    elif place.parts[0] == "policies" or place.name == "cluster-policy.yaml":
        assert read_policies(text, str(path)).policies or "ImagePolicy" not in text
    elif place.parts[:2] in (("examples", "images"), ("examples", "images-denied")):
        assert read_image_objects(text, str(path), namespace="default")
    elif place.parts[:2] == ("examples", "pods"):
        assert yaml.safe_load(text)["kind"] == "Pod"
    elif place.parts[:2] == ("examples", "reviews"):
        AdmissionRequest.parse(json.loads(text), Phase.MUTATE)
    elif path.suffix == ".ini":
        assert read_inventory(text, str(path)).blocks
    elif path.suffix == ".py":
        compile(text, str(path), "exec")
    else:
        assert list(yaml.safe_load_all(text)), f"{place}: nothing reads it"


def test_the_manuals_example_is_what_the_manual_says() -> None:
    config = load_config(CONFIG / "master-config.yaml")
    assert config.image_policy is not None
    assert config.image_policy.resolve_images == "AttemptRewrite"
    assert [(rule.name, rule.reject) for rule in config.image_policy.execution_rules] == [
        ("execution-denied", True),
        ("allow-images-from-internal-registry", False),
        ("allow-images-from-dockerhub", False),
    ]
    assert [(str(rule.target), rule.local_names, rule.policy) for rule in config.image_policy.resolution_rules] == [
        ("pods", True, "AttemptRewrite"),
        ("jobs.batch", True, "AttemptRewrite"),
    ]
    assert not config.always_pull
    manuals = (
        AllowedRegistry("registry.access.redhat.com"),
        AllowedRegistry("*.mydomain.com", True),
        AllowedRegistry("local.registry.corp:5000"),
    )
    assert (config.import_policy.allowed_registries_for_import or ())[-3:] == manuals
    assert config.import_policy.internal_registry_hostname == "172.30.1.1:5000"
    assert config.warnings == ()


def test_always_pull_is_turned_on_by_one_word(tmp_path: Path) -> None:
    text = (CONFIG / "master-config.yaml").read_text(encoding="utf-8")
    changed = tmp_path / "m.yaml"
    changed.write_text(text.replace("disable: true", "disable: false"), encoding="utf-8")
    assert load_config(changed).always_pull


def test_the_default_policy_is_the_one_that_openshift_ships() -> None:
    for profile in Profile:
        config = load_config(CONFIG / "default-policy.yaml", profile)
        assert config.image_policy is not None
        (rule,) = config.image_policy.execution_rules
        assert (rule.name, rule.reject, rule.skip_on_resolution_failure) == ("execution-denied", True, True)
        assert config.image_policy.resolve_images == apply_defaults().resolve_images


@pytest.mark.parametrize(
    "path", [CONFIG / "master-config.yaml", CONFIG / "default-policy.yaml", CONFIG / "imagegate.yaml"]
)
def test_lint_finds_nothing_in_the_samples(path: Path) -> None:
    assert lint_paths([path], Profile.DOCUMENTED) == []
    assert all(finding.severity is Severity.WARNING for finding in lint_paths([path], Profile.OPENSHIFT_4))


@pytest.mark.parametrize("step", STEPS)
def test_a_review_holds_the_pod_of_its_manifest(step: str) -> None:
    pod = yaml.safe_load((EXAMPLES / "pods" / f"{step}.yaml").read_text(encoding="utf-8"))
    review = json.loads((EXAMPLES / "reviews" / f"{step}.json").read_text(encoding="utf-8"))
    request = AdmissionRequest.parse(review, Phase.MUTATE)
    assert (request.namespace, request.operation, str(request.resource)) == ("default", "CREATE", "pods")
    assert request.object is not None
    assert request.object["spec"] == pod["spec"]
    assert request.object["metadata"] == {**pod["metadata"], "namespace": "default"}


def test_the_two_sets_of_images_differ_by_the_mark_alone() -> None:
    sets = [
        read_image_objects(
            (EXAMPLES / name / "image-policy-check.yaml").read_text(encoding="utf-8"), "f", namespace="default"
        )
        for name in ("images", "images-denied")
    ]
    plain, denied = [{written.kind: written.object for written in objects} for objects in sets]
    assert plain["ImageStream"] == denied["ImageStream"]
    assert plain["Image"]["metadata"]["name"] == DIGEST
    assert denied["Image"]["metadata"].pop("annotations") == {DENY: "true"}
    assert plain == denied
