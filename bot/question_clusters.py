"""Questions that nothing answered, grouped by what they ask: what a shop should write an answer for, most asked first.

Questions of one language and script are grouped by their encoder's cosine, agglomeratively with average linkage (UPGMA): a group
is a set of wordings whose mean cosine to each other is at least the threshold, so that one odd wording does not chain two groups
together, as single linkage would.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from index.encoders import Encoder, Script, Vectors, script_of
from storage.answers import Unanswered, answer_id_of

ALIKE: Final[Mapping[Script, float]] = {"latin": 0.56, "han": 0.89}
"""Mean cosine from which on wordings ask the same, by script: `python -m benchmarks.unanswered --fit`."""
EXAMPLES: Final = 4
STEPS: Final = 6
"""Equal parts of the period in which a group's questions are counted."""

Embed = Callable[[Encoder, Sequence[str]], Vectors]
"""An encoder and texts to their vectors, (texts, dim) of length 1."""


@dataclass(frozen=True, slots=True)
class QuestionCluster:
    """Wordings of one question.

    Attributes:
        question: the most central wording: whose mean cosine to all is highest, each counting as often as it was asked.
        language: of all of them.
        asked: how often, all wordings together.
        wordings: how many different ones.
        examples: other wordings than the central one, the most asked first.
        kinds: what they were asked about, such as "policy", with how often.
        trend: how often in each of `STEPS` equal parts of the period, oldest first.
    """

    question: str
    language: str
    asked: int
    wordings: int
    examples: tuple[str, ...]
    kinds: Mapping[str, int]
    trend: tuple[int, ...]


def clusters_of(
    questions: Sequence[Unanswered], encoders: Mapping[str, Encoder], embed: Embed, since: int, until: int
) -> list[QuestionCluster]:
    """Groups questions by meaning, the most asked first.

    Args:
        questions: asked from `since` on.
        encoders: by script; a question whose script has none is read by any other.
        embed: makes vectors, or knows them already.
        since: start of the period, in milliseconds since 1970, UTC.
        until: its end.
    """
    spoken: defaultdict[tuple[str, Script], list[Unanswered]] = defaultdict(list)
    for each in questions:
        spoken[each.language, _read_by(script_of(each.question), encoders)].append(each)
    found = []
    for (language, script), own in spoken.items():
        wordings: defaultdict[str, list[Unanswered]] = defaultdict(list)
        for each in own:
            wordings[answer_id_of(each.question, language)].append(each)
        alike = list(wordings.values())
        asked = np.array([len(same) for same in alike])
        if script in encoders:
            vectors = embed(encoders[script], [same[0].question for same in alike])
            cosines = encoders[script].on_pretrained_scale(vectors @ vectors.T)
        else:
            cosines = np.eye(len(alike), dtype=np.float32)
        for group in grouped(cosines, ALIKE[script]):
            central = int((cosines[np.ix_(group, group)] @ asked[group]).argmax())
            found.append(_cluster([alike[place] for place in group], central, language, since, until))
    return sorted(found, key=lambda each: (-each.asked, each.language, each.question))


def grouped(cosines: Vectors, alike: float) -> list[list[int]]:
    """The places of what has cosines (n, n) to each other, in groups whose mean cosine is at least `alike`."""
    if len(cosines) < 2:
        return [[place] for place in range(len(cosines))]
    distances = np.clip(1.0 - cosines, 0.0, 2.0).astype(np.float64)
    np.fill_diagonal(distances, 0.0)
    tree = linkage(squareform(distances, checks=False), method="average")
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(fcluster(tree, t=1.0 - alike, criterion="distance").tolist()):
        groups[group].append(place)
    return list(groups.values())


def _read_by(script: Script, encoders: Mapping[str, Encoder]) -> Script:
    other: Script = "han" if script == "latin" else "latin"
    return other if script not in encoders and other in encoders else script


def _cluster(
    wordings: Sequence[Sequence[Unanswered]], central: int, language: str, since: int, until: int
) -> QuestionCluster:
    every = [each for same in wordings for each in same]
    steps = [0] * STEPS
    for each in every:
        steps[min(STEPS - 1, max(0, (each.asked_at - since) * STEPS // max(1, until - since)))] += 1
    others = sorted((same for place, same in enumerate(wordings) if place != central), key=lambda same: -len(same))
    return QuestionCluster(
        wordings[central][0].question,
        language,
        len(every),
        len(wordings),
        tuple(same[0].question for same in others[:EXAMPLES]),
        dict(Counter(each.kind for each in every).most_common()),
        tuple(steps),
    )
