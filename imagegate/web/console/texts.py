"""Filters of the console's templates."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_BREAKS = re.compile(r"(?<=[/@,=])(?=\S)|(?<=[.:])(?=[A-Za-z])|(?<=sha256:)")


def breakable(text: object) -> Markup:
    """``text``, escaped, which a narrow column may break inside names: after ``/``, ``@``, ``=``, and before words.

    ``live.js`` does the same.
    """
    return Markup("<wbr>").join(escape(part) for part in _BREAKS.split(str(text)))
