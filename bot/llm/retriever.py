"""Aisle's search as a LangChain retriever, for programs of the shop's own that are built on LangChain.

    from bot.llm.retriever import ProductRetriever

    retriever = ProductRetriever(shelf=assistant.parts.shelf, understander=assistant.parts.understander, limit=5)
    for document in retriever.invoke("trail shoes under $100, not black"):
        print(document.id, document.metadata["price"], document.page_content)

Conditions in the words filter, as they do in a conversation.
"""

from __future__ import annotations

from typing import Annotated

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field, GetPydanticSchema
from pydantic_core import core_schema

from bot.present import card_of
from bot.shelf import Shelf
from index.filters import Filters
from retrieval.understanding import Understander, Understanding, merge


class ProductRetriever(BaseRetriever):
    """Products for a text, best first, as documents.

    A document's `id` is the product's, its content title and description, its metadata the fields of a card but for reasons:
    `{"product_id", "variant_id", "title", "brand", "price": {"amount", "currency"}, "availability", "url", …}`. `filters` hold
    beside those that the text states, and win where both set a field.
    """

    shelf: Annotated[Shelf, GetPydanticSchema(lambda *_: core_schema.is_instance_schema(Shelf))]
    understander: Annotated[Understander, GetPydanticSchema(lambda *_: core_schema.is_instance_schema(Understander))]
    filters: Filters = Filters()
    limit: int = Field(default=6, ge=1, le=100)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        said = self.understander.read(query)
        conditions = merge(merge(Filters(), said), Understanding(query="", filters=self.filters))
        found = self.shelf.find(said.query, conditions, said.sort or "relevance", self.limit)
        documents = []
        for ranked in found.hits[: self.limit]:
            product = found.products[ranked.hit.product_id]
            card = card_of(product, ranked.hit.variant_id, product.attributes)
            content = "\n".join(part for part in (card.title, product.description) if part)
            metadata = card.model_dump(mode="json", exclude={"reasons"})
            documents.append(Document(id=product.id, page_content=content, metadata=metadata))
        return documents
