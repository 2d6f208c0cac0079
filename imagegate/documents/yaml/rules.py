"""The rules of YAML for both readers, and the sentences for what breaks them.

``documents/yaml/source`` reads policy documents from parser events and keeps the line of every value;
``cli/check/manifests`` reads many manifests from the nodes of the C parser. Both take limits, scalars, keys, merge
keys and aliases from here, so that neither accepts what the other refuses.
"""

from __future__ import annotations

import math
from functools import lru_cache

import yaml

from imagegate.documents.yaml.nodes import Scalar
from imagegate.documents.yaml.scalars import BadYaml, resolve_plain, resolve_tagged

DEPTH_MAX = 200
ALIASED_NODES_MAX = 100_000
WEIGHED_LENGTH = 64
"""Characters of a string that weigh as much as one more value: an alias of a long string is long as well."""
MERGE_KEY = "<<"

TOO_DEEP = f"nested deeper than {DEPTH_MAX} levels"
KEY_IS_COLLECTION = "a key must be a string, not a list or mapping"
KEY_IS_NULL = "a key must not be null"
MERGE_NEEDS_MAPPINGS = f'"{MERGE_KEY}" takes a mapping or a list of mappings'
TOO_MANY_ALIASED = f"aliases refer to more than {ALIASED_NODES_MAX} values"
STRING_TAG = "tag:yaml.org,2002:str"
_STRING_TAGS = frozenset({"!", STRING_TAG, "tag:yaml.org,2002:timestamp"})


@lru_cache(maxsize=8192)  # manifests repeat the same few words and numbers
def plain_scalar(text: str) -> Scalar:
    """The value of a scalar without quotes and without a tag.

    Raises:
        BadYaml: infinity or not a number, which JSON cannot hold.
    """
    value = resolve_plain(text)
    if isinstance(value, float) and not math.isfinite(value):
        raise BadYaml(f"{text} is not a number in JSON")
    return value


def tagged_scalar(text: str, tag: str) -> Scalar:
    """The value of a scalar with an explicit tag; an unknown tag leaves the string.

    Raises:
        BadYaml: the string does not fit the tag.
    """
    return text if tag in _STRING_TAGS else resolve_tagged(text, tag)


def mapping_key(value: Scalar) -> str:
    """The string that a scalar key becomes in JSON.

    Raises:
        BadYaml: the key is null.
    """
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value).removesuffix(".0")
        case _:
            raise BadYaml(KEY_IS_NULL)


def repeated_key(key: str, first_line: int) -> str:
    """The sentence for a key that is written twice in one mapping."""
    return f'"{key}" is repeated (first in line {first_line})'


def merge_overwrites(key: str) -> str:
    """The sentence for a merge key behind a key that it brings too, which YAML readers understand differently."""
    return f'"{MERGE_KEY}" also sets "{key}", which is written before it: write "{MERGE_KEY}" first'


def undefined_alias(name: str = "") -> str:
    """The sentence for an alias without an anchor before it."""
    alias = f'alias "*{name}"' if name else "an alias"
    return f'{alias} names no anchor; a string that begins with "*" must be quoted'


def too_many_values(values_max: int) -> str:
    """The sentence for a document of more values than its reader takes."""
    return f"more than {values_max} values"


def recursive_alias(name: str = "") -> str:
    """The sentence for an alias inside the node that carries its anchor."""
    alias = f'alias "*{name}"' if name else "an alias"
    return f"{alias} refers to a node that contains it"


def text_weight(text: str) -> int:
    """Values that a string or key weighs beside itself."""
    return len(text) // WEIGHED_LENGTH


def too_many_aliased(aliased: int, written: int) -> bool:
    """True if aliases multiply a document beyond what a person would write.

    Args:
        aliased: nodes that aliases refer to, counted each time.
        written: nodes in the text; large documents may refer to as many as they hold.
    """
    return aliased > max(ALIASED_NODES_MAX, written)


def parser_problem(error: yaml.YAMLError) -> str:
    """The reason why the parser refuses a document, without its place.

    PyYAML bounds nesting itself since 6.0.4, in its own words: both versions give one sentence here.
    """
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if "nesting depth" in problem:
        return TOO_DEEP
    if "undefined alias" in problem:
        return undefined_alias()
    return f"not YAML: {problem}"
