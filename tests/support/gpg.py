"""GnuPG with a key ring of its own; keys are made without prompts and protect nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.support.programs import RUN_TIMEOUT_S, program, run

_PRIMARY_SIGNS = "Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: sign,cert\n"
_SUBKEY_SIGNS = (
    "Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: cert\n"
    "Subkey-Type: EDDSA\nSubkey-Curve: ed25519\nSubkey-Usage: sign\n"
)
_RSA = "Key-Type: RSA\nKey-Length: 3072\nKey-Usage: sign,cert\n"
_FORMS = {"ed25519": _PRIMARY_SIGNS, "subkey": _SUBKEY_SIGNS, "rsa": _RSA}


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair in the ring. Fingerprints are upper-case hexadecimal, as gpg prints them."""

    email: str
    fingerprint: str
    """Of the primary key."""
    armored: bytes
    """The public key, ASCII-armoured."""


class GpgHome:
    """A GNUPGHOME in a short path (its agent's socket has a limit of 108 bytes), gone when closed."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="gpg-", dir="/tmp"))  # mode 0700
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.path), "GNUPGHOME": str(self.path), "LC_ALL": "C"}

    def generate(self, email: str, *, form: str = "ed25519", expires: str = "0", at: str = "") -> Key:
        """Make a key.

        Args:
            form: ``ed25519``, ``rsa`` (3072 bits), or ``subkey`` (the primary key only certifies).
            expires: gpg's notation: ``0`` never, ``30d``.
            at: the time it is made at, ``20250101T000000``; empty: now.
        """
        text = f"%no-protection\n{_FORMS[form]}Name-Real: Test\nName-Email: {email}\nExpire-Date: {expires}\n%commit\n"
        self.gpg("--gen-key", text_in=text, at=at)
        listing = self.gpg("--list-keys", "--with-colons", email).stdout
        fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
        return Key(email, fingerprint, self.gpg("--armor", "--export", fingerprint).stdout.encode())

    def sign(self, key: Key, payload: bytes, *options: str, at: str = "") -> bytes:
        """``payload`` inside an OpenPGP message signed by ``key``: a simple-signing blob.

        Args:
            options: more options (``--digest-algo``, ``SHA1``; ``--clear-sign`` instead of ``--sign`` replaces it).
            at: the time it is signed at, ``20250105T000000``; empty: now.
        """
        how = () if {"--clear-sign", "--detach-sign"} & set(options) else ("--sign",)
        done = subprocess.run(
            [*self._command(at), "--local-user", f"{key.fingerprint}", *options, *how, "--output", "-"],
            env=self.env,
            input=payload,
            capture_output=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(f"gpg --sign exited {done.returncode}: {done.stderr.decode()}")
        return done.stdout

    def gpg(self, *arguments: str, text_in: str | None = None, at: str = "") -> subprocess.CompletedProcess[str]:
        """``gpg --batch ARGUMENTS``."""
        return run([*self._command(at), *arguments], env=self.env, text_in=text_in)

    def _command(self, at: str) -> list[str]:
        faked = ["--faked-system-time", at] if at else []
        return [program("gpg"), "--batch", "--yes", "--no-tty", "--quiet", *faked]

    def close(self) -> None:
        """End the agent of this home and remove it."""
        run([program("gpgconf"), "--kill", "all"], env=self.env, check=False)
        shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
