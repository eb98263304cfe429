"""What training MLC-NC and measuring it costs, by number of images and classes: the formulas of docs/scale.md.

``python -m tests.benchmarks.cost_model`` prints the tables of that page; ``test_scale.py`` beside this file
holds the formulas against runs and tensors of this code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

HEADS = 8
POSITIONS = 49
"""h*w of ResNet-50 at 224 pixels."""
CHANNELS = 2048
BACKBONE_PARAMETERS = 23_508_032
"""Of torchvision's ResNet-50 without its classifier; and what its maps take one multiply-add each for."""
BACKBONE_MULTIPLY_ADDS = 4.09e9
IMAGE_BYTES = 115_000
"""Of a JPEG of ImageNet: 1,281,167 images in 147.8 GB."""
A100_IMAGES_A_SECOND = 2470.0
"""ResNet-50 in mixed precision; sources stand in docs/scale.md."""


@dataclass(frozen=True)
class Scale:
    """One point: sizes of a data set and of a model.

    Attributes:
        train, test: images; test has those of validation in it.
        classes, dim, projected: C, d and p.
        measured_train: training images that are measured (``training.num_measured_train``).
        labels: of an image, on average.
        batch: images a step.
        pairs, probes: ``training.num_sample_pairs``, ``training.num_probes``.
        positions, channels, backbone: of the backbone: h*w and channels of its map, trained parameters.
    """

    train: int
    test: int
    classes: int
    dim: int
    projected: int = 20
    measured_train: int = 5000
    labels: float = 3.0
    batch: int = 32
    pairs: int = 600
    probes: int = 24
    positions: int = POSITIONS
    channels: int = CHANNELS
    backbone: int = BACKBONE_PARAMETERS

    @property
    def widest(self) -> int:
        """C*p, the length of a concatenated feature."""
        return self.classes * self.projected

    @property
    def has_concatenation(self) -> bool:
        """Whether ``concat`` is measured (``methods.mlc_nc.WIDEST_CONCATENATION``)."""
        return self.widest <= 16_384


def head_parameters(at: Scale) -> int:
    """Return the trained numbers of the head: map, attention, per-class projection, logit scale."""
    attention = at.channels * at.dim + at.dim + 4 * at.dim**2 + 4 * at.dim
    return attention + at.classes * at.dim * at.projected + at.widest + 1


def fixed_numbers(at: Scale) -> int:
    """Return the numbers that are kept and not trained: two label embeddings, the ETF classifier, Eq. 8's sums."""
    return 2 * at.classes * at.dim + at.classes * at.widest + 2 * at.widest + 2 * at.classes


def checkpoint_bytes(at: Scale) -> int:
    """Return the size of ``checkpoints/last.pt``: weights and AdamW's two moments; the one before is kept too."""
    return 4 * (3 * (at.backbone + head_parameters(at)) + fixed_numbers(at))


def epoch_file_bytes(at: Scale) -> int:
    """Return the size of one ``epochs/NNNN.safetensors`` of a fixed label embedding and classifier."""
    number, dim, narrow = at.classes, at.dim, at.projected
    spaces = [dim, narrow] + ([at.widest] if at.has_concatenation else [])
    total = 0
    for width in spaces:
        directions = min(number - 1, width)
        means = 2 * 4 * number * width
        spread = 8 * number * directions + 8 * directions
        levels = 8 * 8 * number  # multiplicities up to eight
        total += 2 * (means + spread + levels + 8 * 6 * number)  # of train and test
    gram = 2 * 4 * number**2
    vectors = 4 * number * dim + 4 * number * at.widest + 4 * number * narrow + 4 * number
    scores = 2 * at.test * number + 8 * number
    sampled = sum((4 if width <= 64 else 2) * width for width in (dim, narrow))
    looks = at.pairs * sampled + 2 * at.probes * number * at.positions
    return total + gram + vectors + scores + looks + 6500  # the names of the arrays


def label_bytes(at: Scale) -> int:
    """Return the memory of the targets, one byte for every image and class."""
    return (at.train + at.test) * at.classes


def ranking_bytes(at: Scale) -> int:
    """Return what average precision takes on top of the scores it gets: a sorted copy, labels, ten numbers a
    positive."""
    return 5 * at.test * at.classes + round(80 * at.labels * at.test)


def scores_bytes(at: Scale) -> int:
    """Return the memory of the scores of a measured split, float32."""
    return 4 * at.test * at.classes


def saved_bytes_an_image(at: Scale) -> float:
    """Return what the head and the calibration loss keep of an image for the backward pass, float32.

    Leading terms: attention (scores after softmax, its dropout and mask), the map after its linear layer, class
    features, and the cosines of Eq. 9 of every class with every mean.
    """
    number = at.classes
    attention = (4 + 4 + 1) * HEADS * number * at.positions
    maps = 4 * at.positions * (at.channels + at.dim)
    # values by heads go either through the classes or through the positions, whichever are fewer
    values = 4 * HEADS * number * at.dim if number < at.positions else 4 * at.positions * at.dim
    features = 3 * 4 * number * at.dim
    cosines = 3 * 4 * number**2
    return attention + maps + values + features + cosines


