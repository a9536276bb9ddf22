"""The layers of two images: which instruction made each, and which belong together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.names import Digest
from imageyard.oci.layers import Layer, LayerPair, layers_of, paired
from imageyard.oci.manifests import OCI_MANIFEST, Descriptor, Manifest


def layer(name: str, command: str = "", size: int = 1) -> Layer:
    return Layer(Digest(name), size, command)


def manifest(*names: str) -> Manifest:
    layers = tuple(Descriptor("layer", Digest(name), number) for number, name in enumerate(names, 1))
    return Manifest(Digest("m"), 1, OCI_MANIFEST, Descriptor("config", Digest("c"), 1), layers)


@pytest.mark.parametrize(
    ("config", "commands"),
    [
        ({"history": [{"created_by": "ADD"}, {"created_by": "ENV", "empty_layer": True}, {"created_by": "RUN"}]},
         ["ADD", "RUN"]),
        ({"history": [{"created_by": "ADD"}, {}]}, ["ADD", ""]),
        ({"history": [{"created_by": "ADD"}]}, ["", ""]),
        ({"history": "no list"}, ["", ""]),
        ({"history": None}, ["", ""]),
        ({}, ["", ""]),
        ([], ["", ""]),
    ],
)  # fmt: skip
def test_the_history_names_the_instructions(config: Any, commands: list[str]) -> None:
    layers = layers_of(manifest("a", "b"), json.dumps(config).encode())
    assert [(one.digest, one.size, one.command) for one in layers] == [("a", 1, commands[0]), ("b", 2, commands[1])]
    assert [one.command for one in layers_of(manifest("a"), b"no json")] == [""]


A, B, C = layer("a", "FROM"), layer("b", "RUN x"), layer("c", "RUN y")
B2 = layer("b2", "RUN x")


@pytest.mark.parametrize(
    ("old", "new", "pairs"),
    [
        ([], [], []),
        ([A, B], [A, B], [(A, A), (B, B)]),
        ([A, B], [A, B2], [(A, A), (B, B2)]),
        ([A, B], [A, C, B], [(A, A), (None, C), (B, B)]),
        ([A, B, C], [A, C], [(A, A), (C, C), (B, None)]),
        ([layer("a"), layer("b")], [layer("c")], [(None, layer("c")), (layer("a"), None), (layer("b"), None)]),
        ([B], [B2, B], [(None, B2), (B, B)]),
    ],
)
def test_layers_that_belong_together(old: list[Layer], new: list[Layer], pairs: list[tuple[Any, Any]]) -> None:
    assert paired(old, new) == tuple(LayerPair(*pair) for pair in pairs)


layers = st.lists(st.builds(layer, st.sampled_from("abc"), st.sampled_from(["", "RUN x", "RUN y"])), max_size=6)


@given(layers, layers)
def test_every_layer_is_in_one_pair(old: list[Layer], new: list[Layer]) -> None:
    pairs = paired(old, new)
    assert [pair.new for pair in pairs if pair.new] == new
    assert sorted((p.old for p in pairs if p.old), key=repr) == sorted(old, key=repr)
    assert all(pair.is_same for pair in paired(old, old))
