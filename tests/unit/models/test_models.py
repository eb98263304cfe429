import subprocess
import sys
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from mlcnc.directions import unit_vectors
from mlcnc.errors import ConfigError, DataError, WeightsUnavailableError
from mlcnc.etf import simplex_etf
from mlcnc.losses import MLCNCLoss
from mlcnc.models import (
    BACKBONES,
    ClassProjection,
    CosineClassAttention,
    ETFClassifier,
    MLCNCHead,
    MLCNCNetwork,
    MultiheadClassAttention,
    build_backbone,
    initial_label_embedding,
    read_glove,
)
from mlcnc.models.class_attention import attend_by_cosine
from mlcnc.torchvision_guard import import_torchvision
from tests.reference import equations

B, C, D, P, CH = 3, 7, 12, 5, 13


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(11)


@pytest.mark.parametrize(("height", "width"), [(2, 5), (2, 3)])
def test_multihead_equals_torch_and_the_loop(height, width):
    """More positions than classes, then fewer: the value projection moves to the other side."""
    ours = MultiheadClassAttention(CH, D, num_heads=4).eval()
    theirs = nn.MultiheadAttention(D, 4, batch_first=True).eval()
    with torch.no_grad():
        ours.in_projection.bias.normal_()
        ours.out_projection.bias.normal_()
        theirs.in_proj_weight.copy_(ours.in_projection.weight)
        theirs.in_proj_bias.copy_(ours.in_projection.bias)
        theirs.out_proj.weight.copy_(ours.out_projection.weight)
        theirs.out_proj.bias.copy_(ours.out_projection.bias)
    feature_map, labels = torch.randn(B, CH, height, width), torch.randn(C, D)
    features, attention = ours(feature_map, labels)
    memory = ours.memory(feature_map.flatten(2).transpose(1, 2)).relu()
    expected, expected_attention = theirs(labels.expand(B, -1, -1), memory, memory)
    assert_close(features, expected, rtol=1e-5, atol=1e-5)
    assert_close(attention, expected_attention, rtol=1e-5, atol=1e-6)
    q, k, v = (part.numpy() for part in ours.in_projection.weight.detach().double().chunk(3))
    qb, kb, vb = (part.numpy() for part in ours.in_projection.bias.detach().double().chunk(3))
    out = ours.out_projection
    weights = {"q": q, "k": k, "v": v, "qb": qb, "kb": kb, "vb": vb, "heads": 4}
    weights |= {"o": out.weight.detach().double().numpy(), "ob": out.bias.detach().double().numpy()}
    loop = equations.multihead(memory.detach().double().numpy(), labels.double().numpy(), weights)
    np.testing.assert_allclose(features.detach().numpy(), loop, atol=2e-5)


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_cosine_attention_equals_the_loop(temperature):
    layer = CosineClassAttention(CH, D, temperature=temperature).double()
    feature_map, labels = torch.randn(B, CH, 3, 2).double(), torch.randn(C, D).double()
    features, attention = layer(feature_map, labels)
    positions = layer.memory(feature_map.flatten(2).transpose(1, 2)).detach().numpy()
    np.testing.assert_allclose(
        features.detach().numpy(),
        equations.class_features(positions, labels.numpy(), temperature),
        rtol=1e-9,
    )
    assert_close(attention.sum(2), torch.ones(B, C).double())


def test_without_a_map_the_cosine_attention_is_the_paper_to_the_letter():
    layer = CosineClassAttention(CH, CH, input_map="none").double()
    assert not list(layer.parameters())
    feature_map, labels = torch.randn(B, CH, 3, 2).double().relu(), torch.randn(C, CH).double()
    expected = equations.class_features(feature_map.flatten(2).transpose(1, 2).numpy(), labels.numpy())
    np.testing.assert_allclose(layer(feature_map, labels)[0].numpy(), expected, rtol=1e-9)
    head = MLCNCHead(CH, C, embedding_dim=CH, attention="cosine", input_map="none", classifier="linear")
    assert head(feature_map.float()).class_features.shape == (B, C, CH)


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-9])
def test_positions_without_length_have_cosine_zero_and_no_gradient_through_it(size):
    positions = torch.randn(B, 4, D)
    positions[:, 1] *= size
    positions.requires_grad_()
    labels, upstream = torch.randn(C, D), torch.randn(B, C, D)
    features, attention = attend_by_cosine(positions, labels)
    cosine = torch.nn.functional.cosine_similarity(positions.detach()[:, None], labels[:, None], dim=3)
    cosine[:, :, 1] = 0
    assert_close(attention, cosine.softmax(dim=2))
    features.backward(upstream)
    assert_close(positions.grad[:, 1], torch.einsum("bc,bcd->bd", attention[:, :, 1], upstream))


