from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda

from bot.llm.retriever import ProductRetriever
from bot.parts import Parts
from index.filters import Filters


@pytest.fixture
def retriever(parts: Parts) -> ProductRetriever:
    return ProductRetriever(shelf=parts.shelf, understander=parts.understander, limit=4)


def test_conditions_in_the_words_filter_as_in_a_conversation(retriever: ProductRetriever) -> None:
    found = retriever.invoke("headphones under $100")
    assert {"head-1", "head-2"} <= {document.id for document in found}
    assert all(document.metadata["price"]["amount"] <= 10_000 for document in found)
    first = found[0]
    assert first.page_content.startswith(first.metadata["title"])
    assert set(first.metadata) >= {"product_id", "variant_id", "brand", "availability", "url"}


def test_filters_of_the_program_hold_beside_those_of_the_words(parts: Parts) -> None:
    retriever = ProductRetriever(
        shelf=parts.shelf, understander=parts.understander, filters=Filters(brand=("Northtone",))
    )
    found = retriever.invoke("headphones under $100")
    assert {document.metadata["brand"] for document in found} == {"Northtone"}
    assert all(document.metadata["price"]["amount"] <= 10_000 for document in found)


def test_it_composes_with_other_parts_of_langchain(retriever: ProductRetriever) -> None:
    def titles_of(documents: list[Document]) -> list[str]:
        return [document.metadata["title"] for document in documents]

    titles = retriever | RunnableLambda(titles_of)
    assert any("kettle" in title for title in titles.invoke("gooseneck kettle"))
    assert retriever.invoke("") != []


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 101}, {"shelf": "x"}])
def test_what_it_cannot_use_is_refused(parts: Parts, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ProductRetriever(**{"shelf": parts.shelf, "understander": parts.understander, **wrong})
