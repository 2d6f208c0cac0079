"""Image enforcement policies: with and without signatures, and what they ask of the registry."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench import program, reviews
from bench.figures import Figure, Options
from bench.load import check_answers, is_allowed
from bench.mutating import BODIES, shown
from bench.server_figures import Target, alternate, reference
from bench.servers import Server
from tests.service.signing_setup import ExtensionRegistry
from tests.support.certificates import Authority
from tests.support.gpg import GpgHome, Key
from tests.support.images import make_image, source_of
from tests.support.notary import Notary, start_notary
from tests.support.registry import Registry, start_registry

REPOSITORY, TRUSTED = "signed/app", "trusted/app"
AT_ONCE, REVIEWS = 64, 1_000


@dataclass(frozen=True, slots=True)
class World:
    """A real registry behind a proxy that counts and serves signatures, and a key."""

    directory: Path
    registry: Registry
    proxy: ExtensionRegistry
    gpg: GpgHome
    settings: Path
    key: Key
    notary: Notary

    def signed(self, tag: str) -> tuple[str, str]:
        """Push and sign an image of its own; its reference and what it is rewritten to."""
        folder = self.directory / f"image-{tag}"
        make_image(folder, text=tag)
        digest = self.registry.push(source_of(folder), f"{REPOSITORY}:{tag}")
        image = f"{self.proxy.host}/{REPOSITORY}"
        claims = {
            "critical": {
                "type": "atomic container signature",
                "image": {"docker-manifest-digest": digest},
                "identity": {"docker-reference": f"{image}:{tag}"},
            },
            "optional": {},
        }
        self.proxy.put(REPOSITORY, digest, self.gpg.sign(self.key, json.dumps(claims).encode()))
        return f"{image}:{tag}", f"{image}@{digest}"

    def trusted(self, tag: str) -> tuple[str, str]:
        """Push an image of its own and sign it with the client of Notary; its reference and what it is rewritten to."""
        folder = self.directory / f"trusted-{tag}"
        make_image(folder, text=f"trusted {tag}")
        name = f"{TRUSTED}:{tag}"
        digest = self.registry.push(source_of(folder), name)
        gun = f"{self.proxy.host}/{TRUSTED}"
        self.notary.start_signing(gun)
        self.notary.sign(gun, tag, self.registry.manifest(name), digest)
        return f"{gun}:{tag}", f"{gun}@{digest}"


@contextlib.contextmanager
def world() -> Iterator[World]:
    """Everything that signed images need, running."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, GpgHome() as gpg, contextlib.ExitStack() as stack:
        directory = Path(name)
        for part in ("ca", "registry", "notary"):
            (directory / part).mkdir()
        ca = Authority(directory / "ca")
        key = gpg.generate("bench@test.invalid", form="rsa")
        registry = stack.enter_context(start_registry(directory / "registry"))
        proxy = stack.enter_context(ExtensionRegistry(registry.url, tls=ca.server))
        notary = stack.enter_context(start_notary(directory / "notary", ca))
        settings = directory / "imagegate.yaml"
        policies = directory / "policies.yaml"
        policies.write_text(_policies(proxy.host, key.armored, notary.url), encoding="utf-8")
        document = {
            "policies": [str(policies)],
            "cise": {"profile": "portieris"},
            "registry": {"allowPrivateAddresses": ["127.0.0.0/8"], "caFile": str(ca.bundle)},
        }
        settings.write_text(yaml.safe_dump(document), encoding="utf-8")
        yield World(directory, registry, proxy, gpg, settings, key, notary)


def _policies(host: str, key: bytes, trust_server: str) -> str:
    trust = {"enabled": True, "trustServer": trust_server}
    simple = {"requirements": [{"type": "signedBy", "keySecret": "bench-key"}]}
    policy = {
        "apiVersion": "portieris.cloud.ibm.com/v1",
        "kind": "ImagePolicy",
        "metadata": {"name": "bench", "namespace": program.NAMESPACE},
        "spec": {
            "repositories": [
                {"name": f"{host}/{REPOSITORY}", "policy": {"simple": simple}},
                {"name": f"{host}/{TRUSTED}", "policy": {"trust": trust}},
                {"name": "registry.example.com/*", "policy": {}},
            ]
        },
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "bench-key", "namespace": program.NAMESPACE},
        "data": {"key": base64.b64encode(key).decode()},
    }
    return yaml.safe_dump_all([policy, secret])


