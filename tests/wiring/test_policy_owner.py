"""The owner of the policies in force over real folders; each look is made by hand."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagegate.adapters.files.documents import DiskDocuments
from imagegate.adapters.files.kept_policies import PolicyFolder
from imagegate.errors import ConfigError
from imagegate.service.policies import owner as policy_owner
from imagegate.service.policies.owner import RETRY_AFTER_S, STALE_AFTER_S
from imagegate.service.policies.policy_set import PolicyHolder, Unavailable
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.documents import PolicyDocuments
from imagegate.wiring.initial_policies import begin, owner
from tests.support.in_force import BROKEN, FORBIDS, PERMITS, replaced
from tests.support.processes import wait_until


def now() -> datetime:
    return datetime.now(UTC)


class Process:
    """What one process of a service has.

    Args:
        folder: with the folders ``documents`` and ``shared``, and ``state`` where ``keeps``.
    """

    def __init__(self, folder: Path, *, keeps: bool = False) -> None:
        self.inputs = inputs(folder)
        state = PolicyFolder(folder / "state") if keeps else None
        beginning = begin(self.inputs.load, state, clock=now)
        self.holder = PolicyHolder(lambda: beginning.policies, now)
        self.owner = owner(self.holder, beginning, self.inputs, folder / "shared", state, clock=now)

    def looks(self, times: int = 2) -> str:
        """Look, and the version in force then."""
        for _ in range(times):
            self.owner.look()
        return self.holder.current.version


def inputs(folder: Path) -> PolicyDocuments:
    return PolicyDocuments(StartupOptions(policies=(folder / "documents",), environ={}))


def version_of(folder: Path) -> str:
    """Of the files as they are now."""
    return inputs(folder).load().version


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("documents", "shared"):
        (tmp_path / name).mkdir()
    (tmp_path / "documents" / "p.yaml").write_text(PERMITS)
    return tmp_path


@pytest.fixture
def policy(folder: Path) -> Path:
    return folder / "documents" / "p.yaml"


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass for the owner."""
    passed = [0.0]
    monotonic = policy_owner.time.monotonic  # type: ignore[attr-defined]
    monkeypatch.setattr("imagegate.service.policies.owner.time.monotonic", lambda: monotonic() + passed[0])

    def let_pass(seconds: float) -> None:
        passed[0] += seconds

    return let_pass


