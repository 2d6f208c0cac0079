"""Policies from files that deny imagegate's own image are not put in force, at the start and later."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.adapters.files.kept_policies import PolicyFolder
from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.admission.plugin import Question
from imagegate.core.admission.running_images import RunningImages
from imagegate.errors import ConfigError, InvalidPolicy
from imagegate.service.guard.at_start import LOOK_UPS_S, LockoutCheck
from imagegate.service.policies.policy_set import PolicyHolder, PolicySet
from imagegate.settings.guard import GuardSettings
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.documents import PolicyDocuments
from imagegate.wiring.guard import lockout_check, own_namespace
from imagegate.wiring.initial_policies import begin, owner

OWN = "registry.example.com/imagegate:1"


def now() -> datetime:
    return datetime.now(UTC)


CHECK = lockout_check(None, clock=now)


def image_policy(*registries: str) -> str:
    """A master-config that accepts images of these registries for pods."""
    rule = {"name": "known", "matchRegistries": list(registries), "onResources": [{"resource": "pods"}]}
    policy = {"kind": "ImagePolicyConfig", "apiVersion": "v1", "resolveImages": "DoNotAttempt"}
    configuration = {"configuration": {**policy, "executionRules": [rule]}}
    plugins = {"pluginConfig": {"openshift.io/ImagePolicy": configuration}}
    return yaml.safe_dump({"kind": "MasterConfig", "apiVersion": "v1", "admissionConfig": plugins})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "master-config.yaml"
    path.write_text(image_policy("docker.io"))
    return path


def documents(config: Path, guard: str = f"images: [{OWN}]", more: str = "") -> PolicyDocuments:
    settings = config.with_name("imagegate.yaml")
    settings.write_text(f"config: {config}\nguard: {{{guard}}}\n{more}")
    return PolicyDocuments(StartupOptions(settings_file=settings, environ={}))


def refusal(inputs: PolicyDocuments, check: LockoutCheck = CHECK) -> str:
    try:
        check(inputs.load())
    except InvalidPolicy as error:
        return str(error)
    return ""


def test_an_image_policy_without_own_image_is_refused_with_rule_image_and_repair(config: Path) -> None:
    said = refusal(documents(config))
    assert said.startswith(
        f"guard: image {OWN} in namespace imagegate is denied by image-policy: this image is prohibited by policy: no "
        'rule allows it (resource pods, registry "registry.example.com")'
    )
    assert said.endswith(
        ": add an accept rule for it, or the namespace to imagePolicy.exemptNamespaces; to allow it nevertheless, "
        'set guard.lockout to "warn"'
    )


def test_a_rule_that_accepts_it_or_an_exempt_namespace_repairs_it(config: Path) -> None:
    assert refusal(documents(config, more="imagePolicy: {exemptNamespaces: [imagegate]}")) == ""
    config.write_text(image_policy("docker.io", "registry.example.com"))
    assert refusal(documents(config)) == ""


def test_a_namespace_where_the_policy_only_warns_is_not_locked_out(config: Path) -> None:
    inputs = documents(config, more="imagePolicy: {mode: warn}")
    assert refusal(inputs) == ""


def test_the_setting_overrides_and_the_log_says_so(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert refusal(documents(config, f"images: [{OWN}], lockout: warn")) == ""
    assert f"policies lock out: image {OWN}" in caplog.text


def test_nothing_is_guarded_without_images_and_cluster(config: Path) -> None:
    assert refusal(documents(config, "")) == ""


class TestCluster:
    """What runs is listed by the API; the cluster here answers from memory."""

    @pytest.fixture
    def inputs(self, config: Path) -> PolicyDocuments:
        return documents(config, "ownNamespace: gate", more="cluster: {kubeconfig: unused}\n")

    def check(self, images: Lookup[Any], **labels: str) -> LockoutCheck:
        def look_up(question: Question, deadline_s: float) -> Lookup[Any]:
            assert deadline_s <= LOOK_UPS_S
            if isinstance(question, RunningImages):
                return images if question.namespace == "kube-system" else Found(())
            return Found({"metadata": {"labels": labels}})

        return LockoutCheck(look_up, clock=now)

    def test_images_of_system_pods_are_guarded(self, inputs: PolicyDocuments) -> None:
        said = refusal(inputs, self.check(Found(("registry.k8s.io/proxy:1", "docker.io/library/x:1"))))
        assert said.startswith("guard: image registry.k8s.io/proxy:1 in namespace kube-system is denied")
        assert "docker.io/library/x" not in said

    def test_many_are_told_in_a_few_lines(self, inputs: PolicyDocuments) -> None:
        said = refusal(inputs, self.check(Found(tuple(f"r.example.com/x:{number}" for number in range(100)))))
        assert len(said.split("\n")) == 6
        assert said.endswith("guard: and 95 more images that may not start again")

    def test_labels_of_the_namespace_choose_the_mode(self, config: Path) -> None:
        by_label = "imagePolicy: {namespaces: [{selector: {matchLabels: {system: 'yes'}}, mode: audit}]}\n"
        inputs = documents(config, "", more=f"cluster: {{kubeconfig: unused}}\n{by_label}")
        images = Found(("registry.k8s.io/proxy:1",))
        assert refusal(inputs, self.check(images, system="yes")) == ""
        assert refusal(inputs, self.check(images)) != ""

    def test_pods_that_cannot_be_listed_do_not_stop_a_start(
        self, inputs: PolicyDocuments, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A service that does not start without the API server would be a deadlock of its own."""
        assert refusal(inputs, self.check(Unknown("pods is forbidden"))) == ""
        assert "not every guarded image is known, so policies may deny one: pods is forbidden" in caplog.text


