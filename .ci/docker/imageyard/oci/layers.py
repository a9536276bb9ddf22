"""The layers of an image with the instruction that made each, and which layers of two images belong together."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from imageyard.names import Digest
from imageyard.oci.manifests import Manifest

__all__ = ["Layer", "LayerPair", "layers_of", "paired"]


@dataclass(frozen=True)
class Layer:
    """A layer as a registry has it: `size` is in bytes, compressed; `command` is empty where it is not known."""

    digest: Digest
    size: int
    command: str = ""


@dataclass(frozen=True)
class LayerPair:
    """What one instruction made in two images; None where one of them has no such layer."""

    old: Layer | None
    new: Layer | None

    @property
    def is_same(self) -> bool:
        """Whether both are the same bytes."""
        return self.old is not None and self.new is not None and self.old.digest == self.new.digest


def layers_of(manifest: Manifest, config: bytes) -> tuple[Layer, ...]:
    """Return the layers of an image, lowest first.

    The history of the config names the instructions (OCI image-spec 1.1, "Image Configuration": an entry that is no
    `empty_layer` for each layer); a history that does not fit the layers names none.
    """
    commands = _commands(config)
    if len(commands) != len(manifest.layers):
        commands = [""] * len(manifest.layers)
    return tuple(
        Layer(layer.digest, layer.size, command) for layer, command in zip(manifest.layers, commands, strict=True)
    )


def _commands(config: bytes) -> list[str]:
    try:
        history = json.loads(config)["history"]
        return [str(one.get("created_by", "")) for one in history if not one.get("empty_layer")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def paired(old: Sequence[Layer], new: Sequence[Layer]) -> tuple[LayerPair, ...]:
    """Pair the layers of two images: first the same bytes, then the same instruction, each in order.

    The pairs are in the order of the new image, and behind them the layers that only the old one has.
    """
    partner: dict[int, Layer] = {}
    left = list(range(len(old)))
    for key in (_digest, _command):
        waiting: defaultdict[str, list[int]] = defaultdict(list)
        for number in left:
            waiting[key(old[number])].append(number)
        for number, layer in enumerate(new):
            if number not in partner and key(layer) and waiting[key(layer)]:
                found = waiting[key(layer)].pop(0)
                partner[number] = old[found]
                left.remove(found)
    pairs = [LayerPair(partner.get(number), layer) for number, layer in enumerate(new)]
    return (*pairs, *(LayerPair(old[number], None) for number in left))


def _digest(layer: Layer) -> str:
    return layer.digest


def _command(layer: Layer) -> str:
    return layer.command
