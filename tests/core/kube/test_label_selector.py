"""Label selectors: what they match and why they do not parse (k8s.io/apimachinery, pkg/labels)."""

import pytest

from imagegate.core.kube.label_selector import LabelSelector, Requirement, qualified_name_problems

LABELS = {"app": "web", "empty": "", "example.com/tier": "front"}


@pytest.mark.parametrize(
    "selector, matches",
    [
        (LabelSelector(), True),
        (LabelSelector.of({"app": "web"}), True),
        (LabelSelector.of({"app": "db"}), False),
        (LabelSelector.of({"missing": ""}), False),
        (LabelSelector.of({"empty": ""}), True),
        (LabelSelector.of({}, [Requirement("app", "In", ("db", "web"))]), True),
        (LabelSelector.of({}, [Requirement("app", "In", ("db",))]), False),
        (LabelSelector.of({}, [Requirement("missing", "In", ("",))]), False),
        (LabelSelector.of({}, [Requirement("app", "NotIn", ("db",))]), True),
        (LabelSelector.of({}, [Requirement("app", "NotIn", ("web",))]), False),
        (LabelSelector.of({}, [Requirement("missing", "NotIn", ("web",))]), True),
        (LabelSelector.of({}, [Requirement("app", "Exists")]), True),
        (LabelSelector.of({}, [Requirement("missing", "Exists")]), False),
        (LabelSelector.of({}, [Requirement("missing", "DoesNotExist")]), True),
        (LabelSelector.of({}, [Requirement("app", "DoesNotExist")]), False),
        (LabelSelector.of({"app": "web"}, [Requirement("missing", "Exists")]), False),
        (LabelSelector.of({}, [Requirement("app", "in", ("web",))]), False),
    ],
)
def test_matches(selector: LabelSelector, matches: bool) -> None:
    assert selector.matches(LABELS) is matches


@pytest.mark.parametrize(
    "selector, words",
    [
        (LabelSelector.of({"example.com/a": "b_1"}), ""),
        (LabelSelector.of({}, [Requirement("a", "In", ("b",))]), ""),
        (LabelSelector.of({}, [Requirement("a", "Exists")]), ""),
        (LabelSelector.of({"a b": "c"}), "key: Invalid value"),
        (LabelSelector.of({"a": "c d"}), "values[0][a]: Invalid value"),
        (LabelSelector.of({"a": "c" * 64}), "must be no more than 63 characters"),
        (LabelSelector.of({}, [Requirement("a", "In")]), "values set can't be empty"),
        (
            LabelSelector.of({}, [Requirement("a", "Exists", ("b",))]),
            'values: Invalid value: ["b"]: values set must be',
        ),
        (LabelSelector.of({}, [Requirement("a", "", ())]), '"" is not a valid label selector operator'),
    ],
)
def test_problem(selector: LabelSelector, words: str) -> None:
    problem = selector.problem()
    assert bool(problem) == bool(words)
    assert words in problem


@pytest.mark.parametrize(
    "name, count, words",
    [
        ("a", 0, ""),
        ("example.com/a.b-c_d", 0, ""),
        ("", 2, "name part must be non-empty"),
        ("/a", 1, "prefix part must be non-empty"),
        ("Example.com/a", 1, "prefix part a lowercase RFC 1123 subdomain"),
        (f"{'a' * 254}/a", 1, "prefix part must be no more than 253 characters"),
        ("a" * 64, 1, "name part must be no more than 63 characters"),
        ("a/b/c", 1, "with an optional DNS subdomain prefix"),
        ("a\n", 1, "name part must consist of"),
    ],
)
def test_qualified_names(name: str, count: int, words: str) -> None:
    problems = qualified_name_problems(name)
    assert len(problems) == count
    assert words in "; ".join(problems)


def test_json_leaves_out_what_is_empty_and_sorts_labels() -> None:
    assert LabelSelector().to_json() == {}
    both = LabelSelector.of({"b": "1", "a": "2"}, [Requirement("k", "Exists"), Requirement("l", "In", ("v",))])
    assert list(both.to_json()) == ["matchLabels", "matchExpressions"]
    assert both.to_json() == {
        "matchLabels": {"a": "2", "b": "1"},
        "matchExpressions": [{"key": "k", "operator": "Exists"}, {"key": "l", "operator": "In", "values": ["v"]}],
    }


@pytest.mark.parametrize(
    "labels, expressions, satisfiable",
    [
        ({}, [], True),
        ({"a": "b"}, [("a", "NotIn", ("b",))], False),
        ({"a": "b"}, [("a", "NotIn", ("c",))], True),
        ({"a": "b"}, [("c", "DoesNotExist", ())], True),
        ({}, [("a", "Exists", ()), ("a", "DoesNotExist", ())], False),
        ({}, [("a", "In", ("b", "c")), ("a", "In", ("c", "d"))], True),
        ({}, [("a", "In", ("b", "c")), ("a", "In", ("d",))], False),
        ({}, [("a", "Exists", ()), ("a", "NotIn", ("b", "xx"))], True),
        ({}, [("a", "DoesNotExist", ()), ("a", "NotIn", ("b",))], True),
    ],
)
def test_a_selector_that_nothing_can_match(
    labels: dict[str, str], expressions: list[tuple[str, str, tuple[str, ...]]], satisfiable: bool
) -> None:
    assert LabelSelector.of(labels, [Requirement(*each) for each in expressions]).is_satisfiable is satisfiable
