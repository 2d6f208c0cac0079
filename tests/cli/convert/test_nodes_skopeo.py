"""``convert --to policy.json`` proved: skopeo under the result, and imagegate under the original, on the same images.

A real registry, real signatures, a real lookaside server. No image that imagegate denies may be copied; where the
conversion lists no difference, the verdicts are equal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.cli.commands import Command, pod
from tests.support.enforcement_setup import policy
from tests.support.gpg import GpgHome, Key
from tests.support.images import make_image, source_of
from tests.support.lookaside import Lookaside
from tests.support.registry import Registry
from tests.support.service import CONFIG

pytestmark = pytest.mark.programs

SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Site:
    """A registry with images that are signed, unsigned and wrongly signed."""

    registry: Registry
    lookaside: Lookaside
    signer: Key
    directory: Path
    images: dict[str, str] = field(default_factory=dict)
    """Names without the registry, by what is special about them."""

    @property
    def host(self) -> str:
        return self.registry.host

    def push(self, name: str, *options: str) -> str:
        folder = self.directory / name.replace("/", "-").replace(":", "-")
        make_image(folder, text=name, kind="dir")
        self.images[name] = self.registry.push(source_of(folder), name, *options)
        return self.images[name]

    def forge(self, gpg: GpgHome, name: str, *, identity: str, digest: str) -> None:
        """A signature by the right key that says something else."""
        critical = {
            "type": "atomic container signature",
            "image": {"docker-manifest-digest": digest},
            "identity": {"docker-reference": f"{self.host}/{identity}"},
        }
        blob = gpg.sign(self.signer, json.dumps({"critical": critical, "optional": {}}).encode())
        self.lookaside.put(name.partition(":")[0], self.images[name], 1, blob)

    def references(self) -> list[str]:
        """Every image by its tag, and by its digest."""
        by_digest = {f"{name.rpartition(':')[0]}@{digest}" for name, digest in self.images.items()}
        return [f"{self.host}/{name}" for name in (*self.images, *sorted(by_digest))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, registry: Registry, gpg_home: GpgHome) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("nodes")
    signer = gpg_home.generate("nodes@images.test.invalid")
    stranger = gpg_home.generate("stranger@images.test.invalid")
    (directory / "signatures").mkdir()
    with Lookaside(directory / "signatures") as lookaside:
        registry.skopeo.lookaside(registry.host, read=lookaside.url, write=lookaside.directory)
        made = Site(registry, lookaside, signer, directory)
        for name in ("nodes/app:signed", "nodes/app/debug:signed", "nodes:signed", "pinned/app:1"):
            made.push(name, "--sign-by", signer.fingerprint)
        made.push("nodes/app:stranger", "--sign-by", stranger.fingerprint)
        for name in ("nodes/app:unsigned", "nodes/app:renamed", "nodes/app:stale", "open/tool:1", "pinned/app:2"):
            made.push(name)
        made.forge(gpg_home, "nodes/app:renamed", identity="open/app:renamed", digest=made.images["nodes/app:renamed"])
        made.forge(gpg_home, "nodes/app:stale", identity="nodes/app:stale", digest=made.images["nodes/app:signed"])
        yield made


def signed(name: str, lookaside: str, **more: object) -> str:
    requirement = {"type": "signedBy", "keySecret": "signer", "keySecretNamespace": "keys", **more}
    return json.dumps({"name": name, "policy": {"simple": {"storeURL": lookaside, "requirements": [requirement]}}})


def policies(site: Site) -> dict[str, tuple[list[str], bool]]:
    """Entries, and whether policy.json says them exactly."""
    host, store = site.host, site.lookaside.url
    remap = {"type": "remapIdentity", "prefix": f"{host}/nodes", "signedPrefix": f"{host}/open"}
    exact = {"type": "matchExactReference", "dockerReference": f"{host}/nodes/app:stale"}
    reject = json.dumps({"name": f"{host}/nodes/*", "policy": {"simple": {"requirements": [{"type": "reject"}]}}})
    return {
        "everything": (['{name: "*"}'], True),
        "nothing": ([], True),
        "the registry": ([f'{{name: "{host}/*"}}'], True),
        "signed, the rest open": (['{name: "*"}', signed(f"{host}/nodes/*", store)], False),
        "signed everywhere": ([signed("*", store)], True),
        "signed on the registry, one open": ([signed(f"{host}/*", store), f'{{name: "{host}/open/tool:1"}}'], True),
        "any tag": ([signed(f"{host}/*", store, signedIdentity={"type": "matchRepository"})], True),
        "under another name": ([signed(f"{host}/*", store, signedIdentity=remap)], True),
        "one reference": ([signed(f"{host}/*", store, signedIdentity=exact)], True),
        "one tag": ([f'{{name: "{host}/pinned/app:1"}}'], True),
        "a repository": ([f'{{name: "{host}/nodes/app"}}'], False),
        "tags of a repository": ([f'{{name: "{host}/nodes/app:*"}}'], False),
        "a folder": ([f'{{name: "{host}/nodes/*"}}'], False),
        "repository and folder": ([f'{{name: "{host}/nodes"}}', f'{{name: "{host}/nodes/*"}}'], True),
        "part of a name": ([f'{{name: "{host}/*"}}', signed(f"{host}/node*", store)], False),
        "rejected in an open registry": (['{name: "*"}', reject], False),
    }


@pytest.fixture(scope="module")
def secret(site: Site) -> Path:
    file = site.directory / "secret.yaml"
    document = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "signer", "namespace": "keys"},
        "stringData": {"key": site.signer.armored.decode()},
    }
    file.write_text(yaml.safe_dump(document))
    return file


def by_imagegate(imagegate: Command, site: Site, folder: Path, namespace: str = "default") -> dict[str, bool]:
    """The verdict of ``check`` for every image."""
    settings = {
        "policies": ["policies.yaml", str(site.directory / "secret.yaml")],
        "cise": {"profile": "portieris"},
        "registry": {"allowPrivateAddresses": ["127.0.0.0/8"], "insecure": [site.host]},
    }
    (folder / "imagegate.yaml").write_text(yaml.safe_dump(settings))
    images = site.references()
    pods = "---\n".join(pod(image, name=f"p{number}", namespace=namespace) for number, image in enumerate(images))
    (folder / "pods.yaml").write_text(pods)
    ran = imagegate("check", "--settings", folder / "imagegate.yaml", folder / "pods.yaml", "-o", "json")
    assert ran.code in (0, 1), ran.err
    verdicts = {found["name"]: found["verdict"] for found in json.loads(ran.out)["results"]}
    assert set(verdicts.values()) <= {"allowed", "rewritten", "denied"}
    return {image: verdicts[f"p{number}"] != "denied" for number, image in enumerate(images)}


def by_skopeo(site: Site, policy_file: Path, registries_d: Path) -> dict[str, bool]:
    """Whether skopeo copies every image under the converted files."""
    registries_d.mkdir(exist_ok=True)
    copied = site.directory / "copied"
    verdicts = {}
    for image in site.references():
        ran = site.registry.skopeo(
            "--registries.d", registries_d, "copy", "--src-tls-verify=false", f"docker://{image}", f"dir:{copied}",
            policy=policy_file, check=False,
        )  # fmt: skip
        assert ran.returncode in (0, 1), ran.stderr
        assert ran.returncode == 0 or "Source image rejected" in ran.stderr, ran.stderr
        verdicts[image] = ran.returncode == 0
    return verdicts


CASES = (
    "everything", "nothing", "the registry", "signed, the rest open", "signed everywhere",
    "signed on the registry, one open", "any tag", "under another name", "one reference", "one tag", "a repository",
    "tags of a repository", "a folder", "repository and folder", "part of a name", "rejected in an open registry",
)  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_skopeo_copies_what_imagegate_allows(
    site: Site, secret: Path, tmp_path: Path, imagegate: Command, name: str
) -> None:
    entries, is_exact = policies(site)[name]
    (tmp_path / "policies.yaml").write_text(policy(*entries))
    out = tmp_path / "out"
    arguments = ("convert", "--to", "policy.json", tmp_path / "policies.yaml", "--secrets", secret)
    ran = imagegate(*arguments, "--output-folder", out)
    assert ran.code == (0 if is_exact else 1), ran.err
    before = by_imagegate(imagegate, site, tmp_path)
    after = by_skopeo(site, out / "policy.json", out / "registries.d")
    assert not [image for image in after if after[image] and not before[image]]
    if is_exact:
        assert after == before


@pytest.mark.parametrize("name", ["a repository", "tags of a repository", "a folder"])
def test_what_is_wider_on_request_is_wider_only_as_listed(
    site: Site, secret: Path, tmp_path: Path, imagegate: Command, name: str
) -> None:
    entries, _ = policies(site)[name]
    (tmp_path / "policies.yaml").write_text(policy(*entries))
    out = tmp_path / "out"
    arguments = ("convert", "--to", "policy.json", tmp_path / "policies.yaml", "--secrets", secret, "--allow-wider")
    ran = imagegate(*arguments, "--output-folder", out, "-o", "json")
    assert ran.code == 1
    (loss,) = json.loads(ran.out)["losses"]
    assert loss["effect"] == "wider"
    before = by_imagegate(imagegate, site, tmp_path)
    after = by_skopeo(site, out / "policy.json", out / "registries.d")
    assert not [image for image in before if before[image] and not after[image]]
    listed = {
        "a repository": (f"{site.host}/nodes/app/...",),
        "tags of a repository": (f"{site.host}/nodes/app@DIGEST", f"{site.host}/nodes/app/..."),
        "a folder": (f"{site.host}/nodes:TAG", f"{site.host}/nodes@DIGEST"),
    }
    assert loss["text"] == (
        f"scope {site.host}/nodes{'' if name == 'a folder' else '/app'} also holds {', '.join(listed[name])}, "
        "which no entry matches"
    )
    beginnings = tuple(each.removesuffix("TAG").removesuffix("DIGEST").removesuffix("...") for each in listed[name])
    assert all(image.startswith(beginnings) for image in after if after[image] and not before[image])


def test_a_namespace_with_a_policy_of_its_own_has_a_file_of_its_own(
    site: Site, secret: Path, tmp_path: Path, imagegate: Command
) -> None:
    """CRI-O reads ``signature_policy_dir/NAMESPACE.json`` instead of policy.json."""
    own = yaml.safe_load(secret.read_text())
    own["metadata"]["namespace"] = "team"
    entry = signed("*", site.lookaside.url).replace('"keySecretNamespace": "keys"', '"keySecretNamespace": "team"')
    text = policy('{name: "*"}') + policy(entry, namespace="team", name="own") + f"---\n{yaml.safe_dump(own)}"
    (tmp_path / "policies.yaml").write_text(text)
    out = tmp_path / "out"
    ran = imagegate("convert", "--to", "policy.json", tmp_path / "policies.yaml", "--output-folder", out)
    assert ran.code == 0, ran.err
    for namespace, file in (("team", "policies/team.json"), ("default", "policy.json")):
        before = by_imagegate(imagegate, site, tmp_path, namespace)
        assert by_skopeo(site, out / file, out / "registries.d") == before
        assert len(set(before.values())) == (2 if namespace == "team" else 1)


SHIPPED = sorted(path for path in (CONFIG / "policies").iterdir() if path.is_dir())


@pytest.mark.parametrize("wider", [(), ("--allow-wider",)], ids=["strict", "wider"])
@pytest.mark.parametrize("folder", SHIPPED, ids=lambda each: each.name)
def test_skopeo_reads_the_files_for_all_shipped_policies(
    site: Site, tmp_path: Path, imagegate: Command, folder: Path, wider: tuple[str, ...]
) -> None:
    ran = imagegate("convert", "--to", "policy.json", *wider, folder, "--output-folder", tmp_path)
    assert ran.code in (0, 1), ran.err
    image = f"docker://{site.host}/open/tool:1"
    made = [tmp_path / "policy.json", *sorted((tmp_path / "policies").glob("*.json"))]
    for file in made:
        done = site.registry.skopeo(
            "copy", "--src-tls-verify=false", image, f"dir:{site.directory}/copied", policy=file, check=False
        )
        assert done.returncode == 0 or "Source image rejected" in done.stderr, done.stderr