def cise(options: Options) -> Iterable[Figure]:
    """A policy by name only, one with a signature and one with trust data that were verified before."""
    with (
        world() as given,
        program.serving("imagegate", given.directory, "--settings", given.settings) as server,
        reference("flask", given.directory) as flask,
    ):
        image, pinned = given.signed("v1")
        trusted, trusted_pinned = given.trusted("v1")
        pattern = _bodies(given, "pattern", "registry.example.com/team/app:v1")
        signed = _bodies(given, "signed", image)
        by_name = Target(server, "/admit", pattern, is_allowed)
        by_signature = Target(server, "/admit", signed, program.rewrites_to(pinned))
        by_trust = Target(server, "/admit", _bodies(given, "trusted", trusted), program.rewrites_to(trusted_pinned))
        noop = Target(flask, "/admit", pattern)
        alternate((by_name, by_signature, by_trust, noop), options)
        yield Figure("cise_pattern_vs_flask_noop", by_name.cpu_us / noop.cpu_us, "ratio", 1.0)
        yield Figure("cise_signed_warm_vs_flask_noop", by_signature.cpu_us / noop.cpu_us, "ratio", 0.45)
        yield Figure("cise_trust_warm_vs_flask_noop", by_trust.cpu_us / noop.cpu_us, "ratio", 1.2)
        yield from shown("cise_pattern", by_name)
        yield from shown("cise_signed_warm", by_signature)
        yield from shown("cise_trust_warm", by_trust)


def _bodies(given: World, stem: str, image: str, count: int = BODIES) -> list[Path]:
    documents = [reviews.usual(image, program.NAMESPACE, number) for number in range(count)]
    return reviews.write(documents, given.directory, stem)


def simple(options: Options) -> Iterable[Figure]:  # noqa: ARG001 - requests are counted, not timed
    """Requests to the registry for the first review of a signed image and for the next one."""
    with world() as given, program.serving("imagegate", given.directory, "--settings", given.settings) as server:
        image, pinned = given.signed("v1")
        bodies = _bodies(given, "signed", image, 2)
        before = given.proxy.count()
        check_answers(server, "/admit", bodies[:1], program.rewrites_to(pinned))
        cold = given.proxy.count()
        check_answers(server, "/admit", bodies[1:], program.rewrites_to(pinned))
        yield Figure("simple_cold", cold - before, "requests", 2)
        yield Figure("simple_warm", given.proxy.count() - cold, "requests", 0)


def merge(options: Options) -> Iterable[Figure]:  # noqa: ARG001 - look-ups are counted, not timed
    """How often anything is asked of the registry for 1,000 reviews of one new image, 64 at once."""
    with world() as given, program.serving("imagegate", given.directory, "--settings", given.settings) as server:
        image, pinned = given.signed("v1")
        bodies = _bodies(given, "signed", image, AT_ONCE)
        before = len(given.proxy.requests)
        _all_at_once(server, bodies, pinned)
        asked = Counter((request.method, request.target) for request in given.proxy.requests[before:])
        yield Figure("merge_lookups", max(asked.values()), "look-ups", 1)
        yield Figure("merge_lookups_requests", asked.total(), "requests")


def _all_at_once(server: Server, bodies: Sequence[Path], pinned: str) -> None:
    """Send ``REVIEWS`` reviews over ``AT_ONCE`` connections and check every answer."""
    check = program.rewrites_to(pinned)

    def one_connection(body: Path) -> int:
        sent = body.read_bytes()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        wrong = 0
        for _ in range(REVIEWS // AT_ONCE + 1):
            connection.request("POST", "/admit", sent, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
            wrong += check(json.loads(sent), answer) is not None
        connection.close()
        return wrong

    with ThreadPoolExecutor(AT_ONCE) as pool:
        program.must(sum(pool.map(one_connection, bodies)) == 0, "an answer under load was wrong")
