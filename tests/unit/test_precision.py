from contextlib import ExitStack

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from mlcnc.precision import RoundedProducts
from mlcnc.training.trainer import train
from tests.processes.small_training import small_config, use_few_images


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
    many, more = rounded(4, 7, 30), rounded(4, 30, 5)
    maps, kernel = rounded(2, 6, 5, 5), rounded(8, 3, 3, 3)
    with RoundedProducts():
        found = [a @ b, torch.addmm(c, a, b), many @ more, conv2d(maps, kernel, padding=1, groups=2)]
    expected = [
        a.float() @ b.float(), torch.addmm(c.float(), a.float(), b.float()), many.float() @ more.float(),
        conv2d(maps.float(), kernel.float(), padding=1, groups=2),
    ]  # fmt: skip
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.bfloat16
        assert torch.equal(one, other.bfloat16())


def test_gradients_of_a_convolution_are_rounded_once_and_a_missing_one_stays_missing():
    torch.manual_seed(4)
    maps, kernel = rounded(2, 3, 6, 6), rounded(5, 3, 3, 3).requires_grad_()
    given = rounded(2, 5, 4, 4)
    with RoundedProducts():
        conv2d(maps, kernel).backward(given)  # the gradient of maps is not asked for
    wide = kernel.detach().float().requires_grad_()
    conv2d(maps.float(), wide).backward(given.float())
    assert maps.grad is None
    assert kernel.grad.dtype == torch.bfloat16
    assert torch.equal(kernel.grad, wide.grad.bfloat16())


def test_what_is_not_bfloat16_is_left_alone():
    for inside, outside in zip(step(RoundedProducts), step(), strict=True):
        assert torch.equal(inside, outside)


def test_a_step_is_nearer_to_bfloat16_than_float32_is():
    emulated, native, exact = step(half, RoundedProducts), step(half), step()
    for one, other, wide in zip(emulated, native, exact, strict=True):
        assert not torch.equal(other, wide)
        assert (one - other).norm() < 0.5 * (wide - other).norm()


@pytest.mark.parametrize(
    ("precision", "capability", "times"),
    [("bfloat16", "AVX2", 1), ("bfloat16", "AVX512", 0), ("float32", "AVX2", 0)],
)
def test_a_run_takes_its_products_so_where_the_processor_has_none(
    tmp_path, monkeypatch, precision, capability, times
):
    entered = []
    use_few_images(monkeypatch)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    enter = RoundedProducts.__enter__
    monkeypatch.setattr(RoundedProducts, "__enter__", lambda mode: (entered.append(1), enter(mode))[1])
    train(small_config(training={"precision": precision, "epochs": 3}), runs_root=tmp_path, show_progress=False)
    assert len(entered) == times
