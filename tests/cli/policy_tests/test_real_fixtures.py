"""``imagegate test`` with signatures, trust data and reports that real programs made: all of them are verified."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest
import yaml

from tests.cli.commands import Command
from tests.cli.policy_tests.test_command import Suites, case
from tests.cli.test_formats import schema
from tests.support.samples import SAMPLES

IMAGE = "127.0.0.1:5000/signed/app:v1"
SIGNED = "sha256:0d4c6b3d5d3fb55fd4e0637bb6f973f608cb94836e75fc9b81d2c87e933b141a"
OTHER = "sha256:" + "4" * 64
STORE = str(SAMPLES / "simple-signing/lookaside")
NOTARY = SAMPLES / "notary"
NOW = "2026-11-22T12:00:00Z"


def secret(name: str, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "default"},
        "stringData": data,
    }


def key(name: str) -> dict[str, Any]:
    return secret("key", key=(SAMPLES / f"simple-signing/keys/{name}.asc").read_text())


def policy(**requirements: Any) -> str:
    entry = {"name": "*", "policy": requirements}
    return yaml.safe_dump(
        {
            "apiVersion": "portieris.cloud.ibm.com/v1",
            "kind": "ClusterImagePolicy",
            "metadata": {"name": "all"},
            "spec": {"repositories": [entry]},
        }
    )


class OneImage:
    """Runs one case for the sample image, under one policy."""

    POLICY: ClassVar = {"policies": ["policy.yaml"]}

    def __init__(self, suites: Suites) -> None:
        self.suites = suites

    def __call__(self, verdict: str, fixture: dict[str, Any], *objects: Any, now: str = NOW, **of_case: Any) -> None:
        expected = {} if "denials" not in of_case else {"denials": of_case["denials"]}
        path = self.suites.write(
            case(IMAGE, verdict, **expected),
            policy=self.POLICY,
            now=now,
            registry=[{"image": IMAGE, **fixture}],
            objects=list(objects),
        )
        jsonschema.validate(yaml.safe_load(path.read_text()), schema("policy-test.schema.json"))
        ran = self.suites()
        assert ran.code == 0, ran


@pytest.fixture
def tested(imagegate: Command, tmp_path: Path) -> OneImage:
    return OneImage(Suites(imagegate, tmp_path))


class TestSignatures:
    @pytest.fixture(autouse=True)
    def simple(self, tmp_path: Path) -> None:
        requirement = {"type": "signedBy", "keySecret": "key"}
        (tmp_path / "policy.yaml").write_text(policy(simple={"requirements": [requirement]}))

    @pytest.mark.parametrize("signer", ["signer1", "signer2"])
    def test_a_store_as_skopeo_writes_it(self, tested: OneImage, signer: str) -> None:
        tested("rewritten", {"digest": SIGNED, "signatures": [{"folder": STORE}]}, key(signer))

    @pytest.mark.parametrize("signer", ["expired", "revoked"])
    def test_by_nobody_who_counts(self, tested: OneImage, signer: str) -> None:
        tested("denied", {"digest": SIGNED, "signatures": [{"folder": STORE}]}, key(signer))

    def test_another_digest_has_none(self, tested: OneImage) -> None:
        denials = [{"code": "signature", "contains": "no signature exists"}]
        tested("denied", {"digest": OTHER, "signatures": [{"folder": STORE}]}, key("signer1"), denials=denials)

    @pytest.mark.parametrize(
        "file, verdict",
        [
            ("payload-unknown-optional", "rewritten"),
            ("detached", "denied"),
            ("sha1", "denied"),
            ("unsigned-literal", "denied"),
            ("payload-duplicate-key", "denied"),
            ("payload-other-digest", "denied"),
            ("payload-other-reference", "denied"),
            ("payload-not-json", "denied"),
            ("payload-8MiB", "denied"),
        ],
    )
    def test_odd_signatures_are_judged_as_those_of_a_store(self, tested: OneImage, file: str, verdict: str) -> None:
        odd = str(SAMPLES / f"simple-signing/odd/{file}.sig")
        tested(verdict, {"digest": SIGNED, "signatures": [{"file": odd}]}, key("signer1"))

    def test_the_time_is_that_of_the_suite(self, tested: OneImage) -> None:
        odd = {"digest": SIGNED, "signatures": [{"file": str(SAMPLES / "simple-signing/odd/expired-key.sig")}]}
        tested("denied", odd, key("expired"), now="2026-11-22T12:00:00Z")
        tested("rewritten", odd, key("expired"), now="2025-01-15T12:00:00Z")

    @pytest.mark.parametrize(
        "signature, said",
        [
            ({"folder": "missing"}, "signatures[0].folder: "),
            ({"file": "missing"}, "signatures[0].file: "),
            ({"folder": STORE, "file": "a"}, "signatures[0]: needs one of key, file, folder"),
            ({"folder": STORE, "identity": "a"}, "signatures[0].identity: a signature in a file says itself"),
        ],
    )
    def test_what_is_wrong_is_named(self, tested: OneImage, signature: dict[str, str], said: str) -> None:
        tested.suites.write(
            case(IMAGE, "denied"),
            policy=OneImage.POLICY,
            registry=[{"image": IMAGE, "digest": SIGNED, "signatures": [signature]}],
        )
        ran = tested.suites()
        assert ran.code == 2
        assert f"fixtures.registry[0].{said}" in ran.err


class TestTrust:
    @pytest.fixture(autouse=True)
    def trust(self, tmp_path: Path) -> None:
        trust = {"enabled": True, "trustServer": "https://notary.example"}
        (tmp_path / "policy.yaml").write_text(policy(trust=trust))

    def test_trust_data_of_a_real_server(self, tested: OneImage) -> None:
        tested("rewritten", {"digest": SIGNED, "trust": {"folder": str(NOTARY / "server-ecdsa")}})

    def test_it_expires_as_it_says(self, tested: OneImage) -> None:
        fixture = {"digest": SIGNED, "trust": {"folder": str(NOTARY / "server-ecdsa")}}
        tested("denied", fixture, now="2027-01-01T00:00:00Z")

    def test_of_another_repository(self, tested: OneImage) -> None:
        tested("denied", {"digest": SIGNED, "trust": {"folder": str(NOTARY / "server-local")}})

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: text.replace('"expires":"2', '"expires":"3', 1),
            lambda text: text[: len(text) // 2],
            lambda _: "",
            lambda _: "[" * 100_000,
        ],
    )
    @pytest.mark.parametrize("name", ["root.json", "timestamp.json", "targets/releases.json"])
    def test_altered_cut_and_hostile_files(self, tested: OneImage, tmp_path: Path, name: str, change: Any) -> None:
        folder = tmp_path / "trust"
        shutil.copytree(NOTARY / "server-ecdsa", folder)
        (folder / name).write_text(change((folder / name).read_text()))
        tested("denied", {"digest": SIGNED, "trust": {"folder": "trust"}})

    @pytest.mark.parametrize(
        "trust, said",
        [
            ({"folder": "missing"}, "trust.folder: "),
            ({"folder": "empty"}, "trust.folder: "),
            ({"folder": "a", "signers": ["b"]}, "trust.signers: the trust data in folder says itself"),
        ],
    )
    def test_what_is_wrong_is_named(self, tested: OneImage, tmp_path: Path, trust: Any, said: str) -> None:
        (tmp_path / "empty").mkdir()
        tested.suites.write(
            case(IMAGE, "denied"),
            policy=OneImage.POLICY,
            registry=[{"image": IMAGE, "digest": SIGNED, "trust": trust}],
        )
        ran = tested.suites()
        assert ran.code == 2
        assert f"fixtures.registry[0].{said}" in ran.err


class TestReports:
    REPORTS = Path(__file__).parents[2] / "data/reports"

    @pytest.fixture(autouse=True)
    def scanned(self, tmp_path: Path) -> None:
        (tmp_path / "policy.yaml").write_text(policy(vulnerability={"ICCRVA": {"enabled": True}}))
        (tmp_path / "reports").mkdir()
        (tmp_path / "settings.yaml").write_text("policies: [policy.yaml]\nscanner: {reports: [{folder: reports}]}\n")

    def run(self, tested: OneImage, verdict: str, reports: list[str], **settings: Any) -> None:
        path = tested.suites.write(
            case(IMAGE, verdict),
            policy={"settings": "settings.yaml"},
            registry=[{"image": IMAGE, "digest": SIGNED, "reports": reports}],
            **settings,
        )
        jsonschema.validate(yaml.safe_load(path.read_text()), schema("policy-test.schema.json"))
        ran = tested.suites()
        assert ran.code == 0, ran

    def about(self, tmp_path: Path, name: str, digest: str) -> str:
        report = json.loads((self.REPORTS / name).read_text())
        report["Metadata"]["RepoDigests"] = [f"127.0.0.1:5000/signed/app@{digest}"]
        (tmp_path / name).write_text(json.dumps(report))
        return name

    def test_a_report_about_the_image(self, tested: OneImage, tmp_path: Path) -> None:
        self.run(tested, "denied", [self.about(tmp_path, "trivy.json", SIGNED)], now="2026-11-28T00:00:00Z")

    def test_a_report_about_another_image(self, tested: OneImage, tmp_path: Path) -> None:
        self.run(tested, "denied", [self.about(tmp_path, "trivy.json", OTHER)], now="2026-11-28T00:00:00Z")

    @pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, "null"])
    def test_what_is_no_report(self, tested: OneImage, tmp_path: Path, text: str) -> None:
        (tmp_path / "report.json").write_text(text)
        tested.suites.write(
            case(IMAGE, "denied"),
            policy={"settings": "settings.yaml"},
            registry=[{"image": IMAGE, "digest": SIGNED, "reports": ["report.json"]}],
        )
        ran = tested.suites()
        assert ran.code == 2
        assert "fixtures.registry[0].reports: report.json: " in ran.err


@pytest.mark.parametrize("now", ["yesterday", "2026-11-22", "2026-13-01T00:00:00Z", "2026-11-22T12:00:00"])
def test_a_time_that_is_none(tested: OneImage, tmp_path: Path, now: str) -> None:
    (tmp_path / "policy.yaml").write_text(policy())
    tested.suites.write(case(IMAGE, "allowed"), policy=OneImage.POLICY, now=now)
    ran = tested.suites()
    assert ran.code == 2
    assert "fixtures.now: " in ran.err
