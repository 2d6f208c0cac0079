"""A suite ready to run: its objects read, its policy loaded, its fixtures in the place of registries."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from imagegate.adapters.signing.openpgp import OpenPgpVerifier
from imagegate.cli.check.run import CheckOptions
from imagegate.cli.output import yaml_text
from imagegate.cli.policy_tests.files import fixture_files
from imagegate.cli.policy_tests.inputs import Input, case_inputs
from imagegate.core.admission.lookup import Lookup
from imagegate.core.admission.request import User
from imagegate.core.content_trust.question import TrustedDigest, TrustedImage
from imagegate.core.profile import Profile
from imagegate.documents.image_objects import API_VERSIONS
from imagegate.documents.policy_tests.lock import Lock
from imagegate.documents.policy_tests.read import InvalidSuite
from imagegate.documents.policy_tests.suite import Case, Suite
from imagegate.errors import ConfigError
from imagegate.service.policies.policy_set import ConfiguredPlugin, PolicyHolder
from imagegate.service.policy_tests.evidence import FixtureEvidence, FixtureFiles
from imagegate.service.policy_tests.locked import LockedEvidence, Servers, Verify
from imagegate.service.policy_tests.trust import OfflineTrustServers
from imagegate.service.review.reviewer import Reviewer
from imagegate.settings.load import Settings
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.content_trust import trust_reader
from imagegate.wiring.plugins import enforces_images
from imagegate.wiring.runtime import Runtime, build, now

if TYPE_CHECKING:  # imports cryptography
    from imagegate.service.evidence.content_trust import TrustReader

Connect = Callable[[Settings], Servers]
"""From the settings, the servers that a lock is made from."""


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
    clock: Callable[[], datetime]
    """The time of its decisions."""

    @property
    def looked_up(self) -> Lock:
        """Answers of servers."""
        return Lock() if self.evidence.locked is None else self.evidence.locked.looked_up

    def reviewer(self, plugins: Sequence[ConfiguredPlugin] | None = None) -> Reviewer:
        """Decides at the suite's time.

        Args:
            plugins: in the place of those of the policy.
        """
        current = self.service.policies.current
        used = current if plugins is None else replace(current, plugins=tuple(plugins), begins=lambda: None)
        timeout_s = self.service.settings.server.default_timeout_s
        return Reviewer(
            PolicyHolder(lambda: used, now), self.service.look_up, clock=self.clock, default_timeout_s=timeout_s
        )


def prepare(suite: Suite, lock: Lock, connect: Connect | None = None) -> PreparedSuite:
    """Read everything that the suite names. No environment variable and no cluster counts.

    Args:
        lock: what no fixture describes; gets what servers say.
        connect: gives the servers that are asked for what neither fixtures nor lock have; None: nobody is asked.

    Raises:
        ConfigError: a file that it names cannot be read, or is wrong.
    """
    folder = Path(suite.file).parent
    chosen = _options(suite, folder)
    settings = chosen.settings()
    clock = _clock(suite)
    files = fixture_files(suite, folder)
    evidence = FixtureEvidence(
        suite.registry,
        OpenPgpVerifier(clock),
        files=files,
        trust=_trust(settings, files, clock),
        now=clock,
        locked=LockedEvidence(lock, _verify(settings), None if connect is None else connect(settings)),
    )
    with tempfile.TemporaryDirectory(prefix="imagegate-test-") as name:
        with_objects = _with_objects(suite, chosen, settings, Path(name))
        try:
            service = build(with_objects, evidence=evidence.answerers())
        except ConfigError as error:
            raise InvalidSuite(*(_of_suite(line, suite, name) for line in error.lines)) from error
    if not service.policies.current.plugins:
        raise InvalidSuite(f"{suite.file}:1: policy: the named files turn on no policy")
    shared = CheckOptions(
        templates=settings.profile is not Profile.OPENSHIFT_4, rule_places=service.policies.current.rule_places
    )
    cases = tuple(PreparedCase(case, case_inputs(case, folder), _check_options(case, shared)) for case in suite.cases)
    names = (settings.config, *settings.policies, str(chosen.settings_file or ""))
    policy = tuple(os.path.relpath(each) if each else "" for each in names)
    return PreparedSuite(suite, cases, service, evidence, policy, clock)


def _clock(suite: Suite) -> Callable[[], datetime]:
    fixed = suite.now
    return now if fixed is None else lambda: fixed


def _trust(
    settings: Settings, files: FixtureFiles, clock: Callable[[], datetime]
) -> Callable[[TrustedImage, float], Lookup[TrustedDigest]]:
    """Verifies the trust data of the fixtures."""
    servers = OfflineTrustServers(files.trust)

    @cache
    def reader() -> TrustReader:  # takes time to import
        return trust_reader(settings, servers, now=clock)

    return lambda question, deadline_s: reader().ask(question, deadline_s=deadline_s)


def _verify(settings: Settings) -> Verify:
    """Verifies trust data of a lock as of the time at which it was fetched."""

    def verify(
        question: TrustedImage, files: Mapping[str, bytes], at: datetime, deadline_s: float
    ) -> Lookup[TrustedDigest]:
        reader = trust_reader(settings, OfflineTrustServers({question.gun: files}), now=lambda: at)
        return reader.ask(question, deadline_s=deadline_s)

    return verify


def _check_options(case: Case, shared: CheckOptions) -> CheckOptions:
    return replace(shared, namespace=case.namespace, user=User(name=case.user, groups=case.groups))


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
