"""Keywords, flags and variables of a Dockerfile, as openshift/imagebuilder reads them."""

from __future__ import annotations

import pytest

from imagegate.core.admission.dockerfile_words import Unknown, Variables, flags_of, keyword_of, trimmed, words_of


def test_words_and_keywords() -> None:
    assert words_of(' a "b c"\td ') == ["a", '"b', 'c"', "d"]
    assert keyword_of("FROM  a b ") == ("from", "a b")
    assert keyword_of("") == ("", "")
    assert trimmed("\u00a0a\x1f") == "a\x1f", "space as Go defines it, not as Python does"


@pytest.mark.parametrize(
    "text, flags, rest",
    [
        ("--platform=x --from='a b' c d", ["--platform=x", "--from=a b"], "c d"),
        (r"--from=a\ b c", ["--from=a b"], "c"),
        ("-- --from=a", [], "--from=a"),
        ("a --from=b", [], "a --from=b"),
        ("--from=a \u00e0", ["--from=a"], "\u00e0"),
    ],
)
def test_flags(text: str, flags: list[str], rest: str) -> None:
    assert flags_of(text) == (flags, rest)


def variables(*declared: str, **given: str | None) -> Variables:
    found = Variables(given)
    for text in declared:
        found.declare(text)
    return found


@pytest.mark.parametrize(
    "declared, given, word, expected",
    [
        (["BASE=a"], {}, "$BASE:1", "a:1"),
        (["BASE=a"], {"BASE": "b"}, "${BASE}", "b"),
        (["BASE"], {"BASE": "b"}, "${BASE}", "b"),
        (["A=1 B=2"], {}, "$A$B", "12"),
        (["A=a", "B=$A/b"], {}, "$B", "a/b"),
        (["A="], {}, "${A:-d}", "d"),
        (["A=a"], {}, "${A:-d}", "a"),
        (["A=a"], {}, "${A:+d}", "d"),
        (["A="], {}, "x${A:+d}", "x"),
        ([], {}, "'$A'\"b\"", "$Ab"),
    ],
)
def test_expanded(declared: list[str], given: dict[str, str], word: str, expected: str) -> None:
    assert variables(*declared, **given).expand(word) == expected


@pytest.mark.parametrize(
    "declared, given, word, why",
    [
        ([], {}, "$A", "no ARG before the first FROM declares A"),
        (["A"], {}, "$A", "ARG A has no default, and the build gives it no value"),
        ([], {"A": "a"}, "$A", "no ARG before the first FROM declares the build argument A"),
        (["A"], {"A": None}, "$A", "the value of build argument A is taken from elsewhere (valueFrom)"),
        (["A=a", "A"], {}, "$A", "ARG A is declared twice"),
        (["TARGETARCH=x"], {}, "$TARGETARCH", "TARGETARCH is set by the builder"),
        ([], {}, "'a", "a quote is not closed"),
        ([], {}, r"\a", "escaped characters are not read"),
        (["A=a"], {}, "${A%x}", "of variables only $NAME, ${NAME}, ${NAME:-WORD} and ${NAME:+WORD} are read"),
    ],
)
def test_unknown(declared: list[str], given: dict[str, str | None], word: str, why: str) -> None:
    with pytest.raises(Unknown) as raised:
        variables(*declared, **given).expand(word)
    assert str(raised.value) == why
