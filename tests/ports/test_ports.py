"""Every port is named by an adapter that claims to be it, in a line that mypy checks."""

from __future__ import annotations

import ast
from pathlib import Path

import imagegate

PACKAGE = Path(imagegate.__file__).parent


def protocols() -> set[str]:
    """Names of the Protocols in ``imagegate/ports``."""
    return {
        node.name
        for file in (PACKAGE / "ports").glob("*.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases)
    }


def claims(tree: ast.Module) -> dict[str, set[str]]:
    """Port -> adapters, of lines such as ``_: type[Port] = Adapter`` below ``if TYPE_CHECKING``."""
    found: dict[str, set[str]] = {}
    for block in tree.body:
        if not (isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"):
            continue
        for line in block.body:
            if isinstance(line, ast.AnnAssign) and line.value is not None:
                names = [node.id for node in ast.walk(line.annotation) if isinstance(node, ast.Name)]
                ports = [name for name in names if name not in {"type", "tuple"}]
                adapters = [node.id for node in ast.walk(line.value) if isinstance(node, ast.Name)]
                assert len(ports) == len(adapters), ast.unparse(line)
                for port, adapter in zip(ports, adapters, strict=True):
                    found.setdefault(port, set()).add(adapter)
    return found


def test_every_port_has_an_adapter_that_mypy_checks() -> None:
    named: dict[str, set[str]] = {}
    for folder in ("adapters", "service"):
        for file in (PACKAGE / folder).rglob("*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
            for port, adapters in claims(tree).items():
                assert adapters <= classes, f"{file}: checks a class of another module"
                named.setdefault(port, set()).update(adapters)
    assert protocols()
    assert protocols() - named.keys() == set(), "ports without an adapter"
    assert named.keys() - protocols() == set(), "not ports"


def test_claims_are_read() -> None:
    source = "if TYPE_CHECKING:\n    _: tuple[type[Port], type[Other]] = (Adapter, Second)\n"
    assert claims(ast.parse(source)) == {"Port": {"Adapter"}, "Other": {"Second"}}
    assert claims(ast.parse("_: type[Port] = Adapter\n")) == {}
