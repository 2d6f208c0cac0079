"""Words and filters of the console's templates."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_BREAKS = re.compile(r"(?<=[/@,=])(?=\S)|(?<=[.:])(?=[A-Za-z])|(?<=sha256:)")


def breakable(text: object) -> Markup:
    """``text``, escaped, which a narrow column may break inside names: after ``/``, ``@``, ``=``, and before words.

    ``live.js`` does the same.
    """
    return Markup("<wbr>").join(escape(part) for part in _BREAKS.split(str(text)))


CHECKS = {
    "certificate": "the serving certificate is valid now",
    "certificate files": "a newer serving certificate can be used",
    "certificate Secret": "the Secret of the serving certificate is followed",
    "certificate Secret read": "the Secret of the serving certificate was read once",
    "cluster": "copies of the cluster's objects are fresh",
    "cluster mirrors": "all mirror objects of the cluster were listed once",
    "cluster policies": "all policy objects of the cluster were listed once",
    "end": "the service is not stopping",
    "image API callers": "it is known which callers the API server vouches for",
    "image configuration": "the cluster's image configuration was read once",
    "image streams": "all image streams of the cluster were listed once",
    "kept policies": "the policies in force are stored for the next start",
    "lease": "background work is done by one replica",
    "lockout": "the policies let the images run that the cluster needs",
    "mirror objects": "every mirror object can be read",
    "namespaces": "all namespaces of the cluster were listed once",
    "policies": "changed documents can be read, and are in force",
    "policy files": "changes of the policy files are noticed",
    "policy objects": "every policy object can be read",
    "processes": "every worker decides by the newest policies",
    "store": "image streams and images can be read",
    "stored objects": "all stored objects of the cluster were listed once",
}
"""Check of ``/readyz`` -> its meaning where the result is ok."""
