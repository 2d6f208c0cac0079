"""``imagegate key create``: what it writes, and that real tools and the policy take it."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from imagegate.adapters.signing.gnupg import KeyNotMade, create_key_pair
from imagegate.adapters.signing.openpgp import OpenPgpVerifier
from imagegate.cli.key import key
from imagegate.core.signing.key_ring import KeyRing
from imagegate.documents.image_policies import read_policies
from tests.support.gpg import GpgHome
from tests.support.images import make_image, source_of
from tests.support.lookaside import Lookaside
from tests.support.programs import run
from tests.support.registry import Registry, start_registry

pytestmark = pytest.mark.programs


def create(*arguments: str, directory: Path, fails: bool = False) -> Result:
    result = CliRunner().invoke(key, ["create", *arguments, "--out", str(directory)])
    assert (result.exit_code != 0) is fails, result.output
    return result


def documents(directory: Path, name: str = "image-signing") -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((directory / f"{name}.yaml").read_text()))


def fingerprint_of(result: Result) -> str:
    return next(line.split()[1] for line in result.stderr.splitlines() if line.startswith("key "))


def import_private(home: GpgHome, file: Path) -> None:
    home.gpg("--import", str(file))


@pytest.fixture
def home() -> Iterator[GpgHome]:
    with GpgHome() as made:
        yield made


def mode_of(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_files_and_their_modes(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        result = create("icr.io/team/*", "--algorithm", "ed25519", directory=tmp_path / "keys")
    finally:
        os.umask(before)
    folder = tmp_path / "keys"
    assert {file.name: mode_of(file) for file in folder.iterdir()} == {
        "image-signing.private.asc": 0o600,
        "image-signing.pubkey": 0o644,
        "image-signing.yaml": 0o644,
    }
    assert "PRIVATE KEY" not in result.output
    assert (folder / "image-signing.private.asc").read_text().startswith("-----BEGIN PGP PRIVATE KEY BLOCK-----")
    assert result.stdout == ""


def test_the_users_own_key_ring_is_not_touched(tmp_path: Path, home: GpgHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNUPGHOME", str(home.path))
    create("icr.io/team/*", directory=tmp_path)
    assert home.gpg("--list-keys").stdout == ""


@pytest.mark.parametrize(
    "arguments", [(), ("-n", "security"), ("-n", "team", "--image-policy"), ("--store-url", "https://sigs.example.com")]
)
def test_manifests_are_read_by_the_policy_reader(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    create("icr.io/team/*", "--algorithm", "ed25519", *arguments, directory=tmp_path)
    secret, policy = documents(tmp_path)
    ring = KeyRing.parse(base64.b64decode(secret["data"]["key"]))
    OpenPgpVerifier().check(ring)
    assert (tmp_path / "image-signing.pubkey").read_bytes() == base64.b64decode(secret["data"]["key"])
    read = read_policies((tmp_path / "image-signing.yaml").read_text(), "image-signing.yaml")
    assert not read.warnings
    (entry,) = read.policies[0].entries
    (requirement,) = entry.simple.requirements
    assert requirement.key_secret == secret["metadata"]["name"]
    assert entry.simple.store_url == ("https://sigs.example.com" if "--store-url" in arguments else "")
    if "--image-policy" in arguments:
        assert policy["metadata"]["namespace"] == secret["metadata"]["namespace"] == "team"
    else:
        assert requirement.key_secret_namespace == secret["metadata"].get("namespace", "")


@pytest.fixture
def signing_registry(tmp_path: Path, home: GpgHome) -> Iterator[Registry]:
    folder = tmp_path / "registry"
    folder.mkdir()
    with start_registry(folder, gpg_home=home.path) as running:
        yield running


@pytest.mark.parametrize("algorithm", ["rsa3072", "rsa4096", "ed25519"])
def test_skopeo_signs_with_the_key_and_policies_accept_it(
    tmp_path: Path, home: GpgHome, signing_registry: Registry, lookaside: Lookaside, algorithm: str
) -> None:
    """imagegate's verdict, and skopeo's own under an equal policy."""
    keys = tmp_path / "keys"
    fingerprint = fingerprint_of(create("127.0.0.1*/*", "--algorithm", algorithm, directory=keys))
    import_private(home, keys / "image-signing.private.asc")
    make_image(tmp_path / "image", text=algorithm, kind="dir")
    signing_registry.skopeo.lookaside(signing_registry.host, read=lookaside.url, write=lookaside.directory)
    digest = signing_registry.push(source_of(tmp_path / "image"), "team/app:v1", "--sign-by", fingerprint)
    blob = next(lookaside.directory.glob("team/app@*/signature-1")).read_bytes()
    secret, _ = documents(keys)
    ring = KeyRing.parse(base64.b64decode(secret["data"]["key"]))
    verified = OpenPgpVerifier().verify(blob, ring)
    assert (verified.error, verified.fingerprint) == ("", fingerprint)
    assert json.loads(verified.payload)["critical"]["image"]["docker-manifest-digest"] == digest
    rule = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(keys / "image-signing.pubkey")}
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"default": [rule]}), encoding="utf-8")
    signing_registry.skopeo(
        "copy", "--src-tls-verify=false", f"docker://{signing_registry.host}/team/app:v1", f"dir:{tmp_path}/copied",
        policy=policy,
    )  # fmt: skip


def test_key_protect_request_brings_the_key_back(tmp_path: Path, home: GpgHome) -> None:
    """docs/spec/enforcement.md 24: payload from the vault, ``base64 -d``, ``gpg --import``."""
    result = create(
        "icr.io/team/*", "--vault", "--vault-region", "us-south", "--vault-alias", "signing", directory=tmp_path
    )
    body = tmp_path / "image-signing.key-protect.json"
    assert mode_of(body) == 0o600
    (resource,) = json.loads(body.read_text())["resources"]
    assert resource["aliases"] == ["signing"]
    (tmp_path / "decoded").write_bytes(base64.b64decode(resource["payload"]))
    import_private(home, tmp_path / "decoded")
    assert fingerprint_of(result) in home.gpg("--list-secret-keys", "--with-colons").stdout
    assert "https://us-south.kms.cloud.ibm.com/api/v2/keys" in result.stdout
    assert resource["payload"] not in result.output


def test_the_curl_sends_the_body(tmp_path: Path, lookaside: Lookaside) -> None:
    """The command as printed, with only the host replaced, run by a shell against a server that looks."""
    folder = tmp_path / "with space"
    result = create("icr.io/team/*", "--vault", "--vault-instance", "abc", directory=folder)
    command = result.stdout.replace("https://<region>.kms.cloud.ibm.com", lookaside.url)
    environment = {"PATH": os.environ["PATH"], "IAM_TOKEN": "token"}
    subprocess.run(["sh", "-c", command], env=environment, check=True, capture_output=True, timeout=30)
    (request,) = lookaside.requests
    assert (request.method, request.path) == ("POST", "/api/v2/keys")
    assert request.headers["authorization"] == "Bearer token"
    assert request.headers["bluemix-instance"] == "abc"
    assert request.headers["content-type"] == "application/vnd.ibm.kms.key+json"
    assert request.body == (folder / "image-signing.key-protect.json").read_bytes()


def test_the_curl_runs_nothing_but_curl(tmp_path: Path, lookaside: Lookaside) -> None:
    """What came from elsewhere is one argument, whatever is in it."""
    hostile = "a' $(touch owned) `touch owned`; touch owned #\"\\"
    folder = tmp_path / "a'; touch owned #"
    result = create(
        *("icr.io/team/*", "--vault", "--vault-region", "us-south", "--vault-instance", hostile), directory=folder
    )
    command = result.stdout.replace("https://us-south.kms.cloud.ibm.com", lookaside.url)
    environment = {"PATH": os.environ["PATH"], "IAM_TOKEN": "token"}
    subprocess.run(["sh", "-c", command], env=environment, check=True, capture_output=True, timeout=30, cwd=tmp_path)
    (request,) = lookaside.requests
    assert request.headers["bluemix-instance"] == hostile
    assert request.body == (folder / "image-signing.key-protect.json").read_bytes()
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("region", ["eu-de", "private.us-south", "us-south"])
def test_regions_that_are_there(tmp_path: Path, region: str) -> None:
    result = create("r", "--algorithm", "ed25519", "--vault", "--vault-region", region, directory=tmp_path)
    assert f"https://{region}.kms.cloud.ibm.com/" in result.stdout


def test_a_folder_that_is_a_link_gets_no_key(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "keys").symlink_to("home")
    create("r", "--algorithm", "ed25519", directory=tmp_path / "keys", fails=True)
    assert list((tmp_path / "home").iterdir()) == []


def test_the_private_key_is_printed_only_when_asked(tmp_path: Path, home: GpgHome) -> None:
    result = create("icr.io/team/*", "--print-private-key", directory=tmp_path)
    assert result.stdout.startswith("-----BEGIN PGP PRIVATE KEY BLOCK-----")
    assert not (tmp_path / "image-signing.private.asc").exists()
    home.gpg("--import", text_in=result.stdout)
    assert fingerprint_of(result) in home.gpg("--list-secret-keys", "--with-colons").stdout


@pytest.mark.parametrize("extension", ["private.asc", "pubkey", "yaml"])
def test_nothing_is_overwritten(tmp_path: Path, extension: str) -> None:
    there = tmp_path / f"image-signing.{extension}"
    there.write_text("mine")
    result = create("icr.io/team/*", directory=tmp_path, fails=True)
    assert f"image-signing.{extension} exists already" in result.output
    assert [file.name for file in tmp_path.iterdir()] == [there.name]
    assert there.read_text() == "mine"
    create("icr.io/team/*", "--name", "other", directory=tmp_path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "image-signing.private.asc").symlink_to(tmp_path / "elsewhere")
    create("icr.io/team/*", directory=tmp_path, fails=True)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "arguments, error",
    [
        (("",), "is not a repository pattern"),
        (("a b",), "is not a repository pattern"),
        (("r", "--image-policy"), "--image-policy needs --namespace"),
        (("r", "--store-url", "sigs.example.com"), "expecting https:// or http:// URL, got: sigs.example.com"),
        (("r", "--vault", "--print-private-key"), "--vault writes the private key to a file"),
        (("r", "--algorithm", "dsa"), "'dsa' is not one of"),
        (("r\x1b[2J",), "is not a repository pattern"),
        (("r", "--name", "../evil"), "--name: expected a file name"),
        (("r", "--name", "a/b"), "--name: expected a file name"),
        (("r", "--name", ""), "--name: expected a file name"),
        (("r", "--name=-x"), "--name: expected a file name"),
        (("r", "--name", "a\nb"), "--name: expected a file name"),
        (("r", "--secret", "x: y\nevil: 1"), "--secret: expected a Kubernetes name"),
        (("r", "--policy", '"}'), "--policy: expected a Kubernetes name"),
        (("r", "-n", "a.b"), "--namespace: expected a namespace"),
        (("r", "--vault-region", "us; touch X #"), "--vault-region: expected a region"),
        (("r", "--vault-region", "evil.com/"), "--vault-region: expected a region"),
        (("r", "--vault-region", "a@evil.com"), "--vault-region: expected a region"),
        (("r", "--vault-instance", "a\n-H evil: 1"), "--vault-instance: "),
    ],
)
def test_usage(tmp_path: Path, arguments: tuple[str, ...], error: str) -> None:
    result = create(*arguments, directory=tmp_path / "none", fails=True)
    assert result.exit_code == 2
    assert error in result.output


def test_a_lifetime_is_kept(tmp_path: Path) -> None:
    create("icr.io/team/*", "--lifetime", "1d", directory=tmp_path)
    listing = run(
        ["gpg", "--batch", "--show-keys", "--with-colons", str(tmp_path / "image-signing.pubkey")],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    ).stdout
    created, expires = (int(field) for field in listing.split(":")[5:7])
    assert expires - created == 86_400


@pytest.mark.parametrize(
    "name, email, lifetime",
    [
        ("Name\nKey-Type: DSA", "a@b.c", "0"),
        ("four", "a@b.c", "0"),
        ("Image signing", "a@b.c\n%pubring x", "0"),
        ("Image signing", "not an address", "0"),
        ("Image signing", "a@b.c", "0\n%commit"),
        ("Image signing", "a@b.c", "soon"),
        ("Image signing", "a@b.c", "99999y"),
    ],
)
def test_arguments_that_gpg_would_misread(name: str, email: str, lifetime: str) -> None:
    with pytest.raises(KeyNotMade, match="cannot be the"):
        create_key_pair(name, email, lifetime=lifetime)


def test_without_gpg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KeyNotMade, match="gpg is not installed"):
        create_key_pair("Image signing", "a@b.c")


def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:  # gpg's agent has a socket there: 108 characters at most
        check_that_nothing_is_left(Path(short), monkeypatch, tmp_path)


def check_that_nothing_is_left(rooms: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(rooms))
    create_key_pair("Image signing", "a@b.c", algorithm="ed25519")
    assert list(rooms.iterdir()) == []
    refusing = tmp_path / "gpg"
    refusing.write_text("#!/bin/sh\necho 'gpg: out of luck' >&2\nexit 2\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(KeyNotMade, match="out of luck"):
        create_key_pair("Image signing", "a@b.c")
    assert list(rooms.iterdir()) == []