@pytest.mark.parametrize("temperature", [1.0, 0.05])
@pytest.mark.parametrize("which", ["positions", "label_embedding"])
def test_gradients_beside_zero_are_bounded_and_those_elsewhere_untouched(which, temperature):
    generator = torch.Generator().manual_seed(3)
    parts = {
        "positions": torch.randn(B, 4, D, generator=generator, dtype=torch.float64),
        "label_embedding": torch.randn(C, D, generator=generator, dtype=torch.float64),
    }
    upstream = torch.randn(B, C, D, generator=generator, dtype=torch.float64)
    whole = parts[which].clone()
    row = whole[0, 1] if which == "positions" else whole[1]
    row /= row.norm()
    for norm in (0.0, 1e-300, 1e-12, 9e-9, 1.1e-8, 1e-7, 1e-6, 9.9e-5, 1e-4, 1e-3, 1.0):
        given = {name: part.clone() for name, part in parts.items()}
        own = given[which][0, 1] if which == "positions" else given[which][1]
        own.copy_(norm * row)
        given[which].requires_grad_()
        attend_by_cosine(**given, temperature=temperature)[0].backward(upstream)
        reach = sum(part.detach().norm() for part in (upstream, parts["positions"])) ** 2 / temperature
        assert float(given[which].grad.abs().max()) <= 2e4 * float(reach)

        def values(x, given=given):
            return attend_by_cosine(**{**given, which: x}, temperature=temperature)[0]

        if norm not in (9e-9, 1.1e-8, 1e-4):  # a step of 1e-9 would cross an edge there
            assert torch.autograd.gradcheck(values, given[which], eps=1e-9, atol=3e-4, rtol=1e-3)
        if norm >= 1e-4:
            expected = equations.class_features(*(given[name].detach().numpy() for name in parts), temperature)
            np.testing.assert_allclose(values(given[which]).detach().numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("size", [0.0, 1e-7, 1e-5, 1e-4, 5e-3, 1.0, 100.0])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_directions_of_half_precision_have_the_gradients_of_exact_ones(dtype, size):
    """Squares of norms below 2e-4 are 0 in float16 and those above 255 infinite."""
    vectors = (size * torch.randn(C, D) / D**0.5).to(dtype)
    upstream = torch.randn(C, D).to(dtype)
    found, exact = vectors.clone().requires_grad_(), vectors.double().requires_grad_()
    unit_vectors(found).backward(upstream)
    unit_vectors(exact).backward(upstream.double())
    assert_close(unit_vectors(found).double(), unit_vectors(exact), rtol=0.01, atol=0.01)
    assert_close(found.grad.double(), exact.grad, rtol=0.02, atol=0.01 * float(exact.grad.abs().max()))
    positions = vectors[None].clone().requires_grad_()
    attend_by_cosine(positions, torch.randn(C, D).to(dtype))[0].sum().backward()
    assert bool(positions.grad.isfinite().all())


def test_projection_equals_the_loop_and_is_safe_at_zero():
    layer = ClassProjection(C, D, P)
    features = torch.randn(B, C, D)
    with torch.no_grad():
        layer.bias.normal_()
    arrays = (features, layer.weight.detach(), layer.bias.detach())
    expected = equations.projected(*(array.double().numpy() for array in arrays))
    np.testing.assert_allclose(layer(features).detach().numpy(), expected, atol=1e-6)
    zero = torch.zeros(B, C, D, requires_grad=True)
    unprojected = ClassProjection(C, D, None)(zero)
    unprojected.sum().backward()
    assert float(unprojected.detach().abs().max()) == 0.0
    assert float(zero.grad.abs().max()) == 0.0


def test_classifier_equals_the_loop():
    classifier = ETFClassifier(C, P, class_feature_dim=D, logit_scale=3.0)
    mu = torch.nn.functional.normalize(torch.randn(B, C, P), dim=2)
    expected = equations.logits(mu.double().numpy(), classifier.weight.double().numpy(), 3.0)
    np.testing.assert_allclose(classifier(mu, torch.zeros(B, C, D)).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("classifier", ["fixed", "init_only", "block_aligned", "linear"])
@pytest.mark.parametrize("attention", ["multihead", "cosine"])
@pytest.mark.parametrize("projection_dim", [P, None])
def test_every_combination_gives_named_outputs(classifier, attention, projection_dim):
    head = MLCNCHead(
        CH,
        C,
        embedding_dim=D,
        num_heads=3,
        attention=attention,
        classifier=classifier,
        projection_dim=projection_dim,
    )
    output = head(torch.randn(B, CH, 2, 3))
    width = projection_dim or D
    assert output.logits.shape == (B, C)
    assert output.class_features.shape == (B, C, D)
    assert output.projected_features.shape == (B, C, width)
    assert output.attention.shape == (B, C, 6)
    assert output.map_size == (2, 3)
    assert_close(output.projected_features.norm(dim=2), torch.ones(B, C))
    assert head.projected_dim == width


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize("classifier", ["fixed", "block_aligned", "init_only"])
def test_what_is_fixed_does_not_move_and_travels_in_the_state(trainable, classifier):
    network = MLCNCNetwork(
        build_backbone("small"),
        MLCNCHead(
            64,
            C,
            embedding_dim=D,
            num_heads=3,
            embedding_trainable=trainable,
            classifier=classifier,
            projection_dim=P,
        ),
    )
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.AdamW(network.parameter_groups(0.1), lr=0.01)
    loss = MLCNCLoss()
    for _ in range(3):
        output = network(torch.randn(4, 3, 64, 64))
        parts = loss(output, (torch.rand(4, C) < 0.4).float(), class_means=torch.randn(C, P))
        optimiser.zero_grad()
        parts.total.backward()
        optimiser.step()
    after = network.state_dict()
    for name, fixed in (
        ("head.label_embedding", not trainable),
        ("head.classifier.weight", classifier != "init_only"),
    ):
        assert torch.equal(before[name], after[name]) == fixed, name
    other = MLCNCNetwork(
        build_backbone("small"),
        MLCNCHead(
            64,
            C,
            embedding_dim=D,
            num_heads=3,
            embedding_trainable=trainable,
            classifier=classifier,
            projection_dim=P,
            seed=9,
        ),
    )
    other.load_state_dict(after)
    assert torch.equal(other.head.label_embedding, network.head.label_embedding)
    assert torch.equal(other.head.classifier.weight, network.head.classifier.weight)


def test_parameters_outside_the_warm_up_graph_do_not_move():
    network = MLCNCNetwork(
        build_backbone("small"), MLCNCHead(64, C, embedding_dim=D, num_heads=3, projection_dim=P)
    )
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    optimiser = torch.optim.Adam(network.parameter_groups(0.1), lr=0.01)
    output = network(torch.randn(4, 3, 64, 64))
    MLCNCLoss()(output, (torch.rand(4, C) < 0.4).float(), warmup=True).total.backward()
    optimiser.step()
    moved = {name for name, value in network.named_parameters() if not torch.equal(before[name], value)}
    still = {"head.projection.weight", "head.projection.bias", "head.classifier.log_logit_scale"}
    assert not moved & still
    assert "backbone.layers.0.weight" in moved


def test_logit_scale_and_norms_are_not_decayed():
    head = MLCNCHead(CH, C, embedding_dim=D, num_heads=3, embedding_trainable=True, classifier="init_only")
    decayed, kept = head.parameter_groups(0.1)
    names = {id(parameter): name for name, parameter in head.named_parameters()}
    spared = {names[id(parameter)] for parameter in kept["params"]}
    assert {
        "label_embedding",
        "classifier.weight",
        "classifier.log_logit_scale",
        "projection.weight",
    } - spared == {"projection.weight"}
    assert len(decayed["params"]) + len(kept["params"]) == len(names)


@pytest.mark.parametrize("kind", ["etf", "trainable"])
def test_embedding_kinds_start_with_equal_norms(kind):
    rows = torch.as_tensor(initial_label_embedding(kind, C, D, seed=1))
    head = MLCNCHead(CH, C, label_embedding=rows, num_heads=3, query_norm=2.5)
    assert_close(head.label_embedding.norm(dim=1), torch.full((C,), 2.5))


@pytest.mark.parametrize("length", [0.5, 3.0])
def test_objectness_gives_all_labels_one_direction_and_leaves_the_frame(length):
    plain, shifted = (initial_label_embedding("etf", C, D, seed=4, objectness=b) for b in (0.0, length))
    common = shifted.mean(axis=0)
    np.testing.assert_allclose(np.linalg.norm(common), length, rtol=1e-12)
    np.testing.assert_allclose(shifted - common, plain, atol=1e-12)
    np.testing.assert_allclose(plain @ common, 0.0, atol=1e-12)
    unit = shifted / np.linalg.norm(shifted, axis=1, keepdims=True)
    others = (unit @ unit.T)[~np.eye(C, dtype=bool)]
    np.testing.assert_allclose(others, (length**2 - 1 / (C - 1)) / (length**2 + 1), atol=1e-12)
    with pytest.raises(
        ConfigError, match=f"at least {C} for an ETF of {C} classes and objectness, got {C - 1}"
    ):
        initial_label_embedding("etf", C, C - 1, objectness=length)


def test_learned_queries_attend_while_the_alignment_is_to_the_label_embedding():
    head = MLCNCHead(CH, C, embedding_dim=D, num_heads=3, queries="trainable", classifier="linear", dropout=0.0)
    feature_map = torch.randn(B, CH, 2, 2)
    output = head(feature_map)
    assert_close(output.class_features, head.attention(feature_map, head.queries)[0])
    assert_close(output.label_embedding, head.label_embedding)
    assert "label_embedding" in dict(head.named_buffers())
    output.class_features.sum().backward()
    assert head.queries.grad.abs().sum() > 0
    (spared,) = (group["params"] for group in head.parameter_groups(0.1) if group["weight_decay"] == 0)
    assert any(head.queries is each for each in spared)


GLOVE = "dining 1 0\ntable 0 1\ntv 3 3\nmonitor 5 5\nCat 7 8\ntraffic 2 0\nlight 0 2\n"


def test_glove_splits_compound_names(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text(GLOVE)
    vectors = read_glove(path, ["diningtable", "tvmonitor", "cat", "traffic light", "dining_table"])
    assert vectors.tolist() == [[0.5, 0.5], [4, 4], [7, 8], [1, 1], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("cat 1 2\n", DataError, "no vector for the class 'dog'"),
        ("dog 1 2\ncat 1\n", DataError, "line 2: expected 2 finite numbers"),
        ("dog 1 nan\ncat 1 2\n", DataError, "line 1"),
        ("dog 1 x\ncat 1 2\n", DataError, "not word vectors as text"),
        ("dog 1 2 3\ncat 1 2 3\n", ConfigError, "embedding_dim must be 3"),
    ],
)
def test_bad_glove_files_are_refused(tmp_path, text, error, words):
    path = tmp_path / "glove.txt"
    path.write_text(text)
    with pytest.raises(error, match=words):
        initial_label_embedding("glove", 2, 2, glove_path=path, class_names=["cat", "dog"])


def test_real_glove_vectors_of_voc(shared):
    from mlcnc.data.pictograms import CLASS_NAMES

    vectors = read_glove(shared / "data" / "glove" / "voc20.300d.txt", list(CLASS_NAMES))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cat, dog, bus, train = (CLASS_NAMES.index(name) for name in ("cat", "dog", "bus", "train"))
    assert unit[cat] @ unit[dog] == pytest.approx(0.68, abs=0.005)
    assert unit[bus] @ unit[train] == pytest.approx(0.67, abs=0.005)


@pytest.mark.parametrize("name", [name for name in BACKBONES if name != "resnet34"])
def test_backbones_give_maps(name):
    backbone = build_backbone(name).eval()
    with torch.no_grad():
        feature_map = backbone(torch.randn(1, 3, 64, 64))
    assert feature_map.shape[:2] == (1, backbone.out_channels)


def test_missing_weights_say_where_to_put_the_file(monkeypatch, tmp_path):
    def refuse(*arguments, **named):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WeightsUnavailableError, match=r"place the file resnet18-\w+\.pth in .*checkpoints"):
        build_backbone("resnet18", weights="imagenet")


def test_pre_trained_weights_say_how_their_images_were_normalised(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    models = import_torchvision().models
    state = models.resnet18().state_dict()
    file_name = models.ResNet18_Weights.DEFAULT.url.rsplit("/", 1)[-1]
    torch.save(state, tmp_path / "hub" / "checkpoints" / file_name)
    backbone = build_backbone("resnet18", weights="imagenet")
    assert torch.equal(backbone.layers[0].weight, state["conv1.weight"])
    assert backbone.mean == (0.485, 0.456, 0.406)
    assert backbone.std == (0.229, 0.224, 0.225)
    assert build_backbone("resnet18").mean is build_backbone("small").std is None


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ConfigError, match="small, resnet18"):
        build_backbone("vgg")
    with pytest.raises(ConfigError, match="no pre-trained weights"):
        build_backbone("small", weights="imagenet")


def test_torchvision_imports_beside_any_torch_and_leaves_torch_alone():
    program = (
        "import torch; before = torch.library.register_fake\n"
        "from mlcnc.torchvision_guard import import_torchvision\n"
        "torchvision = import_torchvision()\n"
        "assert torch.library.register_fake is before\n"
        "print(torchvision.models.resnet18().fc.in_features)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "512"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: MLCNCHead(CH, C, embedding_dim=10, num_heads=3), "num_heads must divide"),
        (lambda: MLCNCHead(CH, C, attention="odd"), "attention must be"),
        (lambda: MLCNCHead(CH, C, attention="cosine", input_map="odd"), "input_map must be"),
        (lambda: MLCNCHead(CH, C, input_map="none"), "goes with the cosine attention"),
        (
            lambda: MLCNCHead(CH, C, embedding_dim=D, attention="cosine", input_map="none"),
            "embedding_dim must be 13, the channels of the backbone",
        ),
        (lambda: MLCNCHead(CH, C, query_norm=0.0), "query_norm must be"),
        (lambda: MLCNCHead(CH, C, query_norm=-3.0), "query_norm must be"),
        (lambda: MLCNCHead(CH, C, query_norm=float("nan")), "query_norm must be"),
        (lambda: MLCNCHead(CH, C, classifier="odd"), "classifier must be one of"),
        (lambda: MLCNCHead(CH, C, label_embedding=torch.zeros(C, D)), "norm above 0"),
        (lambda: MLCNCHead(CH, C, embedding_dim=D, num_heads=3)(torch.zeros(1, 4, 2, 2)), "feature_map must"),
        (lambda: MLCNCHead(CH, C, label_embedding=torch.as_tensor(simplex_etf(4, 8))), "label_embedding must"),
    ],
)
def test_bad_arguments_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("classifier", ["fixed", "init_only", "block_aligned", "linear"])
@pytest.mark.parametrize("attention", ["multihead", "cosine"])
def test_logits_of_all_classifiers_start_with_the_same_spread(classifier, attention):
    head = MLCNCHead(64, 20, embedding_dim=128, attention=attention, classifier=classifier)
    assert head.training
    assert head.attention.training
    with torch.no_grad():
        logits = head(torch.randn(64, 64, 7, 7).relu()).logits
    assert 0.6 < float(logits.std()) / (10 / 20**0.5) < 1.6


