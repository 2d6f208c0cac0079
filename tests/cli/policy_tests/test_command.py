"""``imagegate test``: verdicts, expectations, fixtures, coverage, lock, formats."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import yaml

from tests.cli.commands import Command, Ran, pod
from tests.cli.test_formats import schema
from tests.support.gpg import GpgHome
from tests.support.registry import Registry
from tests.support.service import CONFIG

GOOD, BAD = "docker.io/library/nginx:1.27", "quay.io/evil/x:1"
DIGEST, OTHER = "sha256:" + "3" * 64, "sha256:" + "4" * 64
STORED = "sha256:09ce3d8b5b63595ffca6636c7daefb1a615a7c0e3f8ea68e5db044a9340d6ba8"
SIGNED_DEMO = CONFIG / "policies/sample/signed-demo.yaml"
TRUST = """\
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: trusted}
spec:
  repositories:
  - name: "docker.io/*"
    policy:
      trust: {enabled: true, trustServer: "https://notary.example"%s}
"""


class Suites:
    """Writes suites and runs them."""

    def __init__(self, imagegate: Command, folder: Path) -> None:
        self._imagegate = imagegate
        self.folder = folder

    def write(self, *cases: dict[str, Any], policy: dict[str, Any] | None = None, **fixtures: Any) -> Path:
        document = {
            "apiVersion": "imagegate.dev/v1alpha1",
            "kind": "PolicyTest",
            "policy": policy or {"config": str(CONFIG / "master-config.yaml")},
            "fixtures": fixtures,
            "cases": list(cases),
        }
        path = self.folder / "imagegate-test.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return path

    def __call__(self, *options: str) -> Ran:
        return self._imagegate("test", *options, self.folder)

    def failures(self) -> list[str]:
        found = json.loads(self("-o", "json").out)
        return [failure["text"] for test in found["tests"] for failure in test["failures"]]


@pytest.fixture
def suites(imagegate: Command, tmp_path: Path) -> Suites:
    return Suites(imagegate, tmp_path)


def case(image: str, verdict: str, **more: Any) -> dict[str, Any]:
    expect = {key: more.pop(key) for key in ("denials", "rewrites", "warnings") if key in more}
    return {"name": f"{image} {verdict}", "image": image, "expect": {"verdict": verdict, **expect}, **more}


class TestVerdicts:
    def test_the_samples_pass_and_every_rule_decides(self, imagegate: Command) -> None:
        ran = imagegate("test", "--require-coverage", CONFIG / "examples/tests")
        assert (ran.code, ran.err) == (0, "")
        assert "12 passed, 0 failed; 9 of 9 rules decided something" in ran.out

    def test_a_verdict_that_is_not_met(self, suites: Suites) -> None:
        path = suites.write(case(GOOD, "allowed"), case(BAD, "allowed"))
        ran = suites()
        assert ran.code == 1
        line = len(path.read_text().splitlines())
        assert f"{path}:{line}: cases[1].expect.verdict: expected allowed, got denied; spec.containers[0]" in ran.out

    def test_the_same_verdict_as_check(self, imagegate: Command, suites: Suites, tmp_path: Path) -> None:
        manifests = tmp_path / "pods.yaml"
        manifests.write_text(f"{pod(GOOD)}---\n{pod(BAD, name='bad')}")
        checked = json.loads(imagegate("check", "--config", CONFIG / "master-config.yaml", "-o", "json", manifests).out)
        suites.write(
            {"name": "a", "file": "pods.yaml", "objectName": "web", "expect": {"verdict": "allowed"}},
            {"name": "b", "file": "pods.yaml", "objectName": "bad", "expect": {"verdict": "denied"}},
        )
        tested = json.loads(suites("-o", "json").out)
        assert [each for test in tested["tests"] for each in test["objects"]] == checked["results"]

    def test_every_object_of_a_file_must_meet_it(self, suites: Suites, tmp_path: Path) -> None:
        (tmp_path / "pods.yaml").write_text(f"{pod(GOOD)}---\n{pod(BAD)}")
        suites.write({"name": "a", "file": "pods.yaml", "expect": {"verdict": "allowed"}})
        assert len(suites.failures()) == 1

    def test_pods_that_an_object_makes_are_judged(self, suites: Suites) -> None:
        containers = [{"name": "c", "image": BAD}]
        spec = {"template": {"spec": {"containers": containers}}}
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
        suites.write({"name": "a", "object": deployment, "expect": {"verdict": "denied"}})
        assert suites().code == 0

    def test_the_environment_does_not_count(self, suites: Suites, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IMAGEGATE_IMAGE_POLICY_MODE", "audit")
        suites.write(case(BAD, "denied"))
        assert suites().code == 0


class TestExpectations:
    def test_a_denial_is_compared_field_by_field(self, suites: Suites) -> None:
        right = {"image": BAD, "plugin": "image-policy", "code": "no-rule-allows", "at": "spec.containers[0].image"}
        suites.write(case(BAD, "denied", denials=[right]))
        assert suites().code == 0
        for field in right:
            suites.write(case(BAD, "denied", denials=[{**right, field: "other"}]))
            assert any("no denial with" in text for text in suites.failures())

    def test_texts_are_compared_whole_or_in_part(self, suites: Suites) -> None:
        text = json.loads(self.run(suites, case(BAD, "denied")).out)["tests"][0]["objects"][0]["problems"][0]["because"]
        for denial, code in (
            ({"text": text}, 0),
            ({"contains": text[5:20]}, 0),
            ({"text": text[:-1]}, 1),
            ({"contains": "x" + text}, 1),
        ):
            suites.write(case(BAD, "denied", denials=[denial]))
            assert suites().code == code

    @staticmethod
    def run(suites: Suites, *cases: dict[str, Any]) -> Ran:
        suites.write(*cases)
        return suites("-o", "json")

    def test_a_denial_that_is_not_expected_fails(self, suites: Suites) -> None:
        two = {"name": "p"}, [{"name": "a", "image": BAD}, {"name": "b", "image": "ghcr.io/a/b:1"}]
        document = {"apiVersion": "v1", "kind": "Pod", "metadata": two[0], "spec": {"containers": two[1]}}
        suites.write({"name": "a", "object": document, "expect": {"verdict": "denied", "denials": [{"image": BAD}]}})
        (text,) = suites.failures()
        assert text.startswith("not expected: spec.containers[1].image: ghcr.io/a/b:1")

    def test_rewrites_are_compared(self, suites: Suites) -> None:
        policy = {"settings": str(CONFIG / "imagegate.yaml")}
        step = {"name": "a", "file": str(CONFIG / "examples/pods/step-4-internal-registry.yaml")}
        at, to = "/spec/containers/0/image", f"openshift/image-policy-check@{STORED}"
        for rewrites, wrong in (
            ([{"at": at, "to": to}], 0),
            ([{"at": at, "to": "nginx"}], 1),
            ([], 1),
            ([{"at": at, "to": to}, {"at": "/spec/containers/1/image", "to": to}], 1),
        ):
            suites.write({**step, "expect": {"verdict": "rewritten", "rewrites": rewrites}}, policy=policy)
            assert len(suites.failures()) == wrong

    def test_warnings_and_softened_denials(self, suites: Suites, tmp_path: Path) -> None:
        (tmp_path / "settings.yaml").write_text(
            f"config: {CONFIG / 'master-config.yaml'}\nimagePolicy: {{mode: warn}}\n"
        )
        policy = {"settings": "settings.yaml"}
        suites.write(case(BAD, "allowed", denials=[{"image": BAD, "mode": "warn"}], warnings=[]), policy=policy)
        assert suites().code == 0
        suites.write(case(BAD, "allowed", denials=[]), policy=policy)
        assert suites().code == 1
        suites.write(case(BAD, "allowed", warnings=[{"contains": "nothing like it"}]), policy=policy)
        assert suites().code == 1


class TestFixtures:
    POLICY: ClassVar = {"policies": [str(SIGNED_DEMO)]}

    def signed(self, suites: Suites, verdict: str, denials: list[dict[str, Any]] | None = None, **image: Any) -> None:
        fixture = {"image": "docker.io/a/b:1", **({"digest": DIGEST} | image)}
        fixture = {key: value for key, value in fixture.items() if value is not None}
        expected = {} if denials is None else {"denials": denials}
        suites.write(
            case("docker.io/a/b:1", verdict, namespace="signed-demo", **expected),
            policy=self.POLICY,
            registry=[fixture],
        )
        ran = suites()
        assert ran.code == 0, ran

    def test_a_signature_that_is_claimed(self, suites: Suites) -> None:
        self.signed(suites, "rewritten", signatures=[{"key": str(SIGNED_DEMO)}])

    def test_no_signature(self, suites: Suites) -> None:
        self.signed(suites, "denied", [{"code": "signature", "contains": "no signature exists"}])

    def test_a_signature_for_another_identity(self, suites: Suites) -> None:
        signature = {"key": str(SIGNED_DEMO), "identity": "docker.io/x/y:1"}
        self.signed(suites, "denied", [{"code": "signature", "contains": "is not accepted"}], signatures=[signature])

    def test_a_signature_by_another_key(self, suites: Suites, tmp_path: Path, gpg_home: GpgHome) -> None:
        (tmp_path / "other.asc").write_bytes(gpg_home.generate("other@example.com").armored)
        denial = {"code": "signature", "contains": "not in the key ring"}
        self.signed(suites, "denied", [denial], signatures=[{"key": "other.asc"}])

    @pytest.mark.parametrize("digest, verdict", [(DIGEST, "rewritten"), (OTHER, "denied")])
    def test_a_signature_that_is_verified(
        self, suites: Suites, tmp_path: Path, gpg_home: GpgHome, digest: str, verdict: str
    ) -> None:
        key = gpg_home.generate("signer@example.com")
        critical = {
            "type": "atomic container signature",
            "image": {"docker-manifest-digest": digest},
            "identity": {"docker-reference": "docker.io/a/b:1"},
        }
        payload = json.dumps({"critical": critical, "optional": {}}).encode()
        (tmp_path / "signature-1").write_bytes(gpg_home.sign(key, payload))
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "image-signing-public-key", "namespace": "signed-demo"},
            "stringData": {"key": key.armored.decode()},
        }
        policy = next(yaml.safe_load_all(SIGNED_DEMO.read_text()))
        (tmp_path / "policy.yaml").write_text(yaml.safe_dump_all([policy, secret]))
        fixture = {"image": "docker.io/a/b:1", "digest": DIGEST, "signatures": [{"file": "signature-1"}]}
        signed = case("docker.io/a/b:1", verdict, namespace="signed-demo")
        suites.write(signed, policy={"policies": ["policy.yaml"]}, registry=[fixture])
        ran = suites()
        assert ran.code == 0, ran

    def test_an_image_that_the_registry_does_not_have(self, suites: Suites) -> None:
        self.signed(suites, "denied", digest=None, absent=True)

    def test_a_registry_that_does_not_answer(self, suites: Suites) -> None:
        denials = [{"code": "look-up-failed", "contains": "gone fishing"}]
        self.signed(suites, "unknown", denials, digest=None, unavailable="gone fishing")

    def test_an_image_without_a_fixture_is_not_known(self, suites: Suites) -> None:
        denials = [{"code": "look-up-failed", "contains": "not in fixtures.registry of the suite"}]
        suites.write(case(GOOD, "unknown", namespace="signed-demo", denials=denials), policy=self.POLICY)
        assert suites().code == 0

    @pytest.mark.parametrize(
        "signers, trust, verdict",
        [
            ("", None, "denied"),
            ("", {}, "rewritten"),
            (", signerSecrets: [{name: ann}]", {}, "denied"),
            (", signerSecrets: [{name: ann}]", {"signers": ["bob"]}, "denied"),
            (", signerSecrets: [{name: ann}]", {"signers": ["ann"]}, "rewritten"),
        ],
    )
    def test_trust_data(self, suites: Suites, tmp_path: Path, signers: str, trust: Any, verdict: str) -> None:
        (tmp_path / "policy.yaml").write_text(TRUST % signers)
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "ann", "namespace": "default"},
            "stringData": {"name": "ann", "publicKey": "key"},
        }
        fixture = {"image": GOOD, "digest": DIGEST} | ({} if trust is None else {"trust": trust})
        suites.write(case(GOOD, verdict), policy={"policies": ["policy.yaml"]}, registry=[fixture], objects=[secret])
        ran = suites()
        assert ran.code == 0, ran

    @pytest.mark.parametrize(
        "found, verdict",
        [
            (None, "unknown"),
            ([], "allowed"),
            ([{"id": "CVE-1", "severity": "low"}], "allowed"),
            ([{"id": "CVE-1", "severity": "critical", "package": "openssl", "fixed": "3.1"}], "denied"),
        ],
    )
    def test_vulnerabilities(self, suites: Suites, tmp_path: Path, found: Any, verdict: str) -> None:
        (tmp_path / "policy.yaml").write_text(
            "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\nmetadata: {name: scanned}\n"
            'spec:\n  repositories:\n  - name: "*"\n    policy: {vulnerability: {ICCRVA: {enabled: true}}}\n'
        )
        (tmp_path / "reports").mkdir()
        (tmp_path / "settings.yaml").write_text("policies: [policy.yaml]\nscanner: {reports: [{folder: reports}]}\n")
        fixture = {"image": GOOD, "digest": DIGEST} | ({} if found is None else {"vulnerabilities": found})
        suites.write(case(GOOD, verdict), policy={"settings": "settings.yaml"}, registry=[fixture])
        ran = suites()
        assert ran.code == 0, ran

    def test_objects_are_those_of_the_cluster(self, suites: Suites, tmp_path: Path) -> None:
        (tmp_path / "settings.yaml").write_text(
            f"config: {CONFIG / 'master-config.yaml'}\nimagePolicy:\n  namespaces:\n"
            "  - {mode: audit, selector: {matchLabels: {stage: test}}}\n"
        )
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"stage": "test"}}}
        policy = {"settings": "settings.yaml"}
        suites.write(case(BAD, "allowed", namespace="shop"), policy=policy, objects=[namespace])
        assert suites().code == 0
        suites.write(case(BAD, "denied", namespace="shop"), policy=policy)
        assert suites().code == 0

    def test_a_wrong_object_is_named_where_it_is_written(self, suites: Suites) -> None:
        wrong = {"apiVersion": "image.openshift.io/v1", "kind": "ImageStream", "metadata": {"name": "a"}, "spec": []}
        path = suites.write(case(GOOD, "allowed"), objects=[wrong])
        ran = suites()
        assert ran.code == 2
        assert f"imagegate: {path}:7: fixtures.objects[0]: " in ran.err


class TestGreen:
    def test_a_folder_without_suites(self, suites: Suites) -> None:
        assert suites().code == 2

    @pytest.mark.parametrize("text", ["", "cases: []\n"])
    def test_an_empty_suite(self, suites: Suites, text: str) -> None:
        (suites.folder / "imagegate-test.yaml").write_text(text)
        assert suites().code == 2

    def test_a_broken_suite_hides_no_other(self, suites: Suites) -> None:
        suites.write(case(BAD, "denied"))
        (suites.folder / "other.imagegate-test.yaml").write_text("kind: PolicyTest\n")
        ran = suites()
        assert ran.code == 2
        assert "1 passed" in ran.out
        assert "other.imagegate-test.yaml:1: apiVersion: expected" in ran.err

    @pytest.mark.parametrize(
        "more",
        [
            {"file": "missing.yaml"},
            {"file": "empty.yaml"},
            {"file": "broken.yaml"},
            {"file": "pods.yaml", "objectName": "nobody"},
        ],
    )
    def test_a_file_that_gives_no_object(self, suites: Suites, tmp_path: Path, more: dict[str, str]) -> None:
        (tmp_path / "empty.yaml").write_text("")
        (tmp_path / "broken.yaml").write_text("a: [\n")
        (tmp_path / "pods.yaml").write_text(pod(GOOD))
        suites.write({"name": "a", **more, "expect": {"verdict": "allowed"}})
        ran = suites()
        assert ran.code == 2
        assert re.search(r"imagegate-test.yaml:8: cases\[0\].file: ", ran.err), ran.err

    @pytest.mark.parametrize("policy", [{"config": "missing.yaml"}, {"settings": "nothing.yaml"}])
    def test_a_policy_that_is_not_there(self, suites: Suites, tmp_path: Path, policy: dict[str, str]) -> None:
        (tmp_path / "nothing.yaml").write_text("profile: documented\n")
        suites.write(case(GOOD, "allowed"), policy=policy)
        assert suites().code == 2


class TestCoverage:
    def test_a_rule_that_decided_nothing(self, suites: Suites) -> None:
        suites.write(case(GOOD, "allowed"))
        ran = suites()
        assert ran.code == 0
        assert "  executionRules[0] execution-denied" in ran.out
        assert "  executionRules[2] allow-images-from-dockerhub" not in ran.out
        assert suites("--require-coverage").code == 1


class TestLock:
    def suite(self, suites: Suites, image: str = GOOD, policy: dict[str, Any] | None = None) -> None:
        signed = {"image": image, "signatures": [{"key": str(SIGNED_DEMO)}]}
        suites.write(
            case(image, "rewritten", namespace="signed-demo"), policy=policy or TestFixtures.POLICY, registry=[signed]
        )

    def lock(self, suites: Suites, digest: str) -> None:
        (suites.folder / "imagegate-test.lock").write_text(
            f"apiVersion: imagegate.dev/v1alpha1\nkind: PolicyTestLock\nimages:\n  {GOOD}: {digest}\n"
        )

    def test_a_locked_digest_is_that_of_the_fixture(self, suites: Suites) -> None:
        self.suite(suites)
        assert "is not in fixtures.registry of the suite, nor in its lock file" in suites().out
        self.lock(suites, DIGEST)
        assert suites().code == 0

    def test_a_digest_of_the_suite_has_precedence(self, suites: Suites) -> None:
        fixture = {"image": GOOD, "digest": OTHER, "signatures": [{"key": str(SIGNED_DEMO)}]}
        to = {"at": "/spec/containers/0/image", "to": f"docker.io/library/nginx@{OTHER}"}
        suites.write(
            case(GOOD, "rewritten", namespace="signed-demo", rewrites=[to]),
            policy=TestFixtures.POLICY,
            registry=[fixture],
        )
        self.lock(suites, DIGEST)
        ran = suites()
        assert ran.code == 0, ran

    def test_a_broken_lock_is_named(self, suites: Suites, tmp_path: Path) -> None:
        suites.write(case(GOOD, "allowed"))
        (tmp_path / "imagegate-test.lock").write_text("kind: PolicyTestLock\n")
        ran = suites()
        assert ran.code == 2
        assert "imagegate-test.lock:1: apiVersion: expected" in ran.err

    def test_registries_are_asked_for_the_lock_alone(self, suites: Suites, registry_tls: Registry) -> None:
        assert registry_tls.ca is not None
        digest = registry_tls.push_sample("tiny-oci", "team/locked:v1")
        image = f"{registry_tls.host}/team/locked:v1"
        (suites.folder / "settings.yaml").write_text(
            f"policies: [{SIGNED_DEMO}]\n"
            f"registry: {{caFile: {registry_tls.ca.bundle}, allowPrivateAddresses: [127.0.0.1/32]}}\n"
        )
        self.suite(suites, image, {"settings": "settings.yaml"})
        assert suites().code == 1  # nobody is asked
        ran = suites("--update-lock")
        assert ran.code == 0, ran
        assert f"{suites.folder}/imagegate-test.lock: 1 image, 1 new or changed" in ran.err
        assert yaml.safe_load((suites.folder / "imagegate-test.lock").read_text())["images"] == {image: digest}
        registry_tls.push_sample("multi-oci", "team/locked:v1")
        assert suites().code == 0  # the tag has moved, and the suite says what it said
        assert "1 image, 1 new or changed" in suites("--update-lock").err
        assert "1 image, 0 new or changed" in suites("--update-lock").err


class TestMutation:
    def test_rules_that_no_test_needs_are_named(self, suites: Suites) -> None:
        suites.write(case(GOOD, "allowed"))
        ran = suites("--mutate")
        assert ran.code == 1
        assert "not noticed: executionRules[0] execution-denied: dropped" in ran.out
        assert "not noticed: executionRules[2] allow-images-from-dockerhub: without matchRegistries" in ran.out
        assert "allow-images-from-dockerhub: dropped" not in ran.out

    def test_a_test_for_each_side_notices(self, suites: Suites) -> None:
        suites.write(case(GOOD, "allowed"), case(BAD, "denied"))
        found = json.loads(suites("--mutate", "-o", "json").out)
        survivors = "\n".join(found["mutation"]["notNoticed"])
        assert "dockerhub" not in survivors
        assert "image-policy: mode audit" not in survivors
        assert found["mutation"]["changes"] > len(found["mutation"]["notNoticed"])
        jsonschema.validate(found, schema("test.schema.json"))

    def test_a_test_that_fails_anyway_notices_nothing(self, suites: Suites) -> None:
        suites.write(case(GOOD, "allowed"), case(BAD, "allowed"))
        assert "dockerhub: without matchRegistries" in suites("--mutate").out

    def test_requirements_of_image_policies(self, suites: Suites) -> None:
        signed = {"image": GOOD, "digest": DIGEST, "signatures": [{"key": str(SIGNED_DEMO)}]}
        unsigned = {"image": BAD, "digest": OTHER}
        suites.write(
            case(GOOD, "rewritten", namespace="signed-demo"),
            policy=TestFixtures.POLICY,
            registry=[signed, unsigned],
        )
        assert "1 of 3 changes" not in suites("--mutate").out
        suites.write(
            case(GOOD, "rewritten", namespace="signed-demo"),
            case(BAD, "denied", namespace="signed-demo"),
            policy=TestFixtures.POLICY,
            registry=[signed, unsigned],
        )
        ran = suites("--mutate")
        assert ran.code == 0, ran
        assert "3 of 3 changes of rules noticed" in ran.out


class TestInit:
    def test_what_is_written_passes_at_once(self, imagegate: Command, tmp_path: Path) -> None:
        (tmp_path / "deploy").mkdir()
        (tmp_path / "deploy/pods.yaml").write_text(
            "---\n".join([pod(GOOD), pod(BAD, name="bad", namespace="shop"), pod(BAD, name="bad")])
        )
        suite = tmp_path / "shop.imagegate-test.yaml"
        config = ("--config", CONFIG / "master-config.yaml", "--images", CONFIG / "examples/images")
        ran = imagegate("test", "--init", suite, *config, tmp_path / "deploy", CONFIG / "examples/pods")
        assert (ran.code, ran.out) == (0, f"{suite}: 7 tests\n")
        document = yaml.safe_load(suite.read_text())
        jsonschema.validate(document, schema("policy-test.schema.json"))
        assert document["cases"][0] == {
            "name": "Pod web",
            "file": "deploy/pods.yaml",
            "kind": "Pod",
            "objectName": "web",
            "expect": {"verdict": "allowed"},
        }
        assert {each["expect"]["verdict"] for each in document["cases"]} == {"allowed", "denied", "rewritten"}
        checked = json.loads(imagegate("check", *config, "-o", "json", tmp_path / "deploy").out)
        verdicts = [each["verdict"] for each in checked["results"]]
        assert [each["expect"]["verdict"] for each in document["cases"]][:3] == verdicts
        ran = imagegate("test", tmp_path)
        assert (ran.code, ran.err) == (0, "")
        assert "7 passed" in ran.out

    def test_images_that_nothing_describes_are_named(self, imagegate: Command, tmp_path: Path) -> None:
        (tmp_path / "pod.yaml").write_text(pod(GOOD, namespace="signed-demo"))
        suite = tmp_path / "imagegate-test.yaml"
        ran = imagegate("test", "--init", suite, "--policies", SIGNED_DEMO, tmp_path / "pod.yaml")
        assert ran.code == 0
        assert f"unknown, as fixtures.registry does not describe it: {GOOD}" in ran.err
        assert imagegate("test", suite).code == 0

    def test_nothing_is_replaced(self, imagegate: Command, tmp_path: Path) -> None:
        (tmp_path / "pod.yaml").write_text(pod(GOOD))
        suite = tmp_path / "imagegate-test.yaml"
        suite.write_text("mine")
        config = ("--config", CONFIG / "master-config.yaml")
        ran = imagegate("test", "--init", suite, *config, tmp_path / "pod.yaml")
        assert ran.code == 2
        assert "exists, and is not replaced" in ran.err
        assert suite.read_text() == "mine"

    @pytest.mark.parametrize("text", ["", "a: [\n"])
    def test_nothing_to_test_is_not_green(self, imagegate: Command, tmp_path: Path, text: str) -> None:
        (tmp_path / "pod.yaml").write_text(text)
        suite = tmp_path / "imagegate-test.yaml"
        config = ("--config", CONFIG / "master-config.yaml")
        assert imagegate("test", "--init", suite, *config, tmp_path / "pod.yaml").code == 2
        assert imagegate("test", "--init", suite, *config).code == 2
        assert not suite.exists()

    def test_what_is_wrong_hides_nothing_else(self, imagegate: Command, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text(pod(GOOD))
        (tmp_path / "b.yaml").write_text("a: [\n")
        suite = tmp_path / "new.imagegate-test.yaml"
        ran = imagegate("test", "--init", suite, "--config", CONFIG / "master-config.yaml", tmp_path)
        assert ran.code == 2
        assert "b.yaml:2: not YAML" in ran.err
        assert imagegate("test", suite).code == 0

    def test_the_policy_is_named_by_the_suite(self, suites: Suites, imagegate: Command) -> None:
        suites.write(case(GOOD, "allowed"))
        ran = imagegate("test", "--config", CONFIG / "master-config.yaml", suites.folder)
        assert ran.code == 2
        assert "for --init" in ran.err


class TestFormats:
    def test_json_follows_its_schema(self, suites: Suites) -> None:
        suites.write(case(GOOD, "allowed"), case(BAD, "allowed"))
        jsonschema.validate(json.loads(suites("-o", "json").out), schema("test.schema.json"))

    def test_the_sample_follows_the_schema_of_suites(self) -> None:
        text = (CONFIG / "examples/tests/imagegate-test.yaml").read_text(encoding="utf-8")
        for document in yaml.safe_load_all(text):
            jsonschema.validate(document, schema("policy-test.schema.json"))

    def test_junit(self, suites: Suites) -> None:
        suites.write(case(GOOD, "allowed"), case(BAD, "allowed"))
        root = ET.fromstring(suites("-o", "junit").out.encode())
        assert (root.attrib["failures"], root.attrib["errors"]) == ("1", "0")
        covered = ET.fromstring(suites("-o", "junit", "--require-coverage").out.encode())
        assert int(covered.attrib["failures"]) > 1

    def test_annotations_are_at_the_expectation(self, suites: Suites) -> None:
        path = suites.write(case(GOOD, "allowed"), case(BAD, "allowed"))
        line = len(path.read_text().splitlines())
        assert f"::error file={path},line={line},title=imagegate test-failed::" in suites("-o", "github").out
        assert json.loads(suites("-o", "gitlab").out)[0]["location"]["lines"]["begin"] == line
        results = json.loads(suites("-o", "sarif").out)["runs"][0]["results"]
        assert results[0]["ruleId"] == "test-failed"
