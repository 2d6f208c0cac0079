"""Exceptions of the room: what is wrong with trust data, and with what it is compared to.

The message is the original's where it has one (docs/spec/enforcement.md 12.5 to 12.9), because a denial
shows it. ``role`` and ``version`` say which file it is about.
"""

from __future__ import annotations

from imagegate.errors import InvalidInput, VerificationError


class TrustDataError(VerificationError):
    """Trust data cannot be had, or does not prove what it must prove.

    Args:
        version: of the file, as far as it could be read.
    """

    def __init__(self, text: str, *, role: str, version: int | None = None) -> None:
        super().__init__(text)
        self.role = role
        self.version = version

    @property
    def detail(self) -> str:
        """The message with the role and the version of the file in front."""
        version = "" if self.version is None else f" version {self.version}"
        return f"{self.role}{version}: {self}"


class TrustDataUnavailable(TrustDataError):
    """The server does not have a file, or could not be asked for it.

    Args:
        absent: the server says that there is none.
        retryable: a later attempt may succeed.
    """

    def __init__(self, text: str, *, role: str, absent: bool, retryable: bool = False) -> None:
        super().__init__(text, role=role)
        self.absent = absent
        self.retryable = retryable


class InvalidMetadata(TrustDataError):
    """A file does not have the required form."""

    def __init__(self, problem: str, *, role: str, version: int | None = None) -> None:
        super().__init__(f"{role} type metadata invalid: {problem}", role=role, version=version)


class MetadataTooLarge(TrustDataError):
    """A file, or all files of an update together, exceed a limit."""


class TooManyDelegations(TrustDataError):
    """The tree of delegations has more roles than an update loads."""


class ChecksumMismatch(TrustDataError):
    """A file is not the one that the snapshot or the timestamp lists."""


class NoSignatures(TrustDataError):
    """A file has an empty list of signatures."""


class KeyIdMismatch(TrustDataError):
    """A key is listed under an id that is not the hash of its content."""


class ThresholdNotMet(TrustDataError):
    """Fewer distinct keys of the role have signed than its threshold requires."""


class RolledBack(TrustDataError):
    """A file is older than one that was verified before."""


class Expired(TrustDataError):
    """A file's ``expires`` has passed."""


class RootNotTrusted(TrustDataError):
    """A root has no usable certificate, fits no pin, or has not signed itself."""

    def __init__(self, reason: str, *, version: int | None = None) -> None:
        text = f"could not validate the path to a trusted root: {reason}"
        super().__init__(text, role="root", version=version)


class RootRotationFailed(TrustDataError):
    """A root is not signed by the root that is trusted so far."""

    def __init__(self, reason: str, *, version: int | None = None) -> None:
        super().__init__(f"could not rotate trust to a new trusted root: {reason}", role="root", version=version)


class NoTrustData(TrustDataError):
    """No role that may release images has a sha256 digest of the tag or digest."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No valid trust data for {name}", role="targets")


class PublicKeysDiffer(TrustDataError):
    """The configured key of a signer is none of the keys of the signer's role."""

    def __init__(self, role: str, version: int | None = None) -> None:
        super().__init__("Public keys are different", role=role, version=version)


class IncompatibleDigest(TrustDataError):
    """A signer has signed another digest than the released one."""

    def __init__(self, role: str, version: int | None = None) -> None:
        super().__init__("Incompatible digest", role=role, version=version)


class SignerMissing(TrustDataError):
    """A signer's role does not have the tag, or the signer's key has not signed it."""

    def __init__(self, signer: str, version: int | None = None) -> None:
        super().__init__(f"no signature found for role {signer}", role=f"targets/{signer}", version=version)


class InvalidSigner(InvalidInput):
    """The name or the public key of a signer cannot be used."""


class InvalidTrustState(InvalidInput):
    """A stored trust state cannot be read."""


class InvalidPinning(InvalidInput):
    """A pinned CA bundle has no usable certificate."""
