"""The table of settings in ``docs/settings.md``, made from their descriptions.

``python -m imagegate.settings.reference_page`` prints the document.
"""

from __future__ import annotations

import sys
from itertools import groupby

from imagegate.settings.load import ENTRIES
from imagegate.settings.schema import Entry

_HEAD = """# Settings

imagegate reads an optional settings file, `imagegate.yaml`, named by `--settings` or by the variable
`IMAGEGATE_SETTINGS`; `config/imagegate.yaml` is a sample with comments. A setting that is not given has its default.
An environment variable overrides the file; lists are separated by commas there. Relative paths are relative to the
settings file, those in variables to the working directory. Misspelt or unknown settings and `IMAGEGATE_...` variables
stop the start with file and line; variables that Kubernetes sets for a Service named `imagegate` are ignored.

"By profile" means: the default of the profile. Names end with their unit: `S` seconds, `Bytes` bytes.

A `cise` section turns on the policies of Container Image Security Enforcement and Portieris, even if it is empty
(`cise: {}`) or if only a variable of it is set. `cise.trust` is explained in
[content-trust.md](content-trust.md).

<!-- The tables are printed by `python -m imagegate.settings.reference_page`; a test compares them. -->
"""


def document() -> str:
    """The whole document."""
    parts = [_HEAD]
    for section, entries in groupby(ENTRIES, key=lambda entry: entry.path[0] if len(entry.path) > 1 else ""):
        parts.append(f"\n## {section or 'Top level'}\n\n")
        parts.append("| setting | values | default | meaning | variable |\n|---|---|---|---|---|\n")
        parts.extend(_row(entry) for entry in entries)
    return "".join(parts)


def _row(entry: Entry) -> str:
    description = entry.description
    variable = f"`{entry.variable}`" if description.from_text is not None else ""
    default = description.shown_default or "empty"
    shown = default if default == "empty" or " " in default or "`" in default else f"`{default}`"
    return f"| `{entry.dotted}` | {description.shape} | {shown} | {description.doc} | {variable} |\n"


if __name__ == "__main__":
    sys.stdout.write(document())
