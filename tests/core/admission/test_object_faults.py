"""Every fault of an object is named, each at its field."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.admission.object_faults import FAULTS_MAX, Fault, fault_denials, faults, told
from imagegate.core.admission.workload import Extent, InvalidObject, dig, pod_images


def read(document: Mapping[str, Any]) -> object:
    return list(pod_images(dig(document, ("spec",)) or {}, "spec", Extent()))


def of(document: dict[str, Any]) -> tuple[Fault, ...]:
    before = copy.deepcopy(document)
    try:
        read(document)
    except InvalidObject as error:
        found = faults(error, read, document)
        assert document == before
        return found
    return ()


def test_all_faults_in_the_order_of_the_object() -> None:
    document = {
        "spec": {
            "initContainers": "x",
            "containers": [{"image": "a"}, "b", {"image": 3}, {"image": "c"}, {"name": [1], "image": "d"}],
            "volumes": [{"image": {"reference": 5}}, None, {"image": "x"}],
        }
    }
    assert [str(each) for each in of(document)] == [
        "spec.initContainers: expected a list, got str",
        "spec.containers[1]: expected an object, got str",
        "spec.containers[2].image: expected a string, got int",
        "spec.containers[4].name: expected a string, got list",
        "spec.volumes[0].image.reference: expected a string",
        "spec.volumes[1]: expected an object, got NoneType",
        "spec.volumes[2].image: expected an object, got str",
    ]
    assert [each.at for each in fault_denials(of(document))][:2] == ["spec.initContainers", "spec.containers[1]"]
    assert told(of(document)).startswith("spec.initContainers: expected a list, got str; spec.containers[1]: ")


def test_one_fault_and_none() -> None:
    assert of({"spec": {"containers": [{"image": "a"}]}}) == ()
    assert of({"spec": 3}) == (Fault("spec", "expected an object, got int"),)


def test_their_number_is_bounded() -> None:
    assert len(of({"spec": {"containers": ["x"] * 10_000}})) == FAULTS_MAX


@pytest.mark.parametrize("text", ["more than 10,000 images to look at in one request", "a b: c", ": x", "spec.x: "])
def test_a_fault_without_a_field_ends_the_search(text: str) -> None:
    assert faults(InvalidObject(text), dict, {}) == (Fault("", text),)


def test_a_fault_that_cannot_be_left_out_ends_the_search() -> None:
    def always(_document: Mapping[str, Any]) -> object:
        raise InvalidObject("metadata.old[3].x: wrong")

    assert len(faults(InvalidObject("metadata.old[3].x: wrong"), always, {"metadata": []})) == 1


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inside: (
            st.lists(inside, max_size=3)
            | st.dictionaries(st.sampled_from(["containers", "image", "name", "volumes", "reference"]), inside)
        ),
        max_leaves=12,
    )
)
def test_whatever_the_object_is(spec: Any) -> None:
    found = of({"spec": spec})
    assert len(set(found)) == len(found)
