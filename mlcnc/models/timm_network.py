"""Networks of timm as layers that give a map; the one place where timm is imported, and only when asked for."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import math
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import torch
from torch import Tensor, nn

from mlcnc.errors import ConfigError, WeightsUnavailableError
from mlcnc.models.blocks import Blocks, FinalMap, Layout, grouped, parts_of_stage, pieces
from mlcnc.torchvision_guard import import_torchvision

INSTALL = "pip install mlcnc[photos]"


def import_timm() -> Any:
    """Return the module timm.

    Raises:
        ConfigError: it is not installed.
    """
    import_torchvision()  # timm imports it itself, and beside some torches only the guard can
    try:
        return importlib.import_module("timm")
    except ModuleNotFoundError:
        raise ConfigError(f"this backbone needs the package timm, which is not installed: {INSTALL}") from None


def create(name: str, *, pretrained: bool) -> Any:
    """Return the network of that name, ``ARCHITECTURE`` or ``ARCHITECTURE.TAG``, with its head.

    Raises:
        ConfigError: timm knows no such name, tag, or no weights of it.
        WeightsUnavailableError: its weights are neither in the hub's cache nor can they be downloaded.
    """
    timm = import_timm()
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise ConfigError(f"timm has no network {architecture!r}{_nearest(architecture, timm.list_models())}")
    if tag and name not in (tags := timm.list_models(f"{architecture}.*", include_tags=True)):
        raise ConfigError(f"timm has no weights {name!r}; it has {', '.join(tags) or 'none of that network'}")
    if pretrained and not timm.models.is_model_pretrained(name):
        raise ConfigError(
            f"timm has no weights of {name}; name a file in model.weights_file, or set model.weights none"
        )
    if not pretrained:
        return timm.create_model(name, pretrained=False)
    try:
        with _no_retries_without_network():
            return timm.create_model(name, pretrained=True)
    except Exception as error:  # the name is known: of network, cache and disk the hub raises many kinds
        raise WeightsUnavailableError(
            f"the weights of timm/{name} are not on this machine and could not be downloaded "
            f"({_first_sentence(error)}); bring the file and name it in model.weights_file, or copy the hub's "
            "cache folder of a machine that has them, or set model.weights none"
        ) from error


def converted(name: str, state: Mapping[str, Tensor], wanted: Iterable[str]) -> Any | None:
    """Return the network with tensors that others name otherwise, if timm knows how; None if it does not.

    Args:
        name: as for :func:`create`.
        state: tensors of a file.
        wanted: names of parameters all of which must come from there.
    """

    def built(tensors: dict[str, Tensor]) -> Any:
        return import_timm().create_model(name, pretrained=True, pretrained_cfg_overlay={"state_dict": tensors})

    # some families take what fits and leave the rest as it was drawn: what is taken becomes NaN
    nothing = {
        key: torch.full_like(value, torch.nan) if value.is_floating_point() else value
        for key, value in state.items()
    }
    try:
        with torch.random.fork_rng(devices=[]):
            tried = dict(built(nothing).named_parameters())
        if not all(tried[key].isnan().all() for key in wanted if key in tried):
            return None
        return built(dict(state))
    except Exception:  # whatever the converter and load_state_dict make of tensors of another network
        return None


class TimmMap(nn.Module):
    """The map of a network of timm: of its last stage, or of the stage of that number.

    Args:
        network: from :func:`create`.
        stage: as counted by its ``forward_intermediates``; None takes what ``forward_features`` gives.
        final: makes a map of what ``forward_features`` gives.
    """

    def __init__(self, network: Any, stage: int | None, final: FinalMap) -> None:
        super().__init__()
        self.network = network
        self.stage = stage
        self.final = final

    def forward(self, images: Tensor) -> Tensor:
        """Return the map (B, d, h, w).

        Raises:
            ConfigError: the network is built for images of another size.
        """
        try:
            if self.stage is None:
                feature_map: Tensor = self.final(self.network.forward_features(images))
                return feature_map
            (feature_map,) = self.network.forward_intermediates(
                images, indices=[self.stage], stop_early=True, output_fmt="NCHW", intermediates_only=True
            )
            return feature_map
        except AssertionError as error:  # timm's check of the size
            raise ConfigError(
                f"model.backbone takes no images of {images.shape[3]} pixels ({_first_sentence(error)}); set "
                "data.image_size"
            ) from error


class MapOfNetwork(NamedTuple):
    """Layers, channels of their map, blocks where known, and beginnings of the names that they left out."""

    layers: TimmMap
    out_channels: int
    blocks: Blocks | None
    left_out: tuple[str, ...]


def map_of(network: Any, name: str, stage: int | None, size: int) -> MapOfNetwork:
    """Return the layers of a network that give the map, tried on one image of noise; the rest is dropped.

    Args:
        network: from :func:`create`, in any mode.
        name: of the backbone, for messages.
        stage: as for :class:`TimmMap`.
        size: side of the image, in pixels.

    Raises:
        ConfigError: it gives no map, has no such stage, or takes no images of that size.
    """
    network.eval()
    images = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        try:
            features = network.forward_features(images)
            num_stages = (
                0 if stage is None else len(network.forward_intermediates(images, intermediates_only=True))
            )
        except Exception as error:  # a network that cannot do it fails anywhere within
            raise ConfigError(
                f"model.backbone {name} gives no map of images of {size} pixels "
                f"({_first_sentence(error)}); set data.image_size to what it takes, or choose another backbone"
            ) from error
        if stage is not None and stage >= num_stages:
            raise ConfigError(f"model.stage of {name} must be 0 to {num_stages - 1}, got {stage}")
        final = _final_map(network, features, name, stage)
        layers = TimmMap(network, stage, final)
        left_out, feature_map = _drop_unused(layers, images)
        if feature_map.ndim != 4:
            raise ConfigError(
                f"model.stage {stage} of {name} is no map (B, d, h, w) but of shape "
                f"{tuple(feature_map.shape)}; choose another stage"
            )
        blocks = _blocks(layers, images, feature_map)
    network.train()
    return MapOfNetwork(layers, int(feature_map.shape[1]), blocks, left_out)


def _final_map(network: Any, features: Any, name: str, stage: int | None) -> FinalMap:
    layout: Layout = "NCHW"
    if isinstance(features, Tensor) and features.ndim == 4:
        width = network.num_features
        by_shape = features.shape[3] == width and features.shape[1] != width
        layout = "NHWC" if by_shape or getattr(network, "output_fmt", "NCHW") == "NHWC" else "NCHW"
        return FinalMap(layout)
    if isinstance(features, Tensor) and features.ndim == 3:
        length = features.shape[1]
        # some have a class token and do not count it
        prefix = getattr(network, "num_prefix_tokens", 1 if math.isqrt(length - 1) ** 2 == length - 1 else 0)
        if length > prefix and math.isqrt(length - prefix) ** 2 == length - prefix:
            return FinalMap("NLC", prefix)
    if stage is not None:
        return FinalMap("NCHW")
    what = f"of shape {tuple(features.shape)}" if isinstance(features, Tensor) else type(features).__name__
    raise ConfigError(
        f"model.backbone {name} gives features {what}, which are no map of the image; name one of its maps "
        "with model.stage, or choose another backbone"
    )


def _drop_unused(layers: TimmMap, images: Tensor) -> tuple[tuple[str, ...], Tensor]:
    """Put an identity in place of what the map does not need; return names, and the map."""
    called: set[nn.Module] = set()
    hooks = [
        module.register_forward_pre_hook(lambda module, _: called.add(module)) for module in layers.modules()
    ]
    before = layers(images)
    for hook in hooks:
        hook.remove()
    unused = list(_uncalled(layers.network, called, ""))
    for owner, name, _, _ in unused:
        setattr(owner, name, nn.Identity())
    try:
        after = layers(images)
    except Exception:  # it is used without being called
        after = None
    if after is None or not torch.equal(before, after):
        for owner, name, module, _ in unused:
            setattr(owner, name, module)
        return (), before
    return tuple(f"{path}." for _, _, _, path in unused), before


def _uncalled(
    owner: nn.Module, called: set[nn.Module], path: str
) -> Iterator[tuple[nn.Module, str, nn.Module, str]]:
    for name, module in owner.named_children():
        if module in called:
            continue
        if any(inner in called for inner in module.modules()):
            yield from _uncalled(module, called, f"{path}{name}.")
        else:
            yield owner, name, module, f"{path}{name}"


class _Tokens(nn.Module):
    """What a vision transformer makes of images before its first block; shares the network's weights."""

    PARTS = ("patch_embed", "pos_drop", "patch_drop", "norm_pre")

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.patch_embed: nn.Module
        self.patch_drop: nn.Module
        self.norm_pre: nn.Module
        for name in self.PARTS:
            self.add_module(name, getattr(network, name))
        for name, value in network.named_parameters(recurse=False):
            self.register_parameter(name, value)
        # a plain list: the network is no part of this module, only the rule how positions are added
        self._network = [network]

    def forward(self, images: Tensor) -> Tensor:
        """Return tokens (B, L, d)."""
        tokens: Tensor = self._network[0]._pos_embed(self.patch_embed(images))
        for part in (self.patch_drop, self.norm_pre):
            tokens = part(tokens)
        return tokens


