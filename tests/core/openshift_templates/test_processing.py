"""Templates become the objects that ``oc process`` makes of them."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.openshift_templates import substitution
from imagegate.core.openshift_templates.parameters import BadTemplate
from imagegate.core.openshift_templates.processing import NESTED_MAX, Processing, TemplateObject, is_template


def template(*objects: Any, parameters: Any = None, **more: Any) -> dict[str, Any]:
    """A Template; ``parameters``: a list, or values by name."""
    if isinstance(parameters, dict):
        parameters = [{"name": name, "value": value} for name, value in parameters.items()]
    found = {"apiVersion": "template.openshift.io/v1", "kind": "Template", "objects": list(objects), **more}
    return found if parameters is None else {**found, "parameters": parameters}


def made(document: dict[str, Any], **given_values: str) -> list[TemplateObject]:
    return list(Processing(given_values).objects(document))


def one(document: dict[str, Any], **given_values: str) -> dict[str, Any]:
    (found,) = made(document, **given_values)
    return found.object


# The values of library-go, templateprocessing/template_test.go, TestProcessValue.
UPSTREAM = {
    "VALUE": "1",
    "STRING_1": "string1",
    "STRING_2": "string2",
    "INT_1": "1",
    "VALID_JSON_MAP": '{"key":"value"}',
    "INVALID_JSON_MAP": '{"key":"value"',
    "VALID_JSON_ARRAY": '["key","value"]',
    "INVALID_JSON_ARRAY": '["key":"value"',
}


@pytest.mark.parametrize(
    "written, expected",
    [
        ("${{INT_1}}", 1),
        ("${{INVALID_JSON_MAP}}", '{"key":"value"'),
        ("${{INVALID_JSON_ARRAY}}", '["key":"value"'),
        ("${VALUE}", "1"),
        ("$${VALUE}", "$1"),
        ("${{STRING_1}}", "string1"),
        ("${STRING_1}_${STRING_1}", "string1_string1"),
        ("${STRING_1}_${STRING_2}", "string1_string2"),
        ("a${{INT_1}}", "a${{INT_1}}"),
        ("${{INT_1}}a", "${{INT_1}}a"),
        ("${{INVALID_PARAMETER}}", "${{INVALID_PARAMETER}}"),
        ("${{INVALID PARAMETER}}", "${{INVALID PARAMETER}}"),
        ("${{VALID_JSON_MAP}}", {"key": "value"}),
        ("${{VALID_JSON_ARRAY}}", ["key", "value"]),
        ("${{INT_1}}\n", "${{INT_1}}\n"),
        ("${UNKNOWN}", "${UNKNOWN}"),
        ("${}", "${}"),
    ],
)
def test_values_of_the_original(written: str, expected: Any) -> None:
    document = template({"kind": "Service", "apiVersion": "v${VALUE}", "x": [written]}, parameters=UPSTREAM)
    assert one(document) == {"kind": "Service", "apiVersion": "v1", "x": [expected]}


@pytest.mark.parametrize(
    "text, values, expected",
    [
        # each reference replaces the first of its kind, which may stem from the value before it
        ("${A}${B}", {"A": "${B}", "B": "b"}, "b${B}"),
        ("${A}{B}${B}", {"A": "$", "B": "b"}, "b${B}"),
        ("$${A}{B}${B}", {"A": "", "B": "b"}, "b${B}"),
        ("${A}", {"A": "${A}"}, "${A}"),
        ("${A}-${C}-${A}", {"A": "1"}, "1-${C}-1"),
    ],
)
def test_values_that_hold_references(text: str, values: dict[str, str], expected: str) -> None:
    assert one(template({"x": text}, parameters=values)) == {"x": expected}


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "", " ", "01", "'a'", "{'a': 1}"])
def test_values_that_are_no_json_stay_strings(value: str) -> None:
    assert one(template({"x": "${{A}}"}, parameters={"A": value})) == {"x": value}


def test_null_takes_a_field_away() -> None:
    values = {"N": "null", "K": "a"}
    document = template({"x": "${{N}}", "y": None, "z": ["${N}", {"a": "${{N}}"}]}, parameters=values)
    assert one(document) == {"y": None, "z": ["null", {}]}
    with pytest.raises(BadTemplate, match="entry of a list null"):
        made(template({"x": ["${{N}}"]}, parameters=values))
    with pytest.raises(BadTemplate, match="two keys become 'a'"):
        made(template({"a": "${{N}}", "${K}": "1"}, parameters=values))


@pytest.mark.parametrize(
    "labels, own, expected",
    [
        (None, {"a": "1"}, {"a": "1"}),
        ({"b": "2"}, {"a": "1"}, {"a": "1", "b": "2"}),
        ({"a": "2"}, {"a": "1"}, {"a": "2"}),
        ({"b": "2"}, None, {"b": "2"}),
        ({"${K}": "${V}"}, {"a": "1"}, {"a": "1", "key": "value"}),
        ({"a": "${{V}}"}, {}, {"a": "value"}),
        ({"b": "2"}, {"a": "1", "n": 1}, {"b": "2"}),
    ],
)
def test_labels(labels: Any, own: Any, expected: dict[str, str]) -> None:
    document = template({"metadata": {"labels": own}}, parameters={"K": "key", "V": "value"}, labels=labels)
    assert one(document) == {"metadata": {"labels": expected}}


@pytest.mark.parametrize(
    "namespace, expected",
    [("fixed", {}), (3, {}), ("${N}", {"namespace": "here"}), ("a-${N}", {"namespace": "a-here"}), ("${{N}}", {})],
)
def test_namespaces_are_kept_only_if_they_refer_to_a_parameter(namespace: Any, expected: dict[str, str]) -> None:
    document = template({"metadata": {"namespace": namespace}}, parameters={"N": "here"})
    assert one(document) == {"metadata": expected}


def test_objects_of_a_list_keep_their_namespace() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "fixed"}}
    inside = {"apiVersion": "v1", "kind": "List", "metadata": {"namespace": "x"}, "items": [pod, pod]}
    assert [(each.place, each.object) for each in made(template(inside))] == [
        ("objects[0].items[0]", pod),
        ("objects[0].items[1]", pod),
    ]
    pods = {"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "a"}}]}
    assert one(template(pods)) == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}


@pytest.mark.parametrize(
    "parameter, given_values, value, doubt",
    [
        ({"value": "v"}, {}, "v", ""),
        ({"value": "v"}, {"P": "w"}, "w", ""),
        ({"value": "v"}, {"P": ""}, "", "has no value"),
        ({}, {}, "", "has no value"),
        ({"value": None}, {}, "", "has no value"),
        ({"required": True}, {}, "${P}", "is required"),
        ({"required": True}, {"P": "w"}, "w", ""),
        ({"generate": "expression", "from": "[a-z]{8}"}, {}, "${P}", "is generated"),
        ({"generate": "expression", "from": "[a-z]{8}", "value": "v"}, {}, "v", ""),
        ({"generate": "expression", "from": "[a-z]{8}"}, {"P": "w"}, "w", ""),
        ({"generate": "expression", "from": "[a-z]{8}", "required": True}, {"P": ""}, "${P}", "is required"),
        # nothing in it is random: the original gives it back as it is
        ({"generate": "expression", "from": "quay.io/evil"}, {}, "quay.io/evil", ""),
        ({"generate": "expression"}, {}, "", "has no value"),
        ({"generate": "other", "value": "v"}, {}, "v", ""),
    ],
)
def test_value_of_a_parameter(parameter: dict[str, Any], given_values: dict[str, str], value: str, doubt: str) -> None:
    (found,) = made(template({"x": "${P}"}, parameters=[{"name": "P", **parameter}]), **given_values)
    assert found.object == {"x": value}
    assert [(each.path, doubt in each.why) for each in found.doubts] == ([(("x",), True)] if doubt else [])


def test_a_template_in_a_template_has_parameters_of_its_own() -> None:
    inner = template({"x": "${OUTER}", "y": "${INNER}"}, parameters={"INNER": "in"})
    found = made(template({"a": 1}, inner, parameters={"OUTER": "out"}))
    assert [(each.place, each.object) for each in found] == [
        ("objects[0]", {"a": 1}),
        ("objects[1].objects[0]", {"x": "out", "y": "in"}),
    ]


def test_doubts_of_the_outer_template_reach_the_objects_of_the_inner() -> None:
    unknown = [{"name": "U", "required": True}]
    inner = template({"x": "${U}"}, {"x": 1})
    first, second = made(template(inner, parameters=unknown))
    assert ([each.path for each in first.doubts], second.doubts) == ([("x",)], ())
    # an unknown value of an inner parameter, or an unknown kind: nothing inside is certain
    inner = template({"x": "${P}"}, parameters={"P": "${U}"})
    assert [each.path for each in made(template(inner, parameters=unknown))[0].doubts] == [()]
    inside: dict[str, Any] = {"apiVersion": "v1", "kind": "${U}List", "items": [{"kind": "Pod"}]}
    assert [each.path for each in made(template(inside, parameters=unknown))[0].doubts] == [()]
    inside = {"apiVersion": "v1", "kind": "List", "metadata": {"name": "${U}"}, "items": [{"kind": "Pod"}]}
    assert made(template(inside, parameters=unknown))[0].doubts == ()


def test_a_template_instance() -> None:
    document: dict[str, Any] = {
        "apiVersion": "template.openshift.io/v1",
        "kind": "TemplateInstance",
        "spec": {"template": template({"x": "${P}"}, parameters={"P": "v"})},
    }
    (found,) = made(document)
    assert found == TemplateObject({"x": "v"}, "spec.template.objects[0]", ())
    document["spec"]["secret"] = {"name": "values"}
    (found,) = made(document)
    assert (found.object, [each.path for each in found.doubts]) == ({"x": "${P}"}, [("x",)])
    assert one(document, P="w") == {"x": "w"}
    with pytest.raises(BadTemplate, match=r"^spec.template: expected a Template"):
        made({**document, "spec": {}})


@pytest.mark.parametrize(
    "version, kind, expected",
    [
        ("template.openshift.io/v1", "Template", True),
        ("v1", "Template", True),
        ("template.openshift.io/v1", "TemplateInstance", True),
        ("apps/v1", "Template", False),
        ("v1", "PodTemplate", False),
        (None, "Template", False),
    ],
)
def test_which_objects_are_templates(version: Any, kind: str, expected: bool) -> None:
    assert is_template({"apiVersion": version, "kind": kind}) is expected


class TestHostile:
    """Templates that OpenShift does not process, and those made to use time and memory."""

    @pytest.mark.parametrize(
        "document, message",
        [
            ({"objects": None}, "objects: expected a list, got NoneType"),
            ({"objects": "${X}"}, "objects: expected a list, got str"),
            ({"objects": [None]}, "objects[0]: expected an object, got NoneType"),
            ({"objects": [{"kind": "List", "items": ["x"]}]}, "objects[0].items[0]: expected an object, got str"),
            ({"parameters": {}}, "parameters: expected a list, got dict"),
            ({"parameters": [3]}, "parameters[0]: expected an object, got int"),
            ({"parameters": [{"name": "A", "value": 8080}]}, "parameters[0].value: expected a string, got int"),
            ({"parameters": [{"name": "A", "required": "yes"}]}, "parameters[0].required: expected true or false"),
            ({"parameters": [{"value": "x"}]}, "parameters[0]: the parameter has no name"),
            ({"parameters": [{"name": "A"}, {"name": "A"}]}, "parameters[1]: parameter A is defined twice"),
            ({"parameters": [{"name": "A", "generate": "x"}]}, "parameters[0].generate: unknown generator 'x'"),
            ({"labels": []}, "labels: expected an object of strings"),
            ({"labels": {"a": 1}}, "labels: expected an object of strings"),
        ],
    )
    def test_wrong_forms(self, document: dict[str, Any], message: str) -> None:
        with pytest.raises(BadTemplate) as raised:
            made({**template({"x": 1}), **document})
        assert str(raised.value).startswith(message)

    def test_two_keys_that_become_one(self) -> None:
        document = template({"${K}": "quay.io/evil", "image": "docker.io/good"}, parameters={"K": "image"})
        with pytest.raises(BadTemplate, match=r"^objects\[0\]: two keys become 'image'"):
            made(document)
        with pytest.raises(BadTemplate, match=r"^labels: two labels become 'a'"):
            made(template({"x": 1}, parameters={"K": "a"}, labels={"${K}": "1", "a": "2"}))
        with pytest.raises(BadTemplate, match="something else than a string"):
            made(template({"${{K}}": "x"}, parameters={"K": "1"}))

    def test_nesting_is_bounded(self) -> None:
        document = template({"x": 1})
        for _ in range(NESTED_MAX - 1):
            document = template(document)
        assert one(document) == {"x": 1}
        with pytest.raises(BadTemplate, match="nested deeper than 8 levels"):
            made(template(document))
        inside: dict[str, Any] = {"kind": "Pod"}
        for _ in range(NESTED_MAX + 1):
            inside = {"apiVersion": "v1", "kind": "List", "items": [inside]}
        with pytest.raises(BadTemplate, match="nested deeper than 8 levels"):
            made(template(inside))

    @pytest.mark.parametrize("depth", [substitution.DEPTH_MAX, 100_000])
    def test_a_value_that_is_nested_too_deeply(self, depth: int) -> None:
        document = template({"x": "${{A}}"}, parameters={"A": "[" * depth + "]" * depth})
        with pytest.raises(BadTemplate, match=r"parameter A .*nested deeper than 200 levels"):
            made(document)
        allowed = substitution.DEPTH_MAX - 1
        assert one(template({"x": "${{A}}"}, parameters={"A": "[" * allowed + "]" * allowed}))

    def test_values_cannot_fill_the_memory(self) -> None:
        big = "x" * (1024 * 1024)
        for reference in ("${A}", "${{A}}"):
            document = template({"x": [reference] * 33}, parameters={"A": big})
            with pytest.raises(BadTemplate, match="parameters add more than"):
                made(document)
        inner = template({"x": ["${A}${A}"]}, parameters={"A": "${B}" + big})  # the budget is one for all levels
        with pytest.raises(BadTemplate, match="parameters add more than"):
            made(template(*[inner] * 20, parameters={"B": "b"}))

    def test_values_cannot_use_time(self) -> None:
        document = template({"x": "${A}" * 100_000}, parameters={"A": "$"})
        with pytest.raises(BadTemplate, match="too many references"):
            made(document)
        assert one(template({"x": "${A}" * 100_000}, parameters={"A": "a"})) == {"x": "a" * 100_000}

    @given(
        st.recursive(
            st.none() | st.booleans() | st.text("${}A_B", max_size=12),
            lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text("${}AB", max_size=6), inside),
            max_leaves=8,
        ),
        st.text('${}AB"[]', max_size=8),
        st.text("${}AB", max_size=8),
    )
    def test_whatever_is_written(self, value: Any, first: str, second: str) -> None:
        document = template({"x": value}, parameters={"A": first, "B": second})
        before = json.dumps(document)
        with contextlib.suppress(BadTemplate):
            one(document)
        assert json.dumps(document) == before
