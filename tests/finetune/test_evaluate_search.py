import gzip
import math
from pathlib import Path

import pytest

from finetune.evaluate_search import Query, evaluate, read_qrels, read_queries
from storage.errors import InvalidInput

RANKED = {"first": ["a", "x", "y"], "third": ["x", "y", "b"], "none": ["x"], "graded": ["c", "x", "d", "d"]}
QUERIES = [Query(name, name) for name in RANKED]
QRELS = {"first": {"a": 1.0}, "third": {"b": 1.0}, "none": {"z": 1.0}, "graded": {"c": 1.0, "d": 3.0, "x": 0.0}}


def test_golden_numbers() -> None:
    found = evaluate(lambda query: RANKED[query.text], QUERIES, QRELS)
    assert found["n"] == 4
    assert found["recall@1"] == pytest.approx((1 + 0 + 0 + 1) / 4)
    assert found["recall@10"] == pytest.approx((1 + 1 + 0 + 1) / 4)
    assert found["mrr@10"] == pytest.approx((1 + 1 / 3 + 0 + 1) / 4)
    graded = (1 + 3 / math.log2(4)) / (3 + 1 / math.log2(3))
    assert found["ndcg@10"] == pytest.approx((1 + 1 / 2 + 0 + graded) / 4)
    assert 0 <= found["p50_ms"] <= found["p95_ms"]


def test_what_stands_below_ten_does_not_count() -> None:
    qrels = {"q": {"gold": 1.0}}
    found = evaluate(lambda _: [*map(str, range(10)), "gold"], [Query("q", "")], qrels)
    assert (found["recall@10"], found["mrr@10"], found["ndcg@10"]) == (0, 0, 0)


def test_an_id_twice_takes_one_rank() -> None:
    found = evaluate(lambda _: ["x"] * 10 + ["gold"], [Query("q", "")], {"q": {"gold": 1.0}})
    assert found["mrr@10"] == pytest.approx(1 / 2)


def test_queries_without_a_judgment_are_left_out_and_none_is_an_error() -> None:
    found = evaluate(
        lambda _: ["gold"], [Query("q", ""), Query("other", "")], {"q": {"gold": 1.0}, "other": {"x": 0.0}}
    )
    assert found["n"] == 1
    with pytest.raises(InvalidInput, match="No query has a judgment"):
        evaluate(lambda _: [], [Query("q", "")], {})


def test_files_are_read_with_filters_headers_and_unicode(tmp_path: Path) -> None:
    queries = tmp_path / "queries.jsonl"
    queries.write_text(
        '{"query_id": "1", "text": "耳机"}\n\n{"query_id": 2, "text": "kettle", "filters": {"brand": ["Moorhen"]}}\n',
        encoding="utf-8",
    )
    first, second = read_queries(queries)
    assert (first.query_id, first.text, first.filters.empty) == ("1", "耳机", True)
    assert (second.query_id, second.filters.brand) == ("2", ("Moorhen",))
    qrels = tmp_path / "qrels.tsv"
    qrels.write_text('query_id\tproduct_id\tgain\n1\ta\t2\n1\t"b\t0\n', encoding="utf-8")
    assert read_qrels(qrels) == {"1": {"a": 2.0, '"b': 0.0}}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("not json", "line 1"),
        ('{"text": "x"}', "query_id or text is missing"),
        ('{"query_id": "1", "text": null}', "query_id or text is missing"),
        ('{"query_id": "1", "text": "x", "filters": {"colour": []}}', r"filters\.colour"),
    ],
)
def test_a_bad_query_is_named_by_its_line(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=says):
        read_queries(path)


@pytest.mark.parametrize("line", ["1\ta", "1\ta\tmany", "1 a 1"])
def test_a_bad_judgment_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text(f"query_id\tproduct_id\tgain\n{line}\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="line 2"):
        read_qrels(path)


def test_judgments_that_are_cut_off_or_not_utf8_say_so(tmp_path: Path) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_bytes(gzip.compress(b"1\ta\t1\n" * 1000)[:-9])
    with pytest.raises(InvalidInput, match="packed, and broken"):
        read_qrels(path)
    path.write_bytes("1\t水壶\t1\n".encode("gbk"))
    with pytest.raises(InvalidInput, match="line 1 is not UTF-8"):
        read_qrels(path)