def publish(folder: Path) -> None:
    """Another process puts the files in force as they are, good or bad."""
    documents = DiskDocuments(keep=True)
    with contextlib.suppress(ConfigError):
        inputs(folder).load(documents)
    PolicyFolder(folder / "shared" / "policies").keep(documents, version="another", at=now())


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """Every descriptor of this process is in use."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        yield
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class TestFiles:
    def test_two_looks_must_agree(self, folder: Path, policy: Path) -> None:
        process = Process(folder)
        before = process.looks()
        replaced(policy, FORBIDS)
        assert process.looks(1) == before
        assert process.looks(1) == version_of(folder) != before

    def test_contents_that_are_in_force_are_not_understood_again(self, folder: Path, policy: Path) -> None:
        process = Process(folder)
        current = process.holder.current
        replaced(policy, PERMITS)
        policy.chmod(0o600)
        process.looks(4)
        assert process.holder.current is current
        assert process.owner.generation == 1

    def test_a_file_that_is_put_back_is_well_again(self, folder: Path, policy: Path) -> None:
        process = Process(folder)
        current = process.holder.current
        replaced(policy, BROKEN)
        process.looks()
        assert "not YAML" in process.holder.state.error
        replaced(policy, PERMITS)
        process.looks()
        assert process.holder.state.error == ""
        assert process.holder.current is current

    def test_without_descriptors_it_is_said_and_tried_again(self, folder: Path, policy: Path) -> None:
        process = Process(folder)
        before = process.looks()
        replaced(policy, FORBIDS)
        with no_descriptors():
            assert process.looks(4) == before
            problem = str(process.owner._looked["error"])
        assert "Too many open files" in problem
        assert process.looks() == version_of(folder) != before
        assert process.owner.watch_problem() == ""

    def test_a_file_that_could_not_be_read_is_tried_again_though_it_stays_as_it_is(
        self, folder: Path, policy: Path, later: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        process = Process(folder)
        process.looks()
        replaced(policy, FORBIDS)
        with monkeypatch.context() as broken:

            def read(*_arguments: object, **_options: object) -> bytes:
                raise OSError(5, "Input/output error", str(policy))

            broken.setattr("imagegate.adapters.files.documents.read_with_status", read)
            process.looks()
            assert "Input/output error" in process.holder.state.error
        before = process.looks()
        later(RETRY_AFTER_S)
        assert process.looks(1) == version_of(folder) != before

    def test_a_changed_requirement_of_files_is_followed(self, folder: Path, policy: Path) -> None:
        process = Process(folder)
        process.looks()
        shutil.rmtree(policy.parent)
        process.looks()
        assert "cannot be read" in process.holder.state.error
        policy.parent.mkdir()
        policy.write_text(FORBIDS)
        assert process.looks() == version_of(folder)
        assert process.holder.state.error == ""


class TestFollowing:
    def test_a_newer_generation_is_taken(self, folder: Path, policy: Path) -> None:
        process = Process(folder)
        process.looks()
        policy.write_text(FORBIDS)
        publish(folder)
        assert process.looks(1) == version_of(folder)
        assert process.owner.generation == 2

    @pytest.mark.parametrize("how", ["not YAML", "damaged", "gone", "older"])
    def test_what_cannot_be_taken_leaves_a_worker_as_it_is_and_a_new_one_denies(
        self, folder: Path, policy: Path, how: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        process = Process(folder)
        process.looks()
        current = process.holder.current
        shared = folder / "shared" / "policies"
        kept = {path: path.read_bytes() for path in shared.rglob("*") if path.is_file()}
        policy.write_text(BROKEN if how == "not YAML" else FORBIDS)
        publish(folder)
        match how:
            case "damaged":
                for path in (shared / "contents").iterdir():
                    path.write_bytes(b"nonsense")
            case "gone":
                shutil.rmtree(shared)
            case "older":
                process.looks(1)
                current = process.holder.current
                for path, content in kept.items():
                    path.write_bytes(content)
        with caplog.at_level(logging.ERROR):
            assert not process.owner.catch_up()
            assert not process.owner.catch_up()
        assert caplog.text.count("the newest policies cannot be taken") == 1
        assert process.holder.current is current
        process.owner.start()
        try:
            assert isinstance(process.holder.current, Unavailable)
            if how != "gone":
                policy.write_text(FORBIDS)
                for _ in range(3):
                    publish(folder)
                wait_until(lambda: process.holder.current.version == version_of(folder), "newer policies")
        finally:
            process.owner.stop()

    def test_policies_that_cannot_be_shared_are_not_put_in_force(
        self, folder: Path, policy: Path, later: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        process = Process(folder)
        before = process.looks()
        replaced(policy, FORBIDS)
        with monkeypatch.context() as full:

            def write(_descriptor: int) -> None:
                raise OSError(28, "No space left on device")

            full.setattr("os.fsync", write)
            assert process.looks() == before
            assert "cannot be shared with other processes: [Errno 28]" in process.holder.state.error
        later(RETRY_AFTER_S)
        assert process.looks(1) == version_of(folder)


class TestStateForTheNextStart:
    def test_what_cannot_be_kept_is_said_and_nothing_older_stays(
        self, folder: Path, policy: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        process = Process(folder, keeps=True)
        process.looks()
        assert PolicyFolder(folder / "state").newest() is not None
        replaced(policy, FORBIDS)
        keep = PolicyFolder.keep

        def full(self: PolicyFolder, *arguments: object, **options: object) -> object:
            if self.folder.name == "state":
                raise OSError(28, "No space left on device")
            return keep(self, *arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(PolicyFolder, "keep", full)
        assert process.looks() == version_of(folder), "in force all the same"
        assert "No space left on device" in process.owner.state_problem()
        assert PolicyFolder(folder / "state").newest() is None

    def test_policies_that_only_wait_are_not_kept(self, folder: Path, policy: Path) -> None:
        process = Process(folder, keeps=True)
        process.looks()
        replaced(policy, PERMITS[:-1])
        process.looks()
        assert process.holder.state.held is not None
        kept = PolicyFolder(folder / "state").newest()
        assert kept is not None
        assert kept.documents.read(policy) == PERMITS.encode()


def test_a_watch_that_does_not_look_is_said(folder: Path, later: Callable[[float], None]) -> None:
    process = Process(folder)
    process.looks()
    assert process.owner.watch_problem() == ""
    later(STALE_AFTER_S + 1)
    assert process.owner.watch_problem() == f"the policy files have not been looked at for {STALE_AFTER_S + 1:.0f} s"
    process.looks(1)
    assert process.owner.watch_problem() == ""


def test_files_that_never_rest_are_said(folder: Path, policy: Path, later: Callable[[float], None]) -> None:
    process = Process(folder)
    before = process.looks()
    for number in range(20):
        replaced(policy, f"{FORBIDS}# {number}\n")
        later(1)
        assert process.looks(1) == before
    assert "the files have kept changing for " in process.owner.watch_problem()
    assert process.looks() == version_of(folder)
    process.looks(1)
    assert process.owner.watch_problem() == ""


def test_processes_that_differ_or_do_not_look_are_said(folder: Path, later: Callable[[float], None]) -> None:
    process = Process(folder)
    process.owner._report()
    assert process.owner.divergence() == ""
    notes = folder / "shared" / "policies"
    mine = json.loads((notes / f"process-{os.getpid()}.json").read_text())
    parent = os.getppid()
    began = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[19]
    other = {**mine, "pid": parent, "began": began, "generation": 7}
    (notes / f"process-{parent}.json").write_text(json.dumps(other))
    (notes / "process-1000000000.json").write_text(json.dumps({**mine, "pid": 1_000_000_000, "generation": 9}))
    assert process.owner.divergence() == f"process {os.getpid()}: has older policies in force"
    assert sorted(path.name for path in notes.glob("process-*")) == sorted(
        [f"process-{os.getpid()}.json", f"process-{parent}.json"]
    ), "of processes that have ended nothing stays"
    later(STALE_AFTER_S + 1)
    assert f"process {parent}: has not looked for newer policies for 16 s" in process.owner.divergence()


def test_an_unexpected_error_ends_nothing_and_is_logged_once(
    folder: Path, policy: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(folder)
    before = process.looks()
    replaced(policy, FORBIDS)
    with monkeypatch.context() as broken, caplog.at_level(logging.ERROR):
        broken.setattr("imagegate.adapters.files.watch.entries", lambda *_, **__: 1 / 0)
        assert process.looks(5) == before
    assert caplog.text.count("ZeroDivisionError") >= 1
    assert caplog.text.count("Traceback") == 1
    assert process.looks() == version_of(folder)