class TestInForce:
    def begun(self, config: Path, *, state: Path | None = None) -> PolicySet:
        inputs = documents(config)
        folder = None if state is None else PolicyFolder(state)
        return begin(inputs.load, folder, clock=now, check=CHECK).policies

    def test_the_service_does_not_start(self, config: Path) -> None:
        with pytest.raises(ConfigError, match="guard: image"):
            self.begun(config)

    def test_a_reload_keeps_the_last_good_policies(self, config: Path, tmp_path: Path) -> None:
        config.write_text(image_policy("registry.example.com"))
        inputs = documents(config)
        beginning = begin(inputs.load, None, clock=now, check=CHECK)
        holder = PolicyHolder(lambda: beginning.policies, now)
        owned = owner(holder, beginning, inputs, tmp_path / "shared", None, clock=now, check=CHECK)
        config.write_text(image_policy("docker.io"))
        assert not owned.reload()
        assert holder.current is beginning.policies
        assert "guard: image" in holder.state.error

    def test_a_restart_goes_on_with_what_was_in_force(self, config: Path, tmp_path: Path) -> None:
        """Also if by now it locks something out: what it denies was denied before."""
        config.write_text(image_policy("registry.example.com"))
        inputs = documents(config)
        good = begin(inputs.load, None, clock=now, check=CHECK)
        folder = PolicyFolder(tmp_path / "state")
        with folder.locked():
            folder.keep(good.documents, version=good.policies.version, at=now())
        config.write_text(image_policy("docker.io"))
        beginning = begin(inputs.load, folder, clock=now, check=CHECK)
        assert beginning.policies.version == good.policies.version
        assert "guard: image" in beginning.error


def test_own_namespace_is_that_of_the_pod(tmp_path: Path) -> None:
    file = tmp_path / "namespace"
    assert own_namespace(GuardSettings(), file) == "imagegate"
    file.write_text("gate\n")
    assert own_namespace(GuardSettings(), file) == "gate"
    assert own_namespace(GuardSettings(own_namespace="given"), file) == "given"
