"""Exceptions of imagegate. Each kind is caught in one place.

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

A denial is a value (``core.admission.decision.Denial``), never an exception.
"""


class ImagegateError(Exception):
    """Root of all exceptions that imagegate raises on purpose."""


class InvalidInput(ImagegateError):
    """Input of a user or a client does not have the required form."""


class InvalidReference(InvalidInput):
    """A string is not an image reference."""


class InvalidDigest(InvalidInput):
    """A string is not a digest of a supported algorithm."""


class InvalidReview(InvalidInput):
    """A body is not an AdmissionReview."""


class ConfigError(ImagegateError):
    """A configuration document is wrong; the message has the form ``file:line: path: problem``.

    Args:
        lines: one message per fault. They stay separate because a name inside one may contain a line end.
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
    """A look-up failed."""


class Unreachable(EvidenceError):
    """No connection, no answer in time, or a server error.

    Attributes:
        in_go: the cause in the words of Go's client; empty if they are not known.
    """

    def __init__(self, message: str, *, in_go: str = "") -> None:
        super().__init__(message)
        self.in_go = in_go


class Refused(EvidenceError):
    """The server refuses to answer (401, 403), or the settings forbid the request."""


class Malformed(EvidenceError):
    """An answer does not have the required form."""


class TooLarge(EvidenceError):
    """An answer is larger than the limit in bytes, entries or depth."""


class VerificationError(ImagegateError):
    """Evidence was fetched and does not prove what it must prove."""


class BadSignature(VerificationError):
    """A signature does not fit its content or its key."""
