"""Training examples whose label is probably wrong, by how training went: the area under the margin.

Pleiss, Zhang, Elenberg, Weinberger, "Identifying Mislabeled Data using the Area Under the Margin Ranking", NeurIPS 2020. While a
network trains, the examples of a label pull those beside them to it. A wrong label is pulled away by the right ones around it, so
its margin (the gold label's logit less the largest other) is low over the epochs, even if it is learnt by heart at the end.

The paper finds its threshold by training with an extra class of examples that are mislabelled on purpose. That costs a part of
the data, a second run to judge the rest, and an output that must not be served. Here an example is a suspect if its mean margin
is below 0 and so is its last one, which asks that the model contradicted the label for most of the training and still does.
First epochs, in which all margins are low, then raise no alarm; nor do labels that the model never learnt, for there the median
example is contradicted and says nothing about the single one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Suspect:
    """An example by its place, its area under the margin (logits, below 0), and the label number that the model would give."""

    example: int
    area: float
    predicted: int


def suspects(
    margins: NDArray[np.floating], golds: NDArray[np.integer], predicted: NDArray[np.integer]
) -> list[Suspect]:
    """The examples that are probably mislabelled, the surest first.

    Args:
        margins: gold logit less the largest other at each epoch, (examples, epochs); with several golds, the largest gold
            less the largest that is none.
        golds: the label number of each example, (examples,), of several the first.
        predicted: the label number that the model gave each example at the last epoch, (examples,).

    Raises:
        ValueError: the arrays do not fit one another, or a margin is no number.

    """
    if margins.ndim != 2 or not len(margins) == len(golds) == len(predicted):
        raise ValueError(f"margins {margins.shape}, golds {golds.shape}, predicted {predicted.shape} do not fit")
    if not np.isfinite(margins).all():
        raise ValueError("a margin is no number")
    if not margins.size:
        return []
    area, last = margins.mean(axis=1), margins[:, -1]
    learnt = {label for label in np.unique(golds).tolist() if np.median(last[golds == label]) > 0}
    found = np.flatnonzero((area < 0) & (last < 0) & np.isin(golds, list(learnt)))
    ranked = found[np.argsort(area[found], kind="stable")]
    return [Suspect(place, float(area[place]), int(predicted[place])) for place in ranked.tolist()]
