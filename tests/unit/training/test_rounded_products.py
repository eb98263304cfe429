from contextlib import ExitStack

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d
from torch.utils._python_dispatch import TorchDispatchMode

from mlcnc.training.evaluation import evaluate
from mlcnc.training.rounded_products import RoundedProducts
from mlcnc.training.trainer import train
from tests.processes.small_training import small_config, use_few_images

ATEN = torch.ops.aten


class Products(TorchDispatchMode):
    """Notes the dtypes with which products arrive; entered outside of what changes them."""

    def __init__(self):
        super().__init__()
        self.dtypes = {}

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        if any(part in str(op) for part in ("mm", "convolution")):
            given = {arg.dtype for arg in args if isinstance(arg, torch.Tensor)}
            self.dtypes.setdefault(op, set()).update(given)
        return op(*args, **(kwargs or {}))


def rounded(*shape):
    return torch.randn(shape).bfloat16()


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, 2, 1), nn.BatchNorm2d(12), nn.ReLU6(), nn.Conv2d(12, 12, 3, groups=12),
        nn.Flatten(2), nn.Linear(9, 40), nn.MultiheadAttention(40, 4, batch_first=True),
    )  # fmt: skip


def step(*contexts):
    """Return output, gradients and a running variance of one step within contexts, each a flat vector."""
    model = network()
    torch.manual_seed(1)
    hidden = torch.randn(16, 3, 9, 9)
    with ExitStack() as stack:
        for enter in contexts:
            stack.enter_context(enter())
        for part in model:
            hidden = (
                part(hidden, hidden, hidden)[0] if isinstance(part, nn.MultiheadAttention) else part(hidden)
            )
        with torch.autocast("cpu", enabled=False):
            (hidden.float() - 1).square().mean().backward()
    gradients = torch.cat([each.grad.flatten() for each in model.parameters()])
    return hidden.detach().float().flatten(), gradients, model[1].running_var


def half():
    return torch.autocast("cpu", torch.bfloat16)


def test_a_product_is_that_of_the_same_numbers_in_float32_then_rounded():
    torch.manual_seed(3)
    a, b, c = rounded(7, 30), rounded(30, 5), rounded(5)
    many, more, third = rounded(4, 7, 30), rounded(4, 30, 5), rounded(4, 7, 5)
    maps, kernel, given = rounded(2, 6, 5, 5), rounded(8, 3, 3, 3), rounded(2, 8, 5, 5)
    backward = ([0], [1, 1], [1, 1], [1, 1], False, [0, 0], 2, [True, False, True])
    products = {
        ATEN.mm.default: (a, b),
        ATEN.addmm.default: (c, a, b),
        ATEN.bmm.default: (many, more),
        ATEN.baddbmm.default: (third, many, more),
        ATEN.convolution.default: (maps, kernel, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 2),
        ATEN.convolution_backward.default: (given, maps, kernel, *backward),
    }
    for op, args in products.items():
        with Products() as arrived, RoundedProducts():
            found = op(*args)
        assert arrived.dtypes == {op: {torch.float32}}
        expected = op(*(arg.float() if isinstance(arg, torch.Tensor) else arg for arg in args))
        pairs = zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
        for one, other in pairs:
            if other is None:  # a gradient that was not asked for
                assert one is None
            else:
                assert one.dtype == torch.bfloat16
                assert torch.equal(one, other.bfloat16())


def test_no_product_of_a_step_is_left_in_bfloat16():
    with Products() as arrived:
        step(half, RoundedProducts)
    assert {
        ATEN.convolution.default,
        ATEN.convolution_backward.default,
        ATEN.addmm.default,
        ATEN.bmm.default,
    } <= set(arrived.dtypes)
    assert all(dtypes == {torch.float32} for dtypes in arrived.dtypes.values())


def test_what_is_not_bfloat16_is_left_alone():
    for inside, outside in zip(step(RoundedProducts), step(), strict=True):
        assert torch.equal(inside, outside)
    with RoundedProducts(), pytest.raises(RuntimeError, match="dtype"):
        torch.mm(rounded(3, 4), torch.randn(4, 2))
    with RoundedProducts(), pytest.raises(RuntimeError, match=r"type"):
        conv2d(torch.randn(1, 2, 5, 5), rounded(3, 2, 3, 3))


def test_a_step_is_nearer_to_bfloat16_of_torch_than_float32_is():
    ours, of_torch, exact = step(half, RoundedProducts), step(half), step()
    for one, other, wide in zip(ours, of_torch, exact, strict=True):
        assert not torch.equal(other, wide)
        assert (one - other).norm() < 0.5 * (wide - other).norm()


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_a_run_is_trained_and_evaluated_so_where_the_processor_has_none(
    tmp_path, monkeypatch, precision, has_bfloat16
):
    use_few_images(monkeypatch)
    monkeypatch.setattr("mlcnc.training.device.has_bfloat16", lambda: has_bfloat16)
    is_half = precision == "bfloat16" and has_bfloat16
    config = small_config(
        training={"precision": precision, "epochs": 3, "compile": precision == "bfloat16" and not has_bfloat16}
    )
    with Products() as trained:
        run_id = train(config, runs_root=tmp_path, show_progress=False)
    with Products() as evaluated:
        evaluate(run_id, runs_root=tmp_path)
    assert trained.dtypes[ATEN.convolution_backward.default] == {torch.bfloat16 if is_half else torch.float32}
    assert (torch.bfloat16 in set.union(*evaluated.dtypes.values())) == is_half
