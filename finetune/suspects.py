"""Training examples whose label is probably wrong, by how training went: the area under the margin.

Pleiss, Zhang, Elenberg, Weinberger, "Identifying Mislabeled Data using the Area Under the Margin Ranking", NeurIPS 2020. While a
network trains, the examples of a label pull those beside them to it. A wrong label is pulled away by the right ones around it, so
its margin (the gold label's logit less the largest other) is low over the epochs, even if it is learnt by heart at the end.

The paper finds its threshold by training with an extra class of examples that are mislabelled on purpose. That costs a part of
the data, a second run to judge the rest, and an output that must not be served. Here an example is a suspect if its mean margin
is below 0, so that the model contradicted it for most of the training, and if at the end the model is at least half as sure of
another label as it commonly is of that label's own examples (the class-conditional threshold of confident learning: Northcutt,
Jiang, Chuang, "Confident Learning", JAIR 2021). So the threshold follows the scale of the logits, the first epochs, in which all
margins are low, raise no alarm, and examples between two labels, the hard ones, are spared.

Labels that the model never learnt are not judged: their median example is contradicted, which says nothing about a single one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_AS_SURE = 0.5


@dataclass(frozen=True)
class Suspect:
    """An example by its place; `area` is its mean margin over the epochs, `predicted` the label number the model would give."""

    example: int
    area: float
    predicted: int


def suspects(
    margins: NDArray[np.floating], predicted: NDArray[np.integer], golds: NDArray[np.integer]
) -> list[Suspect]:
    """The examples that are probably mislabelled, the surest first.

    Args:
        margins: gold logit less the largest other at each epoch, (examples, epochs), best of the training step itself,
            before its update; with several golds, the largest gold less the largest that is none.
        predicted: the label number that the model gave each example at the last epoch, (examples,).
        golds: the label number of each example, (examples,), of several the first.

    Raises:
        ValueError: the arrays do not fit one another, or a margin is no number.

    """
    if margins.ndim != 2 or not len(margins) == len(golds) == len(predicted):
        raise ValueError(f"margins {margins.shape}, golds {golds.shape}, predicted {predicted.shape} do not fit")
    if not np.isfinite(margins).all():
        raise ValueError("a margin is no number")
    if margins.size == 0:
        return []
    area, last = margins.mean(axis=1), margins[:, -1]
    # How sure the model commonly is of a label's own examples; 0 where it has not learnt the label.
    usual = {label: max(0.0, float(np.median(last[golds == label]))) for label in np.unique(golds).tolist()}
    of_gold = np.array([usual[label] for label in golds.tolist()])
    of_other = np.array([usual.get(label, 0.0) for label in predicted.tolist()])
    found = np.flatnonzero((area < 0) & (last < -_AS_SURE * of_other) & (of_gold > 0))
    ranked = found[np.argsort(area[found], kind="stable")]
    return [Suspect(place, float(area[place]), int(predicted[place])) for place in ranked.tolist()]
