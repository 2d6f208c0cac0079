"""Makes OpenPGP key pairs with GnuPG, without a terminal and without touching the user's key ring.

Sequoia's Python binding makes primary keys that only certify and sign with a subkey, which skopeo's and
Portieris' verifiers refuse; here the primary key signs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from imagegate.errors import ImagegateError

TIMEOUT_S = 120
ALGORITHMS = {
    "rsa3072": "Key-Type: RSA\nKey-Length: 3072\n",
    "rsa4096": "Key-Type: RSA\nKey-Length: 4096\n",
    "ed25519": "Key-Type: EDDSA\nKey-Curve: ed25519\n",
}

_LIFETIME = re.compile(r"(0|[1-9][0-9]{0,4})([dwmy]?)")
_LIFETIME_MAX_DAYS = 75 * 366  # key packets count to the year 2106; gpg drops what goes beyond without a word
_DAYS = {"": 1, "d": 1, "w": 7, "m": 31, "y": 366}
_NAME = re.compile(r"[^\x00-\x1f\x7f<>()]{5,200}")
_EMAIL = re.compile(r"[A-Za-z0-9._+-]{1,100}@[A-Za-z0-9.-]{1,150}")


class KeyNotMade(ImagegateError):
    """GnuPG is missing or refuses; the text says why."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """One key pair. ``fingerprint`` is in upper-case hex; keys are ASCII-armoured but for ``private_binary``."""

    fingerprint: str
    public: str
    private: str = field(repr=False)
    private_binary: bytes = field(repr=False)


def create_key_pair(name: str, email: str, *, algorithm: str = "rsa3072", lifetime: str = "0") -> KeyPair:
    """Make a key that signs and certifies, without a passphrase.

    Args:
        name: of the key's holder, five characters or more.
        email: of the key's holder.
        algorithm: one of ``ALGORITHMS``.
        lifetime: ``0`` without end, else days, or weeks, months, years (``2y``).

    Raises:
        KeyNotMade: an argument GnuPG would misread, no GnuPG, or GnuPG's own complaint.
    """
    for text, fits, what in (
        (name, _NAME.fullmatch(name), "name"),
        (email, _EMAIL.fullmatch(email), "email"),
        (lifetime, _is_lifetime(lifetime), "lifetime"),
    ):
        if not fits:
            raise KeyNotMade(f"{text!r} cannot be the {what} of a key")
    parameters = (
        f"%no-protection\n{ALGORITHMS[algorithm]}Key-Usage: sign,cert\n"
        f"Name-Real: {name}\nName-Email: {email}\nExpire-Date: {lifetime}\n%commit\n"
    )
    with _home() as home:
        status = _gpg(home, "--status-fd", "1", "--gen-key", given=parameters).decode()
        created = re.search(r"^\[GNUPG:\] KEY_CREATED [BP] ([0-9A-F]{40,64})", status, re.MULTILINE)
        if created is None:
            raise KeyNotMade("gpg made no key")
        fingerprint = created[1]
        return KeyPair(
            fingerprint,
            _gpg(home, "--armor", "--export", fingerprint).decode("ascii"),
            _gpg(home, "--armor", "--export-secret-keys", fingerprint).decode("ascii"),
            _gpg(home, "--export-secret-keys", fingerprint),
        )


def _is_lifetime(text: str) -> bool:
    found = _LIFETIME.fullmatch(text)
    return found is not None and int(found[1]) * _DAYS[found[2]] <= _LIFETIME_MAX_DAYS


@contextmanager
def _home() -> Iterator[Path]:
    """A private temporary key ring, removed afterwards. Its path is short because the agent's socket is in it."""
    try:
        home = Path(tempfile.mkdtemp(prefix="imagegate-"))  # mode 0700
    except OSError as error:
        raise KeyNotMade(f"no temporary directory: {error}") from error
    try:
        yield home
    finally:
        if program := shutil.which("gpgconf"):
            subprocess.run([program, "--homedir", home, "--kill", "all"], capture_output=True, check=False)
        shutil.rmtree(home, ignore_errors=True)


def _gpg(home: Path, *arguments: str, given: str = "") -> bytes:
    program = shutil.which("gpg")
    if program is None:
        raise KeyNotMade("gpg is not installed (package gnupg); it makes the key, and skopeo and buildah sign with it")
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LC_ALL": "C"}
    command = [program, "--homedir", str(home), "--batch", "--no-tty", "--quiet", "--no-options", *arguments]
    try:
        done = subprocess.run(
            command, input=given.encode(), capture_output=True, env=environment, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KeyNotMade(f"gpg: {error}") from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise KeyNotMade(lines[-1])
    return done.stdout
