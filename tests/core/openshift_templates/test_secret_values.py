"""Values of a TemplateInstance's parameters from a Secret."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.openshift_templates.parameters import BadTemplate
from imagegate.core.openshift_templates.processing import Processing
from imagegate.core.openshift_templates.secret_values import Secrets

TEMPLATE = {
    "parameters": [{"name": "A", "value": "own"}, {"name": "B", "generate": "expression", "from": "[a-z]{3}"}],
    "objects": [{"kind": "Pod", "apiVersion": "v1", "spec": {"a": "${A}", "b": "${B}"}}],
}


def instance(secret: object = {"name": "s"}, namespace: str = "shop") -> dict[str, Any]:
    spec = {"template": TEMPLATE, "secret": secret}
    return {
        "apiVersion": "template.openshift.io/v1",
        "kind": "TemplateInstance",
        "metadata": {"namespace": namespace},
        "spec": spec,
    }


def secret(namespace: str = "shop", **fields: object) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}, **fields}


def made(document: dict[str, Any], *documents: dict[str, Any], **given: str) -> tuple[dict[str, str], int]:
    """The spec of the one object, and the number of doubts about it."""
    (found,) = Processing(given, Secrets(documents, "default")).objects(document)
    return found.object["spec"], len(found.doubts)


def test_the_secret_comes_before_the_template_and_param_before_both() -> None:
    held = secret(data={"A": "ZnJvbQo=", "B": "eA=="}, stringData={"A": "text"})
    assert made(instance(), held) == ({"a": "text", "b": "x"}, 0)
    assert made(instance(), held, A="given") == ({"a": "given", "b": "x"}, 0)


def test_a_parameter_that_the_secret_does_not_have_keeps_its_own_value() -> None:
    assert made(instance(), secret(data={"B": "eA=="})) == ({"a": "own", "b": "x"}, 0)


@pytest.mark.parametrize("held", [[], [secret(namespace="other")], [secret() | {"kind": "ConfigMap"}]])
def test_without_the_secret_no_value_is_known(held: list[dict[str, Any]]) -> None:
    assert made(instance(), *held)[1] == 2


def test_objects_without_a_namespace_are_in_the_default_one() -> None:
    held = secret(data={"A": "eA==", "B": "eQ=="})
    del held["metadata"]["namespace"]
    assert made(instance(namespace=""), held) == ({"a": "x", "b": "y"}, 0)
    assert made(instance(namespace="default"), held) == ({"a": "x", "b": "y"}, 0)


@pytest.mark.parametrize(
    "held, said",
    [
        (secret(data={"A": "SECRET!"}), "Secret s: data.A: not base64 of a UTF-8 string"),
        (secret(data={"A": "gICA"}), "Secret s: data.A: not base64 of a UTF-8 string"),
        (secret(data={"A": 5}), "Secret s: data: expected an object of strings"),
        (secret(data=["A"]), "Secret s: data: expected an object of strings"),
        (secret(stringData={"A": None}), "Secret s: stringData: expected an object of strings"),
    ],
)
def test_a_secret_that_no_api_server_accepts_and_its_value_is_not_told(held: dict[str, Any], said: str) -> None:
    with pytest.raises(BadTemplate) as error:
        made(instance(), held)
    assert str(error.value) == f"spec.secret: {said}"


@pytest.mark.parametrize("reference", [{}, {"name": ""}, {"name": 5}, "s", []])
def test_a_reference_without_a_name(reference: object) -> None:
    with pytest.raises(BadTemplate, match="expected the name of a Secret"):
        made(instance(reference))
