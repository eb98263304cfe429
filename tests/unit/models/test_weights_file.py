"""Weights from files and addresses: what fits is loaded, everything else is one sentence and runs no code."""

import functools
import hashlib
import http.server
import os
import pickle
import threading
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mlcnc.errors import ConfigError, WeightsUnavailableError
from mlcnc.models import build_backbone, weights_digest
from mlcnc.models.timm_network import create
from mlcnc.torchvision_guard import import_torchvision

MOBILE = "timm/mobilenetv3_small_050"


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(1)
    return import_torchvision().models.resnet18(num_classes=7)


@pytest.fixture(scope="module")
def mobile():
    torch.manual_seed(1)
    return create(MOBILE.removeprefix("timm/"), pretrained=False).state_dict()


def loaded_like(backbone, state):
    """Tell whether every tensor of a backbone's network is that of the state."""
    network = backbone.layers.network.state_dict()
    return all(torch.equal(value, state[name]) for name, value in network.items())


def sentence(error, name, path):
    with pytest.raises(error) as caught:
        build_backbone(name, weights_file=str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: state,
        lambda state: {"epoch": 3, "state_dict": state},
        lambda state: {"model": {"state_dict": state}, "optimizer": {"lr": 0.1}},
        lambda state: {f"module.{name}": value for name, value in state.items()},
        lambda state: {"model": {f"module.backbone.{name}": value for name, value in state.items()}},
        lambda state: {
            **{f"encoder.{name}": value for name, value in state.items()},
            "projection": torch.ones(3),
        },
    ],
)
def test_common_wrappings_and_other_heads_are_accepted(tmp_path, resnet, wrapped):
    path = tmp_path / "weights.pth"
    torch.save(wrapped(resnet.state_dict()), path)
    backbone = build_backbone("resnet18", weights="imagenet", weights_file=str(path))
    assert torch.equal(backbone.layers[7][1].conv2.weight, resnet.layer4[1].conv2.weight)
    assert torch.equal(backbone.layers[1].running_mean, resnet.bn1.running_mean)
    assert (backbone.mean, backbone.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert (backbone.size, backbone.interpolation) == (224, "bilinear")


def test_safetensors_and_files_without_counters_are_read(tmp_path, mobile):
    path = tmp_path / "weights.safetensors"
    save_file({name: value for name, value in mobile.items() if "num_batches" not in name}, path)
    assert loaded_like(build_backbone(MOBILE, weights_file=str(path)), mobile)
    assert build_backbone(MOBILE, weights_file=str(path)).mean == (0.485, 0.456, 0.406)


def test_a_stage_takes_the_file_of_the_whole(tmp_path, mobile):
    torch.save(mobile, tmp_path / "whole.pth")
    backbone = build_backbone(MOBILE, weights_file=str(tmp_path / "whole.pth"), stage=2)
    assert loaded_like(backbone, mobile)


def test_tensors_that_others_lay_out_otherwise_are_converted_by_timm(tmp_path):
    torch.manual_seed(2)
    state = create("vit_tiny_patch16_224", pretrained=False).state_dict()
    as_linear = {**state, "patch_embed.proj.weight": state["patch_embed.proj.weight"].flatten(1)}
    torch.save({"model": as_linear}, tmp_path / "vit.pth")
    backbone = build_backbone("timm/vit_tiny_patch16_224", weights_file=str(tmp_path / "vit.pth"))
    assert loaded_like(backbone, state)
    small = build_backbone("timm/vit_tiny_patch16_224", weights_file=str(tmp_path / "vit.pth"), image_size=64)
    assert torch.equal(small.layers.network.blocks[5].mlp.fc1.weight, state["blocks.5.mlp.fc1.weight"])
    assert small.layers.network.pos_embed.shape == (1, 17, 192)


def test_weights_of_another_network_are_refused(tmp_path, resnet, mobile):
    path = tmp_path / "resnet18.pth"
    torch.save(resnet.state_dict(), path)
    said = sentence(ConfigError, "resnet34", path)
    assert f"{path} does not fit model.backbone resnet34" in said
    assert "of the 216 tensors of the backbone match" in said
    assert "layer1.2.conv1.weight of shape (64, 64, 3, 3), which is missing there" in said
    said = sentence(ConfigError, MOBILE, path)
    assert "conv_stem.weight of shape (16, 3, 3, 3), which is missing there" in said
    wide = {**mobile, "conv_stem.weight": torch.zeros(24, 3, 3, 3)}
    torch.save(wide, tmp_path / "wide.pth")
    assert "which is of shape (24, 3, 3, 3) there" in sentence(ConfigError, MOBILE, tmp_path / "wide.pth")


def test_weights_of_a_deeper_network_are_refused(tmp_path):
    torch.save(import_torchvision().models.resnet34().state_dict(), tmp_path / "resnet34.pth")
    said = sentence(ConfigError, "resnet18", tmp_path / "resnet34.pth")
    assert "layer1.2.conv1.weight of the file, for which the backbone has no place" in said


def test_a_family_that_takes_what_fits_is_not_left_half_random(tmp_path):
    """timm loads dla34 without asking that every tensor is there."""
    state = create("dla34", pretrained=False).state_dict()
    for gone in ("level3.tree1.root.conv.weight", ""):
        few = {name: value for name, value in state.items() if gone and name != gone} or {"a": torch.zeros(3)}
        torch.save(few, tmp_path / "dla34.pth")
        said = sentence(ConfigError, "timm/dla34", tmp_path / "dla34.pth")
        assert f"the first that does not is {gone}" in said


class Opens:
    """A pickle that would run code."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_with_code_is_not_opened(tmp_path):
    trap = tmp_path / "trap"
    torch.save({"state_dict": Opens(str(trap))}, tmp_path / "new.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Opens(str(trap)), protocol=2))
    for name in ("new.pth", "old.pth"):
        said = sentence(WeightsUnavailableError, "resnet18", tmp_path / name)
        assert "could run code, and is not opened" in said
    assert not trap.exists()


def damaged(tmp_path, resnet):
    whole = tmp_path / "whole.pth"
    torch.save(resnet.state_dict(), whole)
    content = whole.read_bytes()
    yield "html.pth", b"<!DOCTYPE html>\n<html>not found</html>", "begins with '<!DOCTYPE html>'"
    yield "pointer.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "failed download"
    yield "empty.pth", b"", "is empty"
    yield "cut.pth", content[: len(content) // 2], "it is damaged"
    yield "noise.pth", b"\x80\x02" + bytes(range(100)), "it is damaged"
    yield "cut.safetensors", (80).to_bytes(8, "little") + b"{", "it is damaged"
    yield "list.pth", pickle.dumps([1, 2], protocol=2), "it is damaged"


def test_damaged_files_are_one_sentence_each(tmp_path, resnet):
    for name, content, words in damaged(tmp_path, resnet):
        (tmp_path / name).write_bytes(content)
        said = sentence(WeightsUnavailableError, "resnet18", tmp_path / name)
        assert words in said
        assert str(tmp_path / name) in said
    assert "No such file" in sentence(WeightsUnavailableError, "resnet18", tmp_path / "absent.pth")
    assert "cannot be read" in sentence(WeightsUnavailableError, "resnet18", tmp_path)
    os.mkfifo(tmp_path / "pipe.pth")
    assert "no regular file" in sentence(WeightsUnavailableError, "resnet18", tmp_path / "pipe.pth")
    with zipfile.ZipFile(tmp_path / "deep.pth", "w") as archive:
        archive.writestr(
            "archive/data.pkl", b"\x80\x02})" + b"\x85" * 3_000_000 + b"K\x01s."
        )  # hashed, it ends Python
        archive.writestr("archive/version", b"3\n")
    assert "it is damaged" in sentence(WeightsUnavailableError, "resnet18", tmp_path / "deep.pth")
    torch.save({"epoch": 3}, tmp_path / "bare.pth")
    assert "no named tensors" in sentence(WeightsUnavailableError, "resnet18", tmp_path / "bare.pth")


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Return a folder, and the address under which a server on this machine shows it."""
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_address_is_downloaded_once_into_the_cache_of_the_hub(served, mobile, tmp_path):
    folder, address = served
    torch.save(mobile, folder / "mobile.pth")
    for _ in range(2):
        assert loaded_like(build_backbone(MOBILE, weights_file=f"{address}/mobile.pth?download=1"), mobile)
        (folder / "mobile.pth").unlink(missing_ok=True)
    (kept,) = (tmp_path / "home" / "hub" / "checkpoints").iterdir()
    assert kept.name.endswith("_mobile.pth")


def test_a_hash_in_the_name_is_checked_and_a_damaged_copy_replaced(served, mobile, tmp_path):
    folder, address = served
    torch.save(mobile, folder / "plain.pth")
    digest = hashlib.sha256((folder / "plain.pth").read_bytes()).hexdigest()
    length = next(i for i in range(8, 65) if any(letter in "abcdef" for letter in digest[:i]))
    name = f"mobile-{digest[:length]}.pth"
    (folder / name).write_bytes((folder / "plain.pth").read_bytes())
    kept = tmp_path / "home" / "hub" / "checkpoints" / name
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"half")
    assert loaded_like(build_backbone(MOBILE, weights_file=f"{address}/{name}"), mobile)
    assert kept.stat().st_size == (folder / name).stat().st_size
    (folder / "mobile-0badc0de.pth").write_bytes((folder / name).read_bytes())
    said = sentence(WeightsUnavailableError, MOBILE, f"{address}/mobile-0badc0de.pth")
    assert "hash" in said
    assert not (kept.parent / "mobile-0badc0de.pth").exists()


def test_an_address_that_does_not_answer_says_where_to_put_the_file(served):
    _, address = served
    said = sentence(WeightsUnavailableError, MOBILE, f"{address}/absent.pth")
    assert "404" in said
    assert "_absent.pth in" in said


def test_the_digest_tells_one_value_one_name_and_one_type_apart():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5))
    first = weights_digest(module)
    assert weights_digest(module.to(memory_format=torch.channels_last)) == first
    with torch.no_grad():
        module[0].weight[4, 2, 1, 1] += 1e-6
    second = weights_digest(module)
    module[1].num_batches_tracked += 1
    third = weights_digest(module)
    renamed = weights_digest(nn.ModuleList(module[:1]).append(nn.Identity()).append(module[1]))
    assert len({first, second, third, renamed, weights_digest(module.bfloat16())}) == 5