def _blocks(layers: TimmMap, images: Tensor, feature_map: Tensor) -> Blocks | None:
    """Return the blocks in order, found by trying whether one after the other they give the map."""
    network, final = layers.network, layers.final
    children = list(network.children())
    if all(hasattr(network, name) for name in (*_Tokens.PARTS, "_pos_embed", "blocks", "norm")):
        children = [_Tokens(network), network.blocks, network.norm]
    modules: list[nn.Module] = []
    values, used = images, 0
    with contextlib.suppress(Exception):  # the head of a network that is left in takes no map
        for module in pieces(children):
            modules += parts_of_stage(module, values)
            values = module(values)
            found = values.ndim == (3 if final.layout == "NLC" else 4)
            # the last place, since blocks of a new network may begin as identities
            if found and values.isfinite().all() and torch.equal(final(values), feature_map):
                used = len(modules)
    if used:
        return Blocks(grouped(modules[:used]), final.layout, final.prefix_tokens)
    if (
        isinstance(own := getattr(network, "blocks", None), nn.Sequential | nn.ModuleList)
        and layers.stage is None
    ):
        rest = [child for child in children[children.index(own) + 1 :] if child is not own]
        return Blocks(grouped([*own, *rest]), final.layout, final.prefix_tokens, compose=False)
    return None


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; the nearest names are {', '.join(close)}" if close else ""


def _first_sentence(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.split(". ")[0][:200].rstrip(".")


@contextlib.contextmanager
def _no_retries_without_network() -> Iterator[None]:
    """Let the hub look into its cache alone where its host has no address: it would try for a minute."""
    constants: Any = importlib.import_module("huggingface_hub.constants")
    before = constants.HF_HUB_OFFLINE
    try:
        if not any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
            socket.getaddrinfo(urlsplit(constants.ENDPOINT).hostname, 443)
    except OSError:
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
