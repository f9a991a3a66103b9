from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.documents import DocumentIndex, parse_document, read_documents
from storage.errors import Damaged, InvalidInput

POLICY = """---
language: en
---
# Returns

Send it back within **30 days**, see [the form](https://x.example/form).

## Refunds
You get your money in *five* days.

<b>No fee.</b>
"""


def test_title_sections_and_markup() -> None:
    document = parse_document("policies/returns", POLICY)
    assert (document.id, document.title, document.language) == ("policies/returns", "Returns", "en")
    assert [(p.heading, p.text) for p in document.passages] == [
        ("", "Send it back within 30 days, see the form."),
        ("Refunds", "You get your money in five days. No fee."),
    ]
    assert document.passages[1].embedded == "Returns · Refunds · You get your money in five days. No fee."


def test_language_by_script_and_title_by_name() -> None:
    document = parse_document("shipping-times", "我们在三天内发货。\n\n周末不发货。")
    assert (document.language, document.title) == ("zh", "shipping times")
    assert parse_document("a", "# T\n\nMade in 中国, shipped from Hamburg to all of Europe.").language == "en"


def test_long_text_is_cut_between_sentences() -> None:
    document = parse_document("a", "# T\n\n" + "This is a sentence of some length. " * 60 + "\n\n" + "y" * 2_000)
    assert max(len(passage.text) for passage in document.passages) <= 600
    assert document.passages[0].text.endswith(".")
    chinese = parse_document("b", "# 退货\n\n" + "三十天内可以退货，请保留包装。" * 60)
    assert max(len(passage.text) for passage in chinese.passages) <= 250
    assert "".join(p.text for p in chinese.passages).replace(" ", "") == "三十天内可以退货，请保留包装。" * 60


def test_reading_a_folder(tmp_path: Path) -> None:
    (tmp_path / "zh").mkdir()
    (tmp_path / "returns.md").write_text(POLICY.replace("\n", "\r\n"), encoding="utf-8-sig")
    (tmp_path / "zh" / "returns.md").write_text("---\nlanguage: zh\n---\n# 退货\n\n三十天。", encoding="utf-8")
    (tmp_path / "empty.md").write_text("# Nothing\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not read", encoding="utf-8")
    assert [(d.id, d.language) for d in read_documents(tmp_path)] == [("returns", "en"), ("zh/returns", "zh")]


def test_folders_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no folder"):
        read_documents(tmp_path / "none")
    (tmp_path / "a.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="UTF-8"):
        read_documents(tmp_path)


def test_search_save_and_load(tmp_path: Path) -> None:
    documents = (parse_document("a", "# A\n\none\n\n## B\n\ntwo"), parse_document("c", "# 丙\n\n三"))
    vectors = {"latin": np.eye(2, dtype=np.float32), "han": np.eye(3, dtype=np.float32)}
    places = {"latin": np.array([0, 1]), "han": np.array([0, 1, 2])}
    DocumentIndex(documents, vectors, places).save(tmp_path)
    index = DocumentIndex.load(tmp_path)
    assert index.documents == documents
    assert len(index) == 2
    assert index.get("c") == documents[1]
    assert index.get("x") is None
    best, score = index.search("han", np.array([0, 0.1, 0.9], np.float32), 1)[0]
    assert (best.text, round(score, 3)) == ("三", 0.9)
    assert [p.text for p, _ in index.search("han", np.array([0, 0.1, 0.9], np.float32), 5, language="en")] == [
        "two",
        "one",
    ]
    assert index.search("klingon", np.zeros(3, np.float32), 5) == []
    (tmp_path / "documents.json").write_text("{", encoding="utf-8")
    with pytest.raises(Damaged):
        DocumentIndex.load(tmp_path)
