"""What can be wrong, as exceptions. Each has one place where it stops.

::

    ImagegateError
      InvalidInput          web: 400, cli: exit 2; an image name inside a pod: a Denial
        InvalidReference
        InvalidDigest
        InvalidReview
      ConfigError           refuse to start, or keep the last good policy; cli: exit 2
        InvalidPolicy
        InvalidSettings
      EvidenceError         adapters turn it into Unknown
        Unreachable
        Refused
        Malformed
        TooLarge
      VerificationError     the core turns it into a Denial
        BadSignature
        Expired
        RolledBack
        WrongIdentity

A denial is a value (``core.admission.decision.Denial``), never an exception.
"""


class ImagegateError(Exception):
    """Root of everything imagegate raises on purpose."""


class InvalidInput(ImagegateError):
    """Something a user or a client sent does not have the form it must have."""


class InvalidReference(InvalidInput):
    """A text is not an image reference."""


class InvalidDigest(InvalidInput):
    """A text is not a digest of a supported algorithm."""


class InvalidReview(InvalidInput):
    """A body is not an AdmissionReview."""


class ConfigError(ImagegateError):
    """A configuration document is wrong; the text carries ``file:line: path: what``.

    Args:
        lines: one text a fault. They are kept apart, since a name in one of them may hold a line end.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines

    def __str__(self) -> str:
        return "\n".join(self.lines)


class InvalidPolicy(ConfigError):
    """A policy document is wrong."""


class InvalidSettings(ConfigError):
    """The settings file or the environment is wrong."""


class EvidenceError(ImagegateError):
    """A question could not be answered."""


class Unreachable(EvidenceError):
    """No connection, no answer in time, or a server error."""


class Refused(EvidenceError):
    """The other side refuses to answer us (401, 403)."""


class Malformed(EvidenceError):
    """An answer does not have the form it must have."""


class TooLarge(EvidenceError):
    """An answer is larger than the limit in bytes, entries or depth."""


class VerificationError(ImagegateError):
    """Evidence was had, and does not prove what it must prove."""


class BadSignature(VerificationError):
    """A signature does not fit its text or its key."""


class Expired(VerificationError):
    """A key, signature or role is past its date."""


class RolledBack(VerificationError):
    """A role is older than one already seen."""


class WrongIdentity(VerificationError):
    """A good signature is for another image."""
