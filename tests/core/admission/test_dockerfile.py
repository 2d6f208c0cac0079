"""Images that a Dockerfile names. What builders read differently counts in every reading.

Compared with openshift/imagebuilder's own parser and stages on 143,000 texts that it takes, made from the same odd
parts as below, and with BuildKit's parser on 89,000: no image that they see was missed, unless something in the text
counts as unknown (a third), which denies.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.admission.dockerfile import BuildInputs, named_images

NOTHING = BuildInputs()

NAMED: dict[str, tuple[str, list[str]]] = {
    "one": ("FROM evil.com/x:1\nRUN id\n", ["evil.com/x:1"]),
    "any case": ("from evil.com/x:1\nfRoM b\n", ["evil.com/x:1", "b"]),
    "no line feed at the end": ("FROM a", ["a"]),
    "line ends of Windows": ("FROM a\r\nCOPY --from=b c d\r\n", ["a", "b"]),
    "a byte order mark": ("\ufeffFROM a", ["a"]),
    "space before and between": ("  \tFROM\t a \v AS\fb  \n", ["a"]),
    "space that is not ASCII": ("\u00a0\u3000FROM a\n", ["a"]),
    "no FROM": ("RUN id\nFROMAGE x\nXFROM y", []),
    "too many words": ("FROM a b\nFROM a AS\nFROM\n", []),
    "platform": ("FROM --platform=$BUILDPLATFORM a AS b", ["a"]),
    "a comment": ("# FROM a\nFROM b\n  # FROM c\n", ["b"]),
    "a comment does not go on": ("# x \\\nFROM a\n", ["a"]),
    "continued": ("FROM \\\n  evil.com/x:1 \\\n  AS \\\n b\n", ["evil.com/x:1"]),
    "continued inside of words": ("FR\\\nOM evil.\\\ncom/x\n", ["evil.com/x"]),
    "space behind the backslash": ("FROM \\ \t\nevil.com/x\n", ["evil.com/x"]),
    "comments and blank lines between": ("FROM \\\n# no\n\n   # no\nevil.com/x\n", ["evil.com/x"]),
    "not an instruction": ("RUN echo \\\nFROM evil.com/x:1\n", []),
    "scratch": ("FROM scratch\nFROM SCRATCH\n", ["SCRATCH"]),
    "several stages": ("FROM a AS b\nFROM b AS c\nFROM d\nCOPY --from=b x y\nCOPY --from=1 x y\n", ["a", "d"]),
    "a stage that comes later": ("FROM a\nCOPY --from=b x y\nFROM c AS b\n", ["a", "b", "c"]),
    "a stage does not name itself": ("FROM a AS b\nCOPY --from=b x y\nCOPY --from=0 x y\n", ["a", "b", "0"]),
    "small and large letters differ": ("FROM a AS B\nFROM c\nCOPY --from=b x y\n", ["a", "c", "b"]),
    "a stage that looks like an image": ("FROM a AS evil.com/x:1\nFROM evil.com/x:1\n", ["a", "evil.com/x:1"]),
    "no stage has this number": ("FROM a\nFROM b\nCOPY --from=1 x y\nCOPY --from=00 x y\n", ["a", "b", "1", "00"]),
    "copied": ("FROM a\nCOPY --chown=x --from=evil.com/x:1 y z\nADD --from=c d e\n", ["a", "evil.com/x:1", "c"]),
    "two flags": ("FROM a\nCOPY --from=b --from=c d e\n", ["a", "b", "c"]),
    "quotes in a flag": ("FROM a\nCOPY --fr\"om=b\" --'from=c' d e\n", ["a", "b", "c"]),
    "the end of the flags": ("FROM a\nCOPY -- --from=b c d\nCOPY --from=c --", ["a", "c"]),
    "backslashes in a flag": ('FROM a\nCOPY --fro\\m=b --chown=\\" --from=c\\', ["a", "b", "c"]),
    "a flag that is none": ('FROM a\nCOPY "--from=b" --from=c d\nCOPY x --from=d e\n', ["a"]),
    "letters whose bytes are spaces": ("FROM a\nCOPY --chown=\u00e0--from=b c d\n", ["a", "b"]),
    "mounted": ("FROM a\nRUN --network=none --mount=type=bind,from=evil.com/x,target=/y id\n", ["a", "evil.com/x"]),
    "mounted with quotes": ("FROM a\nRUN --mount='type=cache,From=b' id\n", ["a", "b"]),
    "mounted from a stage": ("FROM a AS b\nFROM c\nRUN --mount=from=b,target=/x --mount=from=0 id\n", ["a", "c"]),
    "not a flag of the instruction": ("FROM a\nRUN echo --mount=from=b\n", ["a"]),
    "for later builds": ("FROM a AS b\nFROM c\nONBUILD COPY --from=b x y\n", ["a", "c", "b"]),
    "for later builds, a mount": ("FROM a\nonbuild run --mount=from=0 id\n", ["a", "0"]),
    "a letter that Go makes small": ("FROM a\nONBU\u0130LD COPY --from=b x y\n", ["a", "b"]),
    "a frontend": ("# syntax=evil.com/x:1 more\nFROM a", ["evil.com/x:1", "a"]),
    "a frontend behind a directive": ("#escape=\\\n# Syntax = evil.com/x\nFROM a", ["evil.com/x", "a"]),
    "no frontend behind an instruction": ("FROM a\n# syntax=evil.com/x\n", ["a"]),
    "a default": ("ARG A=evil.com/x\nARG B=1\nFROM ${A}:$B\n", ["evil.com/x:1"]),
    "a default of defaults": ("ARG A=b:1 C=d\nARG B=${A}-$C\nFROM $B", ["b:1-d"]),
    "quotes": ("ARG A=\"evil.com/x\" B='y'\nFROM \"$A\"'/'${B}\n", ["evil.com/x/y"]),
    "the last default": ("ARG A=a\nARG A=b\nFROM $A", ["b"]),
    "without a value": ("ARG A\nARG B=\nFROM ${A:-b}\nFROM ${B:-c}\nFROM ${C:-d}${A:+e}${C:+f}\n", ["b", "c", "d"]),
    "with a value": ("ARG A=x\nFROM ${A:-b}\nFROM ${A:+c}\n", ["x", "c"]),
    "an escape directive": ("# escape=`\nFROM `\n a\nRUN dir C:\\\nFROM b\n", ["a", "b"]),
    "a directive that not all read": ("# syntax=s\n# escape=`\nRUN x \\\nFROM b\nRUN x `\nFROM c\n", ["s", "c", "b"]),
    "an odd directive": ("# escape=`x\nRUN x \\\nFROM b\nRUN x `\nFROM c\n", ["c", "b"]),
    "two backslashes": ("RUN x \\\\\nFROM a\n", ["a"]),
    "returns before the line feed": ("FR\\\r\r\nOM a\nRUN x \\\r\r\nFROM b\n", ["b", "a"]),
    "a heredoc": ("FROM a\nRUN <<EOF\napt-get update\nEOF\nCOPY --from=b c d\n", ["a", "b"]),
    "a heredoc for a builder without": ("FROM a\nRUN <<EOF\nFROM b\nEOF\n", ["a", "b"]),
    "a heredoc with Python": ("FROM a\nRUN python <<EOF\nfrom os import path\nEOF\n", ["a"]),
    "a stage in a heredoc": ("FROM a\nRUN <<EOF\nFROM a AS b\nEOF\nFROM c\nCOPY --from=b x y\n", ["a", "c", "b"]),
    "a heredoc that hides nothing": ("FROM a\nRUN <<-'E' cat <<F\nx \\\n\tE\nF\nFROM b\n", ["a", "b"]),
    "no heredoc": ('FROM a\nRUN echo $((1<<2)) "<<EOF" <<< x\nFROM b\n', ["a", "b"]),
}


@pytest.mark.parametrize("text, images", NAMED.values(), ids=NAMED.keys())
def test_images(text: str, images: list[str]) -> None:
    named = named_images(text, NOTHING)
    assert [each.image for each in named] == images
    assert [each.unknown for each in named] == [""] * len(images)


FORMS = "of variables only $NAME, ${NAME}, ${NAME:-WORD} and ${NAME:+WORD} are read"
PLAIN = "takes a name without variables and quotes: name a stage with FROM"
HEREDOC = "the end of a heredoc cannot be found: write its name in letters and digits"
UNKNOWN: dict[str, tuple[str, str]] = {
    "no value": ("ARG A\nFROM $A\n", "ARG A has no default, and the build gives it no value"),
    "not declared": ("FROM ${A}\n", "no ARG before the first FROM declares A"),
    "declared too late": ("FROM a\nARG B=c\nFROM $B\n", "no ARG before the first FROM declares B"),
    "declared in a comment": ("# ARG A=b\nFROM $A\n", "no ARG before the first FROM declares A"),
    "through another": ("ARG A\nARG B=$A\nFROM $B\n", "ARG A has no default, and the build gives it no value"),
    "declared twice": ("ARG A=b\nARG A\nFROM $A\n", "ARG A is declared twice"),
    "of the builder": ("ARG TARGETARCH=x\nFROM a:$TARGETARCH\n", "TARGETARCH is set by the builder"),
    "of the cluster": ("FROM ${HTTP_PROXY:-a}\n", "HTTP_PROXY is set by the builder"),
    "of the build": ("FROM $GIVEN\n", "no ARG before the first FROM declares the build argument GIVEN"),
    "of a secret": (
        "ARG SECRET=a\nFROM ${SECRET:-b}\n",
        "the value of build argument SECRET is taken from elsewhere (valueFrom)",
    ),
    "another form": ("ARG A=b\nFROM ${A#x}\n", FORMS),
    "nested": ("ARG A=b\nFROM ${C:-$A}\n", FORMS),
    "escaped": ("FROM a\\b\n", "escaped characters are not read"),
    "a quote": ("FROM 'a\n", "a quote is not closed"),
    "empty": ("ARG A=\nFROM $A\n", "the name is empty"),
    "copied": ("ARG A=b\nFROM a\nCOPY --from=$A c d\n", f"COPY --from {PLAIN}"),
    "mounted": ("FROM a\nRUN --mount=from=${A} id\n", f"RUN --mount {PLAIN}"),
    "nothing mounted": ("FROM a\nRUN --mount=from= id\n", "the name is empty"),
    "a heredoc": ("FROM a\nRUN <<E\\\\F\nx\nE\\F\n", HEREDOC),
}


@pytest.mark.parametrize("text, because", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_what_cannot_be_known(text: str, because: str) -> None:
    named = named_images(text, BuildInputs((("GIVEN", "a"), ("SECRET", None))))
    assert because in [each.unknown for each in named]


def test_the_place_is_told() -> None:
    named = named_images("# x\nFROM a\n\nCOPY --from=b \\\n c d\n", NOTHING)
    assert [(each.line, each.instruction) for each in named] == [(2, "FROM"), (4, "COPY --from")]


def test_build_arguments_win_over_defaults() -> None:
    text = "ARG A=good/x\nARG B\nFROM $A:$B\n"
    assert [each.image for each in named_images(text, BuildInputs((("A", "evil.com/x"), ("B", "1"))))] == [
        "evil.com/x:1"
    ]
    frontend = named_images("FROM a", BuildInputs((("BUILDKIT_SYNTAX", "evil.com/x"),)))
    assert [each.image for each in frontend] == ["evil.com/x", "a"]
    (hidden, _) = named_images("FROM a", BuildInputs((("BUILDKIT_SYNTAX", None),)))
    assert hidden.unknown == "the value of BUILDKIT_SYNTAX is taken from elsewhere (valueFrom)"


def test_only_the_last_base_is_replaced() -> None:
    text = "FROM evil.com/a AS x\nFROM evil.com/b\nCOPY --from=evil.com/c d e\n"
    named = named_images(text, BuildInputs(replaces_base=True))
    assert [each.image for each in named] == ["evil.com/a", "evil.com/c"]
    heredoc = named_images("FROM a\nFROM b\nRUN <<EOF\nFROM c\nEOF\n", BuildInputs(replaces_base=True))
    assert [each.image for each in heredoc] == ["a", "b"]  # a builder without heredocs replaces c, and starts from b


def test_image_sources_replace_what_is_written_exactly_so() -> None:
    inputs = BuildInputs(replaces=frozenset({"a:1", "$A"}))
    text = "ARG A=b\nFROM a:1\nFROM $A\nFROM ${A}\nCOPY --from=a:1 x y\nADD --from=a:1 x y\nRUN --mount=from=a:1 id\n"
    assert [(each.image, each.instruction) for each in named_images(text, inputs)] == [
        ("b", "FROM"),
        ("a:1", "ADD --from"),
    ]


@pytest.mark.parametrize(
    "part", ["\\\n", "FROM a\n", "\r", "RUN <<E\n", "'", '"', "<<", "0", "--from=", "${A:-", " ", "\\\\\n"]
)
def test_a_large_text_takes_no_more_than_its_length(part: str) -> None:
    """As much as is read of one; a quadratic step would take minutes."""
    text = f"ARG A={part * 30_000}\nFROM $A\nCOPY {part * 30_000} x\n"
    assert len(named_images(text, NOTHING)) < 60_000


@given(st.text(st.sampled_from(list("FROM ARGCPYNBUILDfrom-=<>$\\`'\"{}:\n\r\t ae1")), max_size=60))
def test_any_text_is_read(text: str) -> None:
    for each in named_images(text, NOTHING):
        assert each.image or each.unknown


@given(
    st.lists(st.sampled_from(["RUN x \\\n", "# c\n", "RUN <<E\n", "E\n", "\n", "ARG A=b\n", "COPY a <<-F\n", "\tF\n"]))
)
def test_an_image_on_its_own_line_is_always_seen(before: list[str]) -> None:
    """Unless a builder would read the line as the rest of another."""
    text = "".join(before) + "\n\nRUN true\nFROM evil.com/x:1\n"
    assert "evil.com/x:1" in [each.image for each in named_images(text, NOTHING)]
