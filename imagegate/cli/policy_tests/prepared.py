"""A suite ready to run: its objects read, its policy loaded, its fixtures in the place of registries."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from imagegate.adapters.signing.openpgp import OpenPgpVerifier
from imagegate.cli.check.manifests import read_objects
from imagegate.cli.check.run import CheckOptions
from imagegate.cli.check.yaml_text import BadManifest
from imagegate.cli.output import yaml_text
from imagegate.cli.policy_tests.inputs import Input, case_inputs, read_bounded
from imagegate.core.admission.lookup import Lookup
from imagegate.core.admission.request import User
from imagegate.core.enforcement.questions import ManifestDigest
from imagegate.core.profile import Profile
from imagegate.core.signing.key_ring import InvalidKeyRing, KeyRing
from imagegate.documents.image_objects import API_VERSIONS
from imagegate.documents.policy_tests.read import InvalidSuite
from imagegate.documents.policy_tests.suite import Case, Place, SignatureFixture, Suite
from imagegate.errors import ConfigError
from imagegate.service.policy_tests.evidence import FixtureEvidence, Signed
from imagegate.settings.load import Settings
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.plugins import enforces_images
from imagegate.wiring.runtime import Runtime, build

SIGNATURE_MAX_BYTES = 4 * 1024 * 1024
Resolve = Callable[[Settings], Callable[[ManifestDigest, float], Lookup[str]]]
"""From the settings, what looks up digests in registries."""


class PreparedCase(NamedTuple):
    """A case and its requests."""

    case: Case
    inputs: tuple[Input, ...]
    options: CheckOptions


@dataclass(frozen=True, slots=True)
class PreparedSuite:
    """A suite that can be run any number of times."""

    suite: Suite
    cases: tuple[PreparedCase, ...]
    service: Runtime
    evidence: FixtureEvidence
    policy: tuple[str, ...]
    """Equal for suites that test the same files."""


def prepare(suite: Suite, locked: Mapping[str, str], resolve: Resolve | None = None) -> PreparedSuite:
    """Read everything that the suite names. No environment variable and no cluster counts.

    Args:
        locked: digests of images, from the lock file.
        resolve: asks registries for digests that neither fixtures nor lock have; None: nobody is asked.

    Raises:
        ConfigError: a file that it names cannot be read, or is wrong.
    """
    folder = Path(suite.file).parent
    chosen = _options(suite, folder)
    settings = chosen.settings()
    evidence = FixtureEvidence(
        suite.registry,
        OpenPgpVerifier(),
        files={each: _signed(each, folder) for image in suite.registry for each in image.signatures},
        locked=locked,
        resolve=None if resolve is None else resolve(settings),
    )
    with tempfile.TemporaryDirectory(prefix="imagegate-test-") as name:
        with_objects = _with_objects(suite, chosen, settings, Path(name))
        try:
            service = build(with_objects, evidence=evidence.answerers())
        except ConfigError as error:
            raise InvalidSuite(*(_of_suite(line, suite, name) for line in error.lines)) from error
    if not service.policies.current.plugins:
        raise InvalidSuite(f"{suite.file}:1: policy: the named files turn on no policy")
    templates = settings.profile is not Profile.OPENSHIFT_4
    cases = tuple(
        PreparedCase(case, case_inputs(case, folder), _check_options(case, templates=templates)) for case in suite.cases
    )
    names = (settings.config, *settings.policies, str(chosen.settings_file or ""))
    policy = tuple(os.path.relpath(each) if each else "" for each in names)
    return PreparedSuite(suite, cases, service, evidence, policy)


def _check_options(case: Case, *, templates: bool) -> CheckOptions:
    return CheckOptions(namespace=case.namespace, user=User(name=case.user, groups=case.groups), templates=templates)


def _options(suite: Suite, folder: Path) -> StartupOptions:
    policy = suite.policy
    return StartupOptions(
        settings_file=folder / policy.settings if policy.settings else None,
        config=folder / policy.config if policy.config else None,
        policies=tuple(folder / each for each in policy.policies),
        images=tuple(folder / each for each in policy.images),
        profile=Profile(policy.profile) if policy.profile else None,
        manifests=True,
        without_cluster=True,
        environ={},
    )


def _with_objects(suite: Suite, chosen: StartupOptions, settings: Settings, folder: Path) -> StartupOptions:
    """The options with the objects of the fixtures, each written to a file: they are read as all others are."""
    images, others = list(map(Path, settings.images)), list(map(Path, settings.policies))
    for number, written in enumerate(suite.objects):
        file = folder / f"{number}.yaml"
        file.write_text(yaml_text(dict(written.object)), encoding="utf-8")
        if written.object["kind"] in API_VERSIONS:
            images.append(file)
        elif enforces_images(settings):
            others.append(file)
        else:
            kind = written.object["kind"]
            raise InvalidSuite(f"{written.place}: {kind} has no effect: the policy has no ImagePolicy objects")
    return replace(chosen, images=tuple(images), policies=tuple(others))


def _of_suite(line: str, suite: Suite, folder: str) -> str:
    """An error in a file of a fixture's object, as one of the suite."""
    prefix = f"{folder}/"
    if not line.startswith(prefix):
        return line
    name, _, rest = line.removeprefix(prefix).partition(".yaml:")
    return f"{suite.objects[int(name)].place}: {rest.partition(': ')[2]}" if name.isdecimal() else line


def _signed(signature: SignatureFixture, folder: Path) -> Signed:
    if signature.file:
        return Signed(blob=read_bounded(folder / signature.file, SIGNATURE_MAX_BYTES, _field(signature, "file")))
    at = _field(signature, "key")
    content = read_bounded(folder / signature.key, SIGNATURE_MAX_BYTES, at)
    is_armoured = any(line.startswith(b"-----BEGIN ") for line in content.splitlines())
    try:
        return Signed(key=KeyRing.parse(content if is_armoured else _key_of_secret(content, at)))
    except InvalidKeyRing as error:
        raise InvalidSuite(f"{at}: {signature.key}: {error}") from error


def _key_of_secret(content: bytes, at: Place) -> bytes:
    from imagegate.core.enforcement.questions import InvalidSecret, secret_item

    try:
        for manifest in read_objects(content.decode("utf-8-sig"), str(at)):
            item = secret_item(manifest.object, "key")
            if manifest.object.get("kind") == "Secret" and item is not None:
                return item.content
    except (BadManifest, UnicodeDecodeError, InvalidSecret) as error:
        raise InvalidSuite(f"{at}: {error}") from error
    raise InvalidSuite(f"{at}: neither an armoured public key nor a Secret with an item key")


def _field(signature: SignatureFixture, name: str) -> Place:
    return signature.place._replace(path=f"{signature.place.path}.{name}")
