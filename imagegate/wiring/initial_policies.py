"""The policies that a service starts with: from its files, or the last good ones that it stored."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from imagegate.adapters.files.documents import DiskDocuments
from imagegate.adapters.files.kept_policies import PolicyFolder
from imagegate.adapters.files.walk import CHECKSUM_SUFFIX
from imagegate.adapters.files.watch import FileWatch
from imagegate.adapters.records.process_notes import ProcessNotes
from imagegate.errors import ConfigError, InvalidPolicy, InvalidSettings
from imagegate.ports.documents import DamagedState, Documents, Kept, Recorded
from imagegate.service.policies.change import Texts, change
from imagegate.service.policies.owner import PolicyOwner
from imagegate.service.policies.policy_set import PolicyHolder, PolicySet
from imagegate.service.policies.sources import Beginning, Sources
from imagegate.service.policies.state_notes import held
from imagegate.settings.load import Settings
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.completeness import has_marker
from imagegate.wiring.documents import PolicyDocuments
from imagegate.wiring.stores import store_path

Check = Callable[[PolicySet], None]
"""Judges policies before they are in force; raises ConfigError."""

ANY_SIZE = 1 << 40
_ATTEMPTS, _PAUSE_S = 20, 0.05

_log = logging.getLogger(__name__)


def _accept(policies: PolicySet) -> None:
    """No policies are refused."""


def policy_folder(chosen: StartupOptions, settings: Settings | None) -> PolicyFolder:
    """Folder of the last good documents, beside the store; a folder of its own for each set of start-up options.

    Args:
        settings: None where they cannot be read: then the store is the one that the environment names, or the
            user's.
    """
    named = {
        "settings": _absolute(chosen.named_settings),
        "config": _absolute(chosen.config),
        "policies": [_absolute(path) for path in chosen.policies],
        "images": [_absolute(path) for path in chosen.images],
        "profile": chosen.profile,
        "samples": chosen.samples,
        "environment": sorted((key, value) for key, value in chosen.environ.items() if key.startswith("IMAGEGATE_")),
    }
    key = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()
    path = store_path(settings, chosen.environ)
    return PolicyFolder(path.with_name(f"{path.name}.policies") / key[:32])


def _absolute(path: Path | None) -> str:
    return "" if path is None else str(path.absolute())


def settings_at_start(chosen: StartupOptions) -> Settings:
    """The settings that a service starts with: from the file or, if that is wrong, the last good ones that it stored.

    Raises:
        InvalidSettings: the file is wrong, and no settings are stored or they are damaged.
    """
    try:
        return chosen.settings()
    except InvalidSettings as error:
        kept = _kept(policy_folder(chosen, None), error)
        try:
            return chosen.settings(kept.documents)
        except ConfigError as second:
            raise InvalidSettings(f"{error}\n{second}") from error


def begin(
    load: Callable[[Documents], PolicySet],
    state: PolicyFolder | None,
    *,
    clock: Callable[[], datetime],
    check: Check = _accept,
) -> Beginning:
    """Read the files, and compare them with what was in force when the service last ran.

    Args:
        load: makes policies of documents.
        state: folder of the last good documents; None: there is none.
        clock: gives the time.
        check: judges policies from the files. Stored ones were in force before, and are not judged again: a restart
            must not depend on what runs elsewhere.

    Raises:
        ConfigError: the files are wrong, and no good documents are stored.
    """
    documents, fresh = _read(load, check)
    if isinstance(fresh, ConfigError):
        if state is None:
            raise fresh
        kept = _kept(state, fresh)
        try:
            policies = load(kept.documents)
        except ConfigError as second:
            raise InvalidPolicy(f"{fresh}\n{second}") from fresh
        at = kept.at.isoformat(timespec="seconds")
        return Beginning(
            policies=policies,
            documents=kept.documents,
            restored=f"the files are wrong; what was put in force at {at} was kept in {state.folder}",
            error=str(fresh),
        )
    before = _before(load, state)
    if before is not None:
        kept, policies = before
        found = change(policies, fresh, texts(kept, documents))
        rested_s = clock().timestamp() - documents.youngest()
        if found.reasons and (found.cut_off or rested_s < policies.weaker_after_s):
            since = datetime.fromtimestamp(documents.youngest(), UTC)
            waiting = held(found, fresh, since, policies.weaker_after_s)
            return Beginning(policies=policies, documents=kept.documents, held=waiting)
    return Beginning(policies=fresh, documents=documents)


def _read(load: Callable[[Documents], PolicySet], check: Check) -> tuple[DiskDocuments, PolicySet | ConfigError]:
    """The files, read while nobody writes them."""
    for _ in range(_ATTEMPTS):
        documents = DiskDocuments(keep=True)
        try:
            loaded = load(documents)
            check(loaded)
            fresh: PolicySet | ConfigError = loaded
        except ConfigError as error:
            fresh = error
        try:
            if documents.unchanged():
                break
        except OSError as error:
            return documents, InvalidPolicy(f"{error.filename}: cannot be read: {error.strerror}")
        time.sleep(_PAUSE_S)
    return documents, fresh


def _kept(state: PolicyFolder, error: ConfigError) -> Kept:
    """The stored documents, used instead of files that are wrong.

    Raises:
        ConfigError: ``error``, if nothing is stored or the stored documents are damaged.
    """
    try:
        kept = state.newest()
    except (DamagedState, OSError) as second:
        raise type(error)(f"{error}\n{second}") from error
    if kept is None:
        raise error
    return kept


def _before(load: Callable[[Documents], PolicySet], state: PolicyFolder | None) -> tuple[Kept, PolicySet] | None:
    """The policies in force before the start; None if they are not known."""
    if state is None:
        return None
    try:
        kept = state.newest()
        return None if kept is None else (kept, load(kept.documents))
    except DamagedState as error:
        _log.error("kept policies are set aside, the files are good: %s", error)
        state.forget()
    except (ConfigError, OSError) as error:
        _log.warning("the policies of before the start are not compared with the files, which are in force: %s", error)
    return None


def texts(kept: Kept, documents: Recorded) -> Texts:
    """Differences between documents and the stored ones.

    Raises:
        ConfigError: the stored documents are damaged.
        OSError: a document cannot be read.
    """
    old, new = kept.documents.index().documents, documents.index().documents
    found = Texts()
    for path, entry in new.items():
        if path in old and entry != old[path] and not path.endswith(CHECKSUM_SUFFIX):
            before = kept.documents.read(Path(path), at_most=ANY_SIZE)
            found = _with_text(found, path, before, documents.read(Path(path), at_most=ANY_SIZE))
    gone = tuple(
        f"{path} is gone, which said that the file is whole"
        for path in old
        if path.endswith(CHECKSUM_SUFFIX) and path not in new and path.removesuffix(CHECKSUM_SUFFIX) in new
    )
    return replace(found, unmarked=found.unmarked + gone)


def _with_text(found: Texts, path: str, before: bytes, after: bytes) -> Texts:
    if before.strip() and not after.strip():
        return replace(found, emptied=(*found.emptied, path))
    if len(after) < len(before) and before.startswith(after):
        found = replace(found, beginnings=(*found.beginnings, path))
    if before.endswith(b"\n") and not after.endswith(b"\n"):
        found = replace(found, unended=(*found.unended, path))
    if has_marker(before) and not has_marker(after):
        found = replace(found, unmarked=(*found.unmarked, f"{path} has lost the line that said it is whole"))
    return found


def owner(
    holder: PolicyHolder,
    beginning: Beginning,
    inputs: PolicyDocuments,
    shared: Path | None,
    state: PolicyFolder | None,
    *,
    clock: Callable[[], datetime],
    check: Check = _accept,
) -> PolicyOwner:
    """The owner of the policies in force.

    Args:
        shared: a folder of the processes of this service; None: a new one.
        check: judges policies from files before they are in force.

    Raises:
        ConfigError: the documents cannot be shared between processes.
    """
    folder = (shared or Path(tempfile.mkdtemp(prefix="imagegate-"))) / "policies"
    sources = Sources(
        load=inputs.load,
        check=check,
        disk=lambda: DiskDocuments(keep=True),
        files=inputs.files,
        watch=FileWatch(),
        texts=texts,
        shared=PolicyFolder(folder),
        state=state,
        processes=ProcessNotes(folder),
    )
    try:
        return PolicyOwner(holder, beginning, sources, clock=clock)
    except OSError as error:
        raise InvalidPolicy(f"{folder}: the policies cannot be shared between processes: {error}") from error