def head_multiply_adds(at: Scale) -> float:
    """Return the multiply-adds of one image through head and calibration loss, forward."""
    number, dim = at.classes, at.dim
    through_classes = number < at.positions
    values = HEADS * number * at.positions * dim + number * dim**2
    if not through_classes:
        values = at.positions * dim**2 + number * at.positions * dim
    queries = 2 * number * dim**2 / at.batch
    return (
        at.positions * at.channels * dim
        + queries
        + HEADS * number * at.positions * dim
        + values
        + number * dim**2
        + number * dim * at.projected
        + 2 * number * at.widest
    )


def training_flops(at: Scale) -> float:
    """Return floating-point operations of a training image: two a multiply-add, three passes."""
    return 6 * (BACKBONE_MULTIPLY_ADDS + head_multiply_adds(at))


def pairs_bytes(at: Scale) -> int:
    """Return what angles and CDNV of all pairs of classes take at a time, for one space of one split: ten tables."""
    return 80 * at.classes**2


def frame_bytes(at: Scale) -> int:
    """Return what it takes to draw the ETF classifier, whose columns are made orthogonal in float64."""
    return round(3.16 * 8 * at.classes * at.widest)


def frame_seconds(at: Scale) -> float:
    """Return how long that takes on one core: 4.1e-9 s C^3 at p = 20, measured at C = 800."""
    return 4.1e-9 * at.classes**3 * at.projected / 20


def second_pass_bytes(at: Scale) -> int:
    """Return what the metrics take that need the features a second time: class means and features in float64,
    and five tables of all pairs of classes."""
    return 290 * at.classes * at.dim + 40 * at.classes**2


def choice_bytes(at: Scale) -> float:
    """Return the memory in which the sampled pairs are chosen: a Python tuple for every positive that is measured."""
    return 121 * at.labels * (min(at.train, at.measured_train) + at.test)


def scale(train: int, classes: int) -> Scale:
    """Return a point of the tables: a tenth as many images for test; d of 256, or GloVe's 300 for more classes."""
    return Scale(train, train // 10, classes, 256 if classes <= 256 else 300)


def table() -> str:
    """Return the tables of docs/scale.md."""
    rows: list[tuple[str, ...]] = [
        (
            "images",
            "classes",
            "bytes read",
            "labels",
            "scores",
            "average precision",
            "epoch file",
            "hours, one A100",
        )
    ]
    for train in (10**5, 10**6, 10**8):
        for classes in (200, 10_000):
            at = scale(train, classes)
            hours = train / A100_IMAGES_A_SECOND / 3600 * training_flops(at) / (6 * BACKBONE_MULTIPLY_ADDS)
            rows.append(
                (
                    f"10^{len(str(train)) - 1}",
                    f"{classes:,}",
                    size(train * IMAGE_BYTES),
                    size(label_bytes(at)),
                    size(scores_bytes(at)),
                    size(ranking_bytes(at)),
                    size(epoch_file_bytes(at)),
                    f"{hours:,.2g}" if hours < 10 else f"{hours:,.0f}",
                )
            )
    models: list[tuple[str, ...]] = [
        (
            "classes",
            "d",
            "trained in the head",
            "ETF classifier",
            "drawing it",
            "checkpoint",
            "kept an image",
            "pairs",
            "head",
        )
    ]
    for classes, dim in ((200, 256), (10_000, 300), (10_000, 10_000)):
        at = replace(scale(10**6, classes), dim=dim)
        head = head_multiply_adds(at)
        drawn = frame_seconds(at)
        models.append(
            (
                f"{classes:,}",
                f"{dim:,}",
                f"{head_parameters(at) / 1e6:,.1f} M",
                size(4 * classes * at.widest),
                f"{size(frame_bytes(at))}, {drawn:.1g} s"
                if drawn < 60
                else f"{size(frame_bytes(at))}, {drawn / 3600:.1f} h",
                size(checkpoint_bytes(at)),
                size(saved_bytes_an_image(at)),
                size(pairs_bytes(at)),
                f"{100 * head / (head + BACKBONE_MULTIPLY_ADDS):.1f} %",
            )
        )
    return f"{markdown(rows)}\n\n{markdown(models)}\n"


def size(number: float) -> str:
    """Return an amount of bytes with three digits.

    Example:
        >>> size(3.2e6), size(11e9)
        ('3.2 MB', '11 GB')
    """
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= factor:
            return f"{number / factor:,.3g} {unit}"
    return f"{number / 1e3:,.3g} kB"


def markdown(rows: list[tuple[str, ...]]) -> str:
    """Return rows as a table of Markdown, the first as its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


if __name__ == "__main__":
    print(table())