@pytest.mark.parametrize("attention", ["multihead", "cosine"])
@pytest.mark.parametrize("classifier", ["fixed", "linear"])
def test_gradients_through_the_whole_head(attention, classifier):
    head = MLCNCHead(
        3, 4, embedding_dim=6, num_heads=2, dropout=0.0, projection_dim=2,
        attention=attention, classifier=classifier, embedding_trainable=True,
    ).double()  # fmt: skip
    targets = (torch.rand(2, 4) < 0.5).double()
    means = torch.randn(4, 2).double()

    def total(feature_map):
        return MLCNCLoss()(head(feature_map), targets, class_means=means).total

    feature_map = torch.randn(2, 3, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(total, (feature_map,))
    total(feature_map).backward()
    assert float(head.label_embedding.grad.abs().max()) > 0


def test_dropout_acts_in_training_only_and_is_absent_from_the_attention_returned():
    layer = MultiheadClassAttention(CH, D, num_heads=4, dropout=0.5)
    feature_map, labels = torch.randn(B, CH, 3, 5), torch.randn(C, D)
    first, attention = layer(feature_map, labels)
    second, again = layer(feature_map, labels)
    assert not torch.equal(first, second)
    assert torch.equal(attention, again)
    assert_close(attention.sum(dim=2), torch.ones(B, C))
    layer.eval()
    assert torch.equal(layer(feature_map, labels)[0], layer(feature_map, labels)[0])


def test_logits_stay_float32_inside_autocast():
    head = MLCNCHead(CH, C, embedding_dim=D, num_heads=3, projection_dim=P).eval()
    feature_map = torch.randn(B, CH, 2, 3)
    with torch.autocast("cpu", torch.bfloat16):
        output = head(feature_map)
    assert output.logits.dtype == torch.float32
    joined = output.projected_features.float().flatten(1)
    expected = head.classifier.logit_scale * (joined @ head.classifier.weight.T)
    assert_close(output.logits, expected, rtol=1e-6, atol=1e-6)


def test_logit_scale_starts_where_asked_and_stays_positive():
    classifier = ETFClassifier(C, P, class_feature_dim=D, logit_scale=10.0)
    assert float(classifier.logit_scale.detach()) == pytest.approx(10.0)
    optimiser = torch.optim.SGD(classifier.parameters(), lr=5.0)
    for _ in range(5):
        optimiser.zero_grad()
        classifier.logit_scale.backward()
        optimiser.step()
    assert float(classifier.logit_scale.detach()) > 0
    with pytest.raises(ValueError, match="logit_scale must be above 0"):
        ETFClassifier(C, P, class_feature_dim=D, logit_scale=0.0)
