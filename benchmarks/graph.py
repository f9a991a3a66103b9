"""What the graph of words and the sequence network earn for the order of cards: `benchmarks.personalization --parts graph`.

    words    searches of the log of --shop, all of them: is what was chosen found without what the graph adds to the words?
    links    searches again: does the learnt ranker gain by knowing that a candidate goes with what the shopper turned to?
    network  the same for the chance by the sequence network that the candidate comes next
    bundles  after a purchase: is what is bought next, of another kind, among six that go with it?

Everything is learnt from what was earlier. The network is trained on what was done before the first choice that the ranker learns
from, so `links` and `network` are compared on the later choices alone. Intervals are by a bootstrap of shoppers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.ranker import Log, log_of
from finetune.interactions import interactions_of
from finetune.rank_groups import Group, RankData, search_groups
from finetune.ranker import blended, learn, ndcg, paired, split
from finetune.sequence import finetune_sequence
from index.graph import Graph
from launch import ADMIN, assistant_of
from retrieval import expansion
from retrieval.companions import companions
from retrieval.expansion import Expansion
from retrieval.rank_features import FEATURES, Floats
from retrieval.sequence import SequenceModel
from retrieval.sequence.foresight import TURNS_TO
from storage.event import Event
from storage.searches import Choice, training_choices

TAUGHT = 0.3
"""The share of the choices before whose end the network learns; the later ones teach, choose and judge the ranker."""
BEHIND = 10
"""So many of the latest products that a shopper turned to are what a candidate may go with."""
CARDS = 6


def run(shop: Path, seed: int) -> None:
    """Prints the tables of a shop whose events are loaded and whose index is built."""
    with assistant_of(shop, talks=False) as assistant:
        log = log_of(assistant)
        choices = [each for each in training_choices(assistant.database, ADMIN) if each.user_id in log.events]
    _words(log, choices, seed)
    later = sorted(log.groups, key=attrgetter("at", "user_id"))
    later = later[int(TAUGHT * len(later)) :]
    _features(log, later, seed)
    _bundles(log, later[0].at, seed)


def _words(log: Log, choices: Sequence[Choice], seed: int) -> None:
    """NDCG of every search with a choice, found or not, with the graph's words and without."""

    def plain(graph: Graph, text: str) -> Expansion:
        return Expansion()

    worth: dict[str, dict[tuple[str, int], float]] = {}
    found: dict[str, int] = {}
    with patch("retrieval.search.expand", plain):
        without = search_groups(choices, log.found, log.product_of)
    for name, groups in (("with the graph", log.groups), ("without", without)):
        data = log.data(groups)
        worth[name] = dict(zip(zip(data.users, data.at.tolist(), strict=True), ndcg(data, blended(data)), strict=True))
        found[name] = len(groups)
    asked = {(each.user_id, each.at): each.text for each in choices}
    expanded = [bool(expansion.expand(log.parts.shelf.snapshot.graph, text).said) for text in asked.values()]
    one, other = ([worth[name].get(key, 0.0) for key in asked] for name in worth)
    low, high = paired(np.array(other) - np.array(one), [user for user, _ in asked], seed)
    print(f"\n{len(asked):,} searches with a choice; the graph adds to {np.mean(expanded):.1%} of them\n")
    print("| | chosen is found | NDCG@6 by the blend, 0 where it is not | without less with, 95 % |")
    print("| --- | --- | --- | --- |")
    print(f"| with the graph | {found['with the graph'] / len(asked):.3f} | {np.mean(one):.4f} | |")
    print(
        f"| without | {found['without'] / len(asked):.3f} | {np.mean(other):.4f} "
        f"| {np.mean(np.subtract(other, one)):+.4f}, {low:+.4f} to {high:+.4f} |"
    )


def _features(log: Log, groups: Sequence[Group], seed: int) -> None:
    """The learnt ranker with a feature more and without it, on the same choices."""
    data = log.data(groups)
    links = _links(log, groups)
    network = _network(log, groups, seed)
    print(f"\n{len(data):,} later choices, {np.mean(links > 0):.1%} of the candidates go with something turned to\n")
    print("| | NDCG@6 | less the learnt ranker's, 95 % |\n| --- | --- | --- |")
    judges = split(data)[2]
    plain = _judged(data, {}, seed)
    lines = {
        "the blend": ndcg(judges, blended(judges)),
        "**learnt ranker**": plain,
        "and goes with": _judged(data, {"goes_with": links}, seed),
        "and the network's chance": _judged(data, {"network": network}, seed),
    }
    for name, each in lines.items():
        low, high = paired(each - plain, judges.users, seed)
        said = "" if each is plain else f"{np.mean(each - plain):+.4f}, {low:+.4f} to {high:+.4f}"
        print(f"| {name} | {each.mean():.4f} | {said} |", flush=True)


def _judged(data: RankData, more: dict[str, Floats], seed: int) -> Floats:
    """NDCG on the latest choices of a ranker that knows `more` features, each (rows,)."""
    names = (*FEATURES, *more)
    wide = replace(data, features=np.column_stack([data.features, *more.values()]))
    with patch("finetune.ranker.FEATURES", names):
        learns, chooses, judges = split(wide)
        return ndcg(judges, learn(learns, chooses, seed)[0].scores(judges.features))


