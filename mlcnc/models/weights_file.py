"""Weights of a backbone from a file or an address; only tensors are read, never code."""

from __future__ import annotations

import errno
import hashlib
import re
import warnings
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import safetensors.torch
import torch
from torch import Tensor, nn

from mlcnc.errors import ConfigError, WeightsUnavailableError
from mlcnc.named_paths import named_path
from mlcnc.torch_archive import is_archive, why_not_old, why_not_plain

State = Mapping[str, Tensor]

WRAPPINGS = ("state_dict", "model", "model_state_dict", "network", "teacher")
HEADS = ("fc.", "head.", "head_dist.", "classifier.", "heads.", "last_linear.", "projector.")
"""What the layers after the map are called by those who publish weights."""

HASH_IN_NAME = re.compile(r"-((?=[0-9]*[a-f])[0-9a-f]{8,64})\.")
"""As torch's hub names its files; without a letter it is rather a date."""


def read_weights(place: str) -> dict[str, Tensor]:
    """Return the tensors of a .pth, .pt or .safetensors file, or of one behind an http(s) address.

    Tensors that lie below ``state_dict``, ``model`` or the like are found. What is downloaded is kept in the
    folder ``checkpoints`` of torch's hub; where the name holds a hash (``-1a2b3c4d.pth``) it is checked.

    Raises:
        WeightsUnavailableError: there is no such file, it is damaged, holds more than tensors, or cannot be
            downloaded.
    """
    path = _downloaded(place) if urlsplit(place).scheme in ("http", "https") else named_path(place)
    try:
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "it is no regular file")  # a pipe would be waited for
        with path.open("rb") as stream:
            start = stream.read(64)
    except OSError as error:
        raise WeightsUnavailableError(
            f"the weights file {path} cannot be read: {error.strerror}; name a .pth, .pt or .safetensors file "
            "or an address in model.weights_file"
        ) from None
    tensors = _unwrapped(_read(path, start))
    if not tensors:
        raise WeightsUnavailableError(f"the weights file {path} holds no named tensors; name another file")
    return tensors


def _read(path: Path, start: bytes) -> Any:
    if not start or start.lstrip()[:1] == b"<" or start.startswith(b"version https://git-lfs"):
        begin = start.splitlines()[0][:32].decode(errors="replace") if start else ""
        what = f"begins with {begin!r}" if start else "is empty"
        raise WeightsUnavailableError(
            f"the weights file {path} {what}: that is what a failed download leaves; fetch it again"
        )
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        reason = why_not_plain(path, checksums=False) if is_archive(path) else why_not_old(path)
        if reason is not None:
            raise ValueError(reason)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle's protocol, which is refused or read
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a damaged file torch, pickle and safetensors raise whatever they meet
        if any(
            word in str(error).lower()
            for word in ("unsupported global", "unsupported class", "more than tensors")
        ):
            why = "it holds something else than tensors, which could run code, and is not opened"
        else:
            why = "it is damaged, or no file of weights"
        raise WeightsUnavailableError(
            f"the weights file {path} cannot be read: {why}; fetch it again, or save its state_dict alone"
        ) from error


def _unwrapped(tree: Any) -> dict[str, Tensor]:
    while isinstance(tree, Mapping):
        inner = next((tree[name] for name in WRAPPINGS if isinstance(tree.get(name), Mapping)), None)
        if inner is None:
            return {str(name): value for name, value in tree.items() if isinstance(value, Tensor)}
        tree = inner
    return {}


def fitting(wanted: State, given: State, ignored: tuple[str, ...] = ()) -> tuple[dict[str, Tensor], str]:
    """Return the tensors of ``given`` under the names of ``wanted``, and what is wrong, empty where nothing is.

    Names may all carry a prefix such as ``module.`` or ``backbone.``; then those without it are other parts.

    Args:
        wanted: names and shapes of the layers.
        given: of a file.
        ignored: beginnings of names that ``given`` may have beside them; heads are always ignored.
    """
    first = next(iter(wanted))
    prefixes = {name.removesuffix(first) for name in given if name == first or name.endswith(f".{first}")} | {
        ""
    }

    def matching(prefix: str) -> dict[str, Tensor]:
        found = {name: given[prefix + name] for name in wanted if prefix + name in given}
        return {name: value for name, value in found.items() if value.shape == wanted[name].shape}

    prefix = max(sorted(prefixes), key=lambda prefix: len(matching(prefix)))
    found = matching(prefix)
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}
    missing = next((name for name in wanted if name not in found and name not in counters), None)
    said = f"{len(found)} of the {len(wanted)} tensors of the backbone match; the first that does not is "
    if missing is not None:
        there = given.get(prefix + missing)
        what = "missing" if there is None else f"of shape {tuple(there.shape)}"
        return found, f"{said}{missing} of shape {tuple(wanted[missing].shape)}, which is {what} there"
    own = [name.removeprefix(prefix) for name in given if name.startswith(prefix)]
    beside = [name for name in own if name not in wanted and not name.startswith((*ignored, *HEADS))]
    return found, f"{said}{beside[0]} of the file, for which the backbone has no place" if beside else ""


def load_weights(
    network: nn.Module, given: State, place: str, name: str, ignored: tuple[str, ...] = ()
) -> None:
    """Load the tensors of a file into a network; counters of batches may be missing.

    Args:
        network: without the head it does not need.
        given: from :func:`read_weights`.
        place, name: of the file and of the backbone, for the message.
        ignored: as for :func:`fitting`.

    Raises:
        ConfigError: they do not fit; the message says how many match and the first that does not.
    """
    found, problem = fitting(network.state_dict(), given, ignored)
    if problem:
        raise ConfigError(f"the weights file {place} does not fit model.backbone {name}: {problem}")
    network.load_state_dict(found, strict=False)


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def weights_digest(module: nn.Module) -> str:
    """Return the sha256 over names, shapes, types and values of a module's state, wherever it lies in memory.

    Example:
        >>> weights_digest(nn.Identity())[:8]
        'e3b0c442'
    """
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _downloaded(address: str) -> Path:
    file_name = Path(urlsplit(address).path).name or "weights.pth"
    found = HASH_IN_NAME.search(file_name)
    if found is None:
        # the same name may stand for other weights elsewhere
        file_name = f"{hashlib.sha256(address.encode()).hexdigest()[:8]}_{file_name}"
    path = Path(torch.hub.get_dir()) / "checkpoints" / file_name
    prefix = found[1] if found else None
    if path.is_file() and (prefix is None or file_sha256(path).startswith(prefix)):
        return path
    download: Callable[..., None] = torch.hub.download_url_to_file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        download(address, str(path), prefix, progress=True)
    except (OSError, HTTPException, RuntimeError, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()
        raise WeightsUnavailableError(
            f"the weights could not be downloaded from {address} ({error}); place the file {file_name} in "
            f"{path.parent} by hand, or name a local file in model.weights_file"
        ) from error
    return path
