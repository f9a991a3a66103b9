"""A learnt order of cards: the blend of `retrieval.ranking`, corrected by trees that learnt from what shoppers chose.

    score = share · blend(terms) + trees(features)

The trees are LambdaMART (Burges 2010) by LightGBM, kept as its text; without trees the order is the blend's. What a term adds is
told by deletion: how much less the score would be were the term what it is for a stranger and an unrated, unknown product.

    trees.txt        LightGBM's text
    manifest.json    kind "ranker"; its meta holds the features' names, the blend's share, and until when it learnt
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from index.product import Product
from retrieval.profile import Profile
from retrieval.rank_features import FEATURES, TERMS, Floats, Signals
from retrieval.ranking import NEUTRAL, TERM_WEIGHTS, Weighed
from storage.errors import Damaged
from storage.publish import Versions, read_manifest

if TYPE_CHECKING:
    from lightgbm import Booster

KIND: Final = "ranker"
FILE: Final = "trees.txt"
_AGAIN: Final = "Train it again: launch.py finetune ranker; or roll back."
_WEIGHTS: Final = np.array([TERM_WEIGHTS[name] for name in TERMS])
_NEUTRAL: Final = np.array([NEUTRAL[name] for name in TERMS])


class LearntRanker:
    """Scores candidates by their features. Immutable, safe to share between threads.

    Args:
        trees: a booster over `FEATURES`; None for the blend alone.
        share: what the blend's score counts beside the trees.
        version: the name of its folder.
        learnt_until: the latest choice that it learnt from, milliseconds since 1970.
    """

    def __init__(self, trees: Booster | None, share: float, version: str = "", learnt_until: int = 0) -> None:
        self.trees = trees
        self.share = share
        self.version = version
        self.learnt_until = learnt_until

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The ranker of a model folder, every file's hash checked, which has answered once; raises `Damaged` or `NotFound`."""
        from lightgbm import Booster
        from lightgbm.basic import LightGBMError

        meta = read_manifest(folder, KIND).meta
        share, learnt_until = meta.get("share"), meta.get("learnt_until")
        if meta.get("features") != list(FEATURES):
            raise Damaged(f"{folder} goes by other features than this Aisle.", _AGAIN)
        if not isinstance(share, float) or not isinstance(learnt_until, int):
            raise Damaged(f"{folder} does not say what its manifest must.", _AGAIN)
        try:
            trees = Booster(model_str=(folder / FILE).read_text(encoding="utf-8"))
            found = cls(trees, share, folder.resolve().name, learnt_until)
            answer = found.scores(np.zeros((1, len(FEATURES))))
        except (LightGBMError, OSError, ValueError) as error:
            raise Damaged(f"{folder / FILE} holds no ranker: {error}.", _AGAIN) from None
        if trees.num_feature() != len(FEATURES) or not np.isfinite(answer).all():
            raise Damaged(f"{folder / FILE} answers with no number.", _AGAIN)
        return found

    def save(self, folder: Path) -> dict[str, Any]:
        """Writes the trees into an existing folder; returns what the manifest must say of it."""
        assert self.trees is not None
        (folder / FILE).write_text(self.trees.model_to_string(), encoding="utf-8")
        return {"features": list(FEATURES), "share": self.share, "learnt_until": self.learnt_until}

    def scores(self, features: Floats) -> Floats:
        """(candidates, FEATURES) to (candidates,); larger stands first."""
        found: Floats = self.share * (features[:, : len(TERMS)] * _WEIGHTS).sum(axis=1)
        if self.trees is not None and len(features):
            found = found + np.asarray(self.trees.predict(features, num_threads=1))
        return found

    def added(self, features: Floats, scores: Floats) -> Floats:
        """What each term adds by deletion, (candidates, TERMS); 0 for relevance, and where a term speaks for nothing."""
        spoken = features[:, : len(TERMS)] > _NEUTRAL
        spoken[:, 0] = False
        row, term = np.nonzero(spoken)
        without = features[row]
        without[np.arange(len(row)), term] = _NEUTRAL[term]
        found = np.zeros(spoken.shape)
        found[row, term] = scores[row] - self.scores(without)
        return found


@dataclass(frozen=True)
class PersonalOrder:
    """A ranker over one version of the catalog: what `retrieval.ranking.rerank` takes instead of its blend."""

    model: LearntRanker
    signals: Signals

    def weigh(self, profile: Profile, products: Sequence[Product | None], terms: Floats) -> Weighed:
        """The scores of a turn's candidates and what their terms add, both on the scale of the blend's scores.

        So that what is said of scores (a range on the first page, `retrieval.diversity`) holds for both.
        """
        if not products:
            return Weighed([], [])
        features = self.signals.rows(profile, products, terms)
        scores = self.model.scores(features)
        blend = (terms * _WEIGHTS).sum(axis=1)
        scale = float(np.ptp(blend)) / max(float(np.ptp(scores)), 1e-9)
        added: list[Mapping[str, float]] = [
            dict(zip(TERMS, row, strict=True)) for row in (scale * self.model.added(features, scores)).tolist()
        ]
        return Weighed((blend.min() + scale * (scores - scores.min())).tolist(), added)


def ranker_versions(shop: Path) -> Versions:
    """The rankers of a shop's folder."""
    return Versions(shop / "models" / KIND, KIND)
