"""The graph: what the lists, a dirty catalog in two languages, orders and the shop's own file make of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from index.graph import EDGES_FILE, FILE, Edge, Edits, Graph, Observations, read_edits, tables_of, write_edges
from index.graph.build import FAINTEST
from index.graph.edges import Circle, EdgeSet
from index.graph.lexicon import lexicon
from index.graph.observe import head_of
from index.graph.terms import joined, language_of, term_of, tokens_of
from index.snapshot import Snapshot, current_index
from index.tokens import words_of
from index.words import WordIndex
from storage.errors import Damaged, InvalidInput, TooManyRejected
from tests.index.catalogs import hash_encoders, plain_rows, products_of
from tests.index.test_build import build

CATALOG = products_of(
    {"title": "Ravnholt alloy bottle cage, black", "brand": "Ravnholt", "categories": ["Cycling", "Bottle Cages"]},
    {"title": "Steel bottle cage", "categories": ["Cycling", "Bottle Cages"]},
    {"title": "Three-seat sofa in velvet", "categories": ["Furniture", "Sofas"]},
    {"title": "Oak dining table", "categories": ["Furniture", "Dining Tables"]},
    {"title": "Trail tent for two", "categories": ["Outdoor", "Tents"]},
    {"title": "Big lantern, 800 lm", "categories": []},
    {"title": "铝合金水壶架", "categories": ["骑行", "水壶架"]},
    {"title": "布艺沙发 三人位", "categories": ["家具", "沙发"]},
    {"title": "\u202e?!", "categories": ["", "&"]},
    {"title": "SOFA " * 300},
)  # fmt: skip


def graph_of(products: Sequence[Any], edits: Edits | None = None, baskets: Iterable[Sequence[int]] = ()) -> Graph:
    seen = Observations.of(products)
    with TemporaryDirectory() as folder:
        words = WordIndex.build(products, Path(folder))
        return Graph.build(tables_of(seen, lambda term: words.count_of(words_of(term)), edits, baskets))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of(CATALOG)


def meant(graph: Graph, term: str, language: str = "en") -> dict[str, str]:
    return {each.term: each.sense for each in graph.meant_by(term, language)}


def edits_of(folder: Path, *rows: str, head: str = "source,relation,target,weight,language") -> Edits:
    path = folder / FILE
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return read_edits(path)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("Bottle Cages", "bottle cage"),
        ("Men's T-Shirts", "men t shirt"),
        ("ÉTAGÈRE", "etagere"),
        ("T恤 衫", "t恤衫"),
        ("ＬＥＤ  Lamp", "led lamp"),
        ("=cmd|'/c calc'!A1", "cmd c calc a1"),
        ("?!", ""),
        ("word " * 50, ""),
    ],
)
def test_terms_are_spelled_one_way(text: str, term: str) -> None:
    assert term_of(text) == term
    assert term_of(term) == term


def test_tokens_know_what_stands_between_them() -> None:
    assert [(token.text, token.gap) for token in tokens_of("Red sofa, 红色沙发x")] == [
        ("red", ""),
        ("sofa", " "),
        ("红色沙发", ", "),
        ("x", ""),
    ]


def test_other_words_find_what_the_catalog_has(graph: Graph) -> None:
    assert meant(graph, "bottle holder")["bottle cage"] == "same"
    assert meant(graph, "couch")["sofa"] == "same"
    assert meant(graph, "长沙发", "zh")["沙发"] == "same"
    assert meant(graph, "couch")["沙发"] == "same"
    assert meant(graph, "metal")["alloy"] == "narrower"
    assert meant(graph, "furniture")["sofa"] == "narrower"
    assert "chair" not in meant(graph, "furniture")  # nobody sells one here
    assert graph.meant_by("helicopter", "en") == []
    assert graph.meant_by("", "en") == []


def test_weights_fall_with_the_way_and_what_is_surest_comes_first(graph: Graph) -> None:
    for term in ("furniture", "couch", "metal", "家具"):
        weights = [each.weight for each in graph.meant_by(term, language_of(term))]
        assert weights == sorted(weights, reverse=True)
        assert all(FAINTEST <= weight <= 1 for weight in weights)


def test_a_word_with_two_meanings_does_not_join_what_stands_on_either_side() -> None:
    edits = Edits([Edge("bat", "synonym", "club", 1.0), Edge("club", "synonym", "disco", 1.0)])
    graph = graph_of(products_of({"title": "Disco ball"}, {"title": "Golf club"}, {"title": "Bat"}), edits)
    assert meant(graph, "bat") == {"club": "same"}
    assert meant(graph, "club") == {"bat": "same", "disco": "same"} | meant(graph, "club")


def test_categories_are_shown_as_the_shop_spells_them(graph: Graph) -> None:
    assert graph.label_of("bottle cage") == "Bottle Cages"
    assert graph.label_of("never heard") == "never heard"


def test_what_goes_with_what(graph: Graph) -> None:
    partners = {partner.term: partner for partner in graph.partners_of(4)}  # the tent
    assert partners["lantern"].evidence == "graph:tent|goes_with|lantern"
    assert not partners["lantern"].backwards
    back = {partner.term: partner for partner in graph.partners_of(5)}  # known by its title alone
    assert back["tent"].backwards
    assert back["tent"].weight < partners["lantern"].weight
    assert graph.rows_of(partners["lantern"].node).tolist() == [5]
    assert graph.partners_of(8) == []


def test_saved_and_loaded_it_says_the_same(graph: Graph, tmp_path: Path) -> None:
    graph.save(tmp_path)
    loaded = Graph.load(tmp_path)
    for term in ("couch", "metal", "furniture", "水杯架", "bottle holder"):
        assert loaded.meant_by(term, "zh") == graph.meant_by(term, "zh")
    assert loaded.partners_of(4) == graph.partners_of(4)
    np.testing.assert_array_equal(loaded.kinds, graph.kinds)
    (tmp_path / "names.npy").write_bytes(b"no array")
    with pytest.raises(Damaged, match="no graph"):
        Graph.load(tmp_path)


def test_an_index_without_a_graph_has_an_empty_one(tmp_path: Path) -> None:
    graph = Graph.load(tmp_path / "missing", 3)
    assert (len(graph), graph.kinds.shape) == (0, (3, 2))
    assert graph.partners_of(2) == []
    assert not graph.knows("sofa")


def test_equal_catalogs_make_equal_graphs() -> None:
    one, other = graph_of(CATALOG), graph_of(CATALOG)
    for name, values in one._arrays.items():
        np.testing.assert_array_equal(values, other._arrays[name], err_msg=name)


@pytest.mark.parametrize(
    ("title", "brand", "head"),
    [
        ("Tovaray Harbor 2 Wireless Earbuds, Touch controls, Pink", "Tovaray", "harbor wireless earbud"),
        ("Sleeve for 13 inch laptops", "", "sleeve"),
        ("声叶 海屿电子书阅读器 32 GB 防水", "声叶", "海屿电子书阅读器"),
        ("1234", "", ""),
        ("", "", ""),
    ],
)
def test_the_head_of_a_title(title: str, brand: str, head: str) -> None:
    assert joined(head_of(title, brand)) == head


def titled(*titles: str, category: str) -> list[dict[str, Any]]:
    return [{"title": title, "categories": [category]} for title in titles]


def test_a_title_word_of_one_category_is_another_word_for_it() -> None:
    rows = titled(*(f"Kolding davenport {n}" for n in range(6)), category="Sitting")
    rows += titled(*(f"Vase {n}" for n in range(9)), category="Deco")
    edges = {edge.key: edge for edge in tables_of(Observations.of(products_of(*rows)), lambda _: 1).edges}
    named = edges["kolding davenport", "synonym", "sitting"]
    assert named.evidence == "catalog: 6 of 6 titles"
    few = {edge.key for edge in tables_of(Observations.of(products_of(*rows[:4])), lambda _: 1).edges}
    assert not [key for key in few if key[2] == "sitting"]


def test_what_is_often_said_outlives_the_forgetting_of_a_large_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.graph.observe._MOST_COUNTED", 40)
    monkeypatch.setattr("index.graph.observe._MOST_REMEMBERED", 3)
    often = titled(*(f"Kolding davenport {n}" for n in range(30)), category="Sitting")
    once = titled(*(f"Vase{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(300)), category="Deco")
    rows = [row for n in range(30) for row in (often[n], *once[10 * n : 10 * n + 10])]
    seen = Observations.of(products_of(*rows))
    assert len(seen.titles) <= 40
    assert len(seen.words) <= 40
    assert len(seen.leaves) == len(seen.heads) == 330
    edges = {edge.key: edge for edge in tables_of(seen, lambda _: 1).edges}
    assert edges["kolding davenport", "synonym", "sitting"].evidence == "catalog: 30 of 30 titles"


def test_a_word_in_titles_of_two_scripts_is_translated() -> None:
    rows = [{"title": f"Quibble widget {n} 奇巧器件", "categories": ["Misc"]} for n in range(6)]
    edges = {edge.key for edge in tables_of(Observations.of(products_of(*rows)), lambda _: 1).edges}
    assert ("quibble widget", "synonym", "奇巧器件") in edges


@pytest.mark.parametrize(
    ("fields", "thing"),
    [
        ({"attributes": {"compatible with": ["13 inch laptops"]}}, "laptop"),
        ({"description": "Light. Fits tents up to 4 m. Washable."}, "tent"),
        ({"title": "Cover for laptops"}, "laptop"),
        ({"attributes": {"适用": ["各种帐篷"]}}, "帐篷"),
        ({"description": "Fits cup holders."}, ""),
        ({"description": "It is made for people who run."}, ""),
    ],
)
def test_what_a_record_says_it_fits(fields: dict[str, Any], thing: str) -> None:
    rows = [{"title": "Quux cover", "categories": ["Covers"], **fields} for _ in range(3)]
    fitting = [edge.target for edge in tables_of(Observations.of(products_of(*rows)), lambda _: 1).edges if edge.source == "cover"
               and edge.relation == "compatible_with"]  # fmt: skip
    assert fitting == ([thing] if thing else [])


def test_what_several_people_buy_goes_together_and_what_one_buys_does_not() -> None:
    products = products_of(*({"title": f"{kind} {n}", "categories": [kind]} for kind in ("Aa", "Bb", "Cc", "Dd")
                             for n in range(2)))  # fmt: skip
    baskets = [(0, 2)] * 6 + [(4, 6)] * 2 + [(6, 7)] * 8
    bought = {edge.key: edge for edge in tables_of(Observations.of(products), lambda _: 1, None, baskets).edges
              if edge.evidence.startswith("orders")}  # fmt: skip
    assert set(bought) == {("aa", "goes_with", "bb"), ("bb", "goes_with", "aa")}
    assert bought["aa", "goes_with", "bb"].evidence.startswith("orders: 6 people")


def test_the_shop_adds_and_removes(tmp_path: Path) -> None:
    edits = edits_of(
        tmp_path,
        "Bidon grip,synonym,Bottle Cages,,",
        "couch,remove,sofa,,",
        "metal,remove,,,",
        "velo stuff,has_attribute,alloy,0.7,",
        "tent,goes_with,dining table,1,",
        "halter,synonym,bottle cage,,zh",
    )
    assert (edits.rows, edits.rejects.count) == (6, 0)
    graph = graph_of(CATALOG, edits)
    assert meant(graph, "bidon grip")["bottle cage"] == "same"
    assert "sofa" not in meant(graph, "couch")
    assert meant(graph, "metal") == {}
    assert meant(graph, "velo stuff") == {"alloy": "has"}
    assert graph.partners_of(4)[0].term == "dining table"
    assert "bottle cage" in meant(graph, "halter", "zh")
    assert "bottle cage" not in meant(graph, "halter", "en")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("couch,like,sofa,,", "relation: 'like' is none of synonym"),
        (",synonym,sofa,,", "source: empty"),
        ("couch,synonym,,,", "target: empty"),
        ("couch,synonym,Couches,,", "are the same"),
        ("couch,synonym,sofa,2,", "weight: '2'"),
        ("couch,synonym,sofa,nan,", "weight: 'nan'"),
        ("couch,synonym,sofa,,fr", "language: 'fr'"),
        ("?!,synonym,sofa,,", "holds no words"),
        ("cou\x00ch,synonym,sofa,,", "NUL"),
        ("a,b,c,d,e,f,g", "7 cells under 5 column names"),
    ],
)
def test_a_row_that_cannot_be_used_is_rejected_with_its_line(tmp_path: Path, row: str, reason: str) -> None:
    edits = edits_of(tmp_path, "cosy chair,synonym,armchair,,", row, "tent,goes_with,lantern,,")
    (problem,) = edits.rejects.rows
    assert problem.line == 3
    assert reason in problem.reason
    assert len(edits.edges) == 2


def test_a_circle_is_rejected_where_it_closes(tmp_path: Path) -> None:
    edits = edits_of(tmp_path, "sofa,broader,seating,,", "seating,broader,furniture,,", "furniture,broader,sofa,,")
    (problem,) = edits.rejects.rows
    assert (problem.line, problem.reason) == (4, "broader goes in a circle: furniture → sofa → seating → furniture")


def test_the_shops_order_of_things_stands_against_the_lists() -> None:
    edits = Edits([Edge("furniture", "broader", "sofa", 0.8)])
    edges = {edge.key for edge in tables_of(Observations.of(CATALOG), lambda _: 1, edits).edges}
    assert ("furniture", "broader", "sofa") in edges
    assert ("sofa", "broader", "furniture") not in edges


def test_rows_that_are_not_utf8_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(b"source,relation,target\ncouch,synonym,sofa\n" + "沙发,synonym,sofa\n".encode("gbk"))
    edits = read_edits(path)
    assert [(row.line, row.reason) for row in edits.rejects.rows] == [(3, "not UTF-8")]


@pytest.mark.parametrize("head", ["source,target", "couch,synonym,sofa", "\x00\x01"])
def test_a_file_without_the_columns_is_refused(tmp_path: Path, head: str) -> None:
    with pytest.raises(InvalidInput, match="no column") as caught:
        edits_of(tmp_path, "a,b", head=head)
    assert "source,relation,target" in caught.value.hint


def test_a_file_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.graph.edits.MOST_ROWS", 3)
    with pytest.raises(InvalidInput, match="more than 3 rows"):
        edits_of(tmp_path, *["a,synonym,b,,"] * 4)
    monkeypatch.setattr("index.graph.edits.LARGEST", 10)
    with pytest.raises(InvalidInput, match="MB"):
        edits_of(tmp_path, "a,synonym,b,,")


def test_what_is_written_can_be_read_back_and_is_no_formula(tmp_path: Path) -> None:
    rows = [{"title": "Thing", "categories": ["=HYPERLINK(1)", "+1 @evil"]} for _ in range(3)]
    edges = tables_of(Observations.of(products_of(*rows)), lambda _: 1).edges
    write_edges(tmp_path / FILE, edges)
    text = (tmp_path / FILE).read_text(encoding="utf-8")
    assert not [cell for line in text.splitlines() for cell in line.split(",") if cell.startswith(tuple("=+-@"))]
    edits = read_edits(tmp_path / FILE)
    assert edits.rejects.rows == []
    assert {edge.key for edge in edits.edges} == {edge.key for edge in edges}


def test_edges_stand_in_the_order_of_their_authority() -> None:
    edges = EdgeSet([("a", "")])
    assert not edges.put(Edge("a", "synonym", "b", 1.0))
    assert not edges.put(Edge("b", "synonym", "a", 1.0))
    assert edges.put(Edge("c", "synonym", "b", 0.5))
    assert not edges.put(Edge("b", "synonym", "c", 1.0))
    assert [edge.weight for edge in edges] == [0.5]
    edges.put(Edge("c", "broader", "d", 1.0))
    with pytest.raises(Circle, match="d → c → d"):
        edges.put(Edge("d", "broader", "c", 1.0))


def test_the_lists_hold_together() -> None:
    shipped = lexicon()
    edges = EdgeSet()
    for edge in shipped.edges:
        edges.put(edge)  # a circle raises
    known = shipped.goods | shipped.values
    assert not {edge.source for edge in shipped.edges if edge.relation == "broader"} - known
    partners = {node for edge in shipped.edges if edge.relation == "goes_with" for node in (edge.source, edge.target)}
    # What goes with something is found by any word for it, so it stands in a list itself.
    assert len(partners - known) <= 0.02 * len(partners), sorted(partners - known)


def test_the_index_carries_the_graph_and_the_hash_of_the_shops_file(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    first = build(shop, plain_rows(12), hash_encoders())
    (shop / FILE).write_text("source,relation,target\nillumination,synonym,lamp\nx,what,y\n", encoding="utf-8")
    second = build(shop, plain_rows(12), hash_encoders())
    assert (first.graph_rejected, second.graph_rejected) == (0, 1)
    assert Path(second.graph_rejected_file or "").read_text(encoding="utf-8").startswith('{"line": 3')
    assert "illumination,synonym,lamp" in Path(second.graph_file).read_text(encoding="utf-8")
    assert Path(second.graph_file).name == EDGES_FILE
    folder = current_index(shop)
    assert folder is not None
    assert meant(Snapshot.load(folder).graph, "illumination")["lamp"] == "same"
    manifests = [(shop / "index" / report.version / "manifest.json").read_text() for report in (first, second)]
    assert '"graph": ""' in manifests[0]
    assert '"graph": ""' not in manifests[1]
    (shop / FILE).write_text("source,relation,target\n" + "x,what,y\n" * 11, encoding="utf-8")
    with pytest.raises(TooManyRejected, match="11 of 11"):
        build(shop, plain_rows(12), hash_encoders())
