"""Objects as YAML, as Kubernetes writes it: keys sorted, strings quoted only where they would mean another type."""

from __future__ import annotations

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Writes every string that YAML would read as something else in double quotes, as Go's library does."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the same value twice is written twice
        return True


def _string(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    resolved = dumper.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    style = '"' if resolved != "tag:yaml.org,2002:str" else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)


def yaml_text(value: Any) -> str:
    """``value`` as YAML."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=10_000_000)
