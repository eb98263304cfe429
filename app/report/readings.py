"""How to read the charts of a report, for a reader who has only the page."""

BUCKETS = """Classes are counted by their training images: head classes have many, tail classes few. A mark
is the mean of the runs that differ in the seed only, the whisker the 95 % t interval of that mean, and n is
their number; fewer than three runs have no whisker. Values are of the epoch that is best on validation; the
test set chooses nothing. The axis does not begin at 0."""

CLASSES = """A dot is one class, the most frequent on the left. Above the line the first run has the higher
average precision, below it the second. Circles are head, squares medium, triangles tail classes. A whisker
holds 95 % of the differences when the test images are drawn anew: where it crosses the line, the choice of
test images alone could explain the difference. Another seed may move a class further than that."""

MATRIX = """Rows and columns are classes, most frequent first; lines separate head, medium and tail.
**White** is the angle of a simplex equiangular tight frame (ETF), where all classes are equally far apart;
**blue** pairs are too close, **brown** ones too far apart. The scale is the same for every run.

Means are centred by the mean of all class means. Such means sum to zero, so their **mean** angle is close
to that of an ETF whatever the geometry: read the smallest angle and the spread. A mean of few features is
noise in part."""

HISTOGRAM = """Each pair of classes counts once. The dashed line is the angle of an ETF: the narrower the
distribution around it, the closer the run is to an ETF. The dotted outline is what as many random directions
of the same dimension give: no geometry at all. The left end holds the pairs that are easily confused."""

VARIABILITY = """NC1 of a class is the mean squared distance of its features to their mean, over the squared
distance of that mean to the mean of all class means; 0 is complete collapse. Circles are head, squares
medium, triangles tail classes.

**Few features look collapsed by chance.** The dashed line is what each class would show with labels
shuffled, from its number of features alone. It answers whether there is any class structure, not whether it
comes from the images: class-wise features are apart by their class query alone, which the **dash at a dot**
shows: NC1 of as many images without the class, where it was stored. A dot at its dash shows the query, not the
class."""

ATTENTION = """Coloured cells hold more of the class's attention than their even share, brighter ones more, on
one scale for all pictures; clear ones hold less. The white line surrounds the fewest cells that hold half of
the attention; cells are those of the network's last feature map. The dashed box is the object. Attention spread
evenly would put as much into the box as the box covers of the picture; the sentence sets both side by side."""

_PLAIN = "One line a run, or the mean and the range over seeds where there are many runs."

_NC1 = """NC1 is the spread of features around their class means over the spread of those means, on a
logarithmic axis; falling towards 0 is collapse. The dashed grey line is the value with labels shuffled: no
class structure at all. NC1 of as many images without the class, where it was logged, says what the class query
alone makes. Epoch 0 is the untrained network, where it was measured."""

_ANGLE = """The smallest angle between two class means, centred by the mean of all class means: the pair of
classes that is confused most easily. The dashed line is the angle of an ETF, which none exceeds, the dotted
line what as many random directions of the same dimension give, with 95 % of draws shaded."""

_MAP = "Mean average precision on the test set in percent, of all classes or of those in one bucket."


def of_curve(metric: str) -> str:
    """Return how to read the curve of a metric."""
    return f"{_PLAIN} {_NC1 if 'nc1' in metric else _ANGLE if 'angle' in metric else _MAP}"
