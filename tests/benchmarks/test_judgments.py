from pathlib import Path

import pytest

from benchmarks.judgments import SAMPLED, agreement, judge, main, sample, write
from benchmarks.needs import Names, read_needs, read_products
from finetune.evaluate_search import read_qrels, read_queries


def test_agreement_and_its_kappa() -> None:
    # Cohen's weights by hand: observed 1·1 + 4·1 of 4 pairs; expected by the margins (1, 1, 2) and (1, 0, 3), over four.
    found = agreement([(0, 0), (1, 2), (2, 2), (2, 0)])
    assert found.exact == pytest.approx(2 / 4)
    expected = (1 * 2 * 4 + 1 * 2 * 1 + 1 * 2 * 1 + 2 * 2 * 4) / 4
    assert found.kappa == pytest.approx(1 - (1 + 4) / expected)
    assert agreement([(1, 1), (1, 1)]).kappa == 1


def test_the_sample_takes_every_gain_alike_and_shows_none(catalog: Path) -> None:
    names = Names.read()
    needs, products = read_needs(names), list(read_products(catalog))
    pairs = sample(needs, products, names)
    gains = [need.gain(product, names) for need, product in pairs]
    assert [gains.count(gain) for gain in range(4)] == [SAMPLED] * 4
    assert gains != sorted(gains)
    assert pairs == sample(needs, products, names)


def test_what_is_written_is_what_evaluate_reads(catalog: Path, tmp_path: Path) -> None:
    names = Names.read()
    needs, products = read_needs(names), list(read_products(catalog))
    gains = judge(needs, products, names)
    write(needs, gains, tmp_path)
    assert [(query.query_id, query.text) for query in read_queries(tmp_path / "queries.jsonl")] == [
        (need.query_id, need.text) for need in needs
    ]
    qrels = read_qrels(tmp_path / "qrels.tsv")
    assert qrels == {query: row for query, row in gains.items() if row}
    sold = {need.query_id for need in needs if need.kinds}
    assert set(qrels) == sold, "every query for what the shop sells has an answer, and no other"


def test_every_hand_judgment_is_of_a_query_and_a_product_of_the_demo_shop(
    catalog: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["judgments", "agreement", "--catalog", str(catalog)])
    main()
    printed = capsys.readouterr().out
    assert "round 1: 300 pairs, exact 0.9" in printed
    assert "round 2: 60 pairs, exact 0.9" in printed
    assert "left out" not in printed