def _links(log: Log, groups: Sequence[Group]) -> Floats:
    """Of each candidate the weight of the strongest edge between its kind and that of something turned to, (rows,)."""
    snapshot = log.parts.shelf.snapshot
    found: list[float] = []
    for group in groups:
        behind = _behind(log, group)[-BEHIND:]
        weights: dict[int, float] = {}
        for row in {row for item in behind if (row := snapshot.row_of(item)) is not None}:
            for partner in snapshot.graph.partners_of(row):
                weights[partner.node] = max(weights.get(partner.node, 0.0), partner.weight)
        for item in group.items:
            row = snapshot.row_of(item)
            kinds = snapshot.graph.kinds[row].tolist() if row is not None else []
            found.append(max((weights.get(kind, 0.0) for kind in kinds), default=0.0))
    return np.array(found)


def _network(log: Log, groups: Sequence[Group], seed: int) -> Floats:
    """Of each candidate the log of the chance that it comes next, by a model that learnt from what came before, (rows,)."""
    until = groups[0].at
    rows = [
        (user, log.product_of(item.item_id), event.timestamp)
        for user, own in log.events.items()
        for event in own
        if event.event in TURNS_TO and event.timestamp < until
        for item in event.items
    ]
    with tempfile.TemporaryDirectory() as place:
        trained = finetune_sequence(interactions_of(rows), Path(place) / "run", seed=seed)
        model = SequenceModel.load(trained.model_dir)
    print(
        f"\nnetwork: {len(rows):,} visits before the first of the choices, {trained.seconds:.0f} s, {trained.metrics}"
    )
    found: list[float] = []
    for group in groups:
        chances = model.chances(model.history(_behind(log, group)))[0]  # (items,)
        known = [model.places.get(item) for item in group.items]
        found += [np.nan if place is None else float(np.log(chances[place] + 1e-9)) for place in known]
    return np.array(found)


def _behind(log: Log, group: Group) -> list[str]:
    """The products that the shopper had turned to, oldest first."""
    own = sorted(log.events.get(group.user_id, ()), key=attrgetter("timestamp"))
    return [
        log.product_of(item.item_id)
        for event in own
        if event.timestamp < group.at and event.event in TURNS_TO
        for item in event.items
    ]


def _bundles(log: Log, start: int, seed: int) -> None:
    """The share of later purchases of which the next one, of another category, was among six that go with it."""
    snapshot, everything = log.parts.shelf.snapshot, np.ones(len(log.parts.shelf.snapshot.products), bool)
    popular = _popular(log, start)
    hits: dict[str, list[float]] = {"by the graph": [], "popular in other categories": []}
    users = []
    for user, own in log.events.items():
        bought = [each for each in sorted(own, key=attrgetter("timestamp")) if each.event == "purchase"]
        for before, after in pairwise(bought):
            first = {row for each in before.items if (row := snapshot.row_of(log.product_of(each.item_id))) is not None}
            then = {row for each in after.items if (row := snapshot.row_of(log.product_of(each.item_id))) is not None}
            leaves = {_leaf(log, row) for row in first}
            then = {row for row in then - first if _leaf(log, row) not in leaves}
            if after.timestamp < start or not first or not then:
                continue
            users.append(user)
            offered = [hit.row for row in sorted(first) for hit in companions(snapshot, row, everything, CARDS)][:CARDS]
            hits["by the graph"].append(bool(then & set(offered)))
            others = [row for row in popular if _leaf(log, row) not in leaves][:CARDS]
            hits["popular in other categories"].append(bool(then & set(others)))
    print(f"\n{len(users):,} later purchases with one of another category after it\n")
    print("| six cards | hold what is bought next | less the graph's, 95 % |\n| --- | --- | --- |")
    graph = np.array(hits["by the graph"], dtype=np.float64)
    for name, each in hits.items():
        gain = np.array(each, dtype=np.float64) - graph
        low, high = paired(gain, users, seed)
        said = f"{low:+.4f} to {high:+.4f}" if name != "by the graph" else ""
        print(f"| {name} | {np.mean(each):.4f} | {said} |")


def _popular(log: Log, until: int) -> list[int]:
    """The rows of what was bought before an instant, most often first."""
    counts: dict[int, int] = {}
    for own in log.events.values():
        for row in (row for each in own if each.timestamp < until for row in _bought(log, each)):
            counts[row] = counts.get(row, 0) + 1
    return sorted(counts, key=lambda row: (-counts[row], row))


def _bought(log: Log, event: Event) -> list[int]:
    if event.event != "purchase":
        return []
    rows = (log.parts.shelf.snapshot.row_of(log.product_of(each.item_id)) for each in event.items)
    return [row for row in rows if row is not None]


def _leaf(log: Log, row: int) -> str:
    categories = log.parts.shelf.snapshot.products.get(row).categories
    return categories[-1] if categories else ""
