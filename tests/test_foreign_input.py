"""Whatever a file, a header or a message holds: it is read, or refused with what is wrong and the way out; nothing else is raised.

Readers get bytes of every kind, pieces of their own format put together wrongly among them, and rows of every shape. Beside
these: `tests/storage/test_rows.py` (lines), `tests/finetune/test_logs.py` (rows of dialogues),
`tests/retrieval/test_understanding.py` (words), `tests/bot/attack/test_contract.py` (requests).
"""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from finetune.evaluate_search import read_qrels, read_queries
from finetune.interactions import read_interactions
from finetune.label_file import read_answers
from finetune.logs import read_logs
from finetune.texts import read_texts
from finetune.transactions import read_transactions
from finetune.unlabeled import read_unlabeled
from index import review_file
from index.documents import parse_document, read_documents
from index.graph.edits import read_edits
from index.readers import read_catalog
from storage.customers import read_customer
from storage.database import Database
from storage.errors import AisleError
from storage.event import read_event
from storage.identity import Identity
from storage.orders import read_order
from storage.reviews import read_review
from storage.rows import RowProblem
from storage.settings import IdentitySettings, parse_settings
from tests.fixtures import SOAK
from tests.retrieval.catalog_words import BARE, UNDERSTANDER

EXAMPLES = 2_000 if SOAK else 25
ODD = st.sampled_from(
    [
        "",
        " ",
        "\x00",
        "\ud800",
        "\u202e",
        "\ufeff",
        "NaN",
        "1e999",
        "-1",
        "²",
        "٣",
        "①",
        "９",
        "1,2.3",
        "9" * 400,
        "null",
        "💥",
        "価",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | ODD
    | st.text(st.characters(), max_size=12)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD, inner, max_size=3), max_leaves=6
)


def rows(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these fields, each of any kind."""
    return st.dictionaries(st.sampled_from(names) | ODD, VALUES, max_size=8)


PRODUCT = rows(
    *(
        "id",
        "title",
        "description",
        "brand",
        "categories",
        "price",
        "list_price",
        "availability",
        "stock",
        "attributes",
    ),
    *("variants", "gtin", "mpn", "rating", "delivery", "published_at", "image_url", "url", "language", "sku"),
    *(
        "item_group_id",
        "item_id",
        "is_eligible_search",
        "product_category",
        "media",
        "offers",
        "@type",
        "@id",
        "@graph",
    ),
    *(
        "hasVariant",
        "isVariantOf",
        "aggregateRating",
        "Handle",
        "Variant SKU",
        "Option1 Name",
        "Option1 Value",
        "color",
    ),
)
PRICED = st.fixed_dictionaries(
    {"id": ODD | st.just("1"), "title": st.just("A lamp")},
    optional={
        "price": st.fixed_dictionaries({"amount": SCALARS, "currency": SCALARS}) | SCALARS,
        "rating": st.fixed_dictionaries({"value": SCALARS, "count": SCALARS}) | SCALARS,
        "variants": st.lists(rows("id", "title", "price", "options", "availability", "stock"), max_size=3),
        "delivery": rows("days_min", "days_max", "price"),
        "@type": st.sampled_from(["Product", "ProductGroup", ["Product", 3], None]),
        "offers": VALUES | rows("price", "priceCurrency", "availability", "lowPrice", "@type", "priceSpecification"),
        "item_group_id": SCALARS,
    },
)
ITEM = rows("item_id", "product_id", "quantity", "price", "index", "variant_id", "position", "propensity")
RECORDS: dict[str, tuple[Callable[[dict[str, Any]], object], st.SearchStrategy[dict[str, Any]]]] = {
    "event": (
        read_event,
        st.fixed_dictionaries(
            {"event_id": SCALARS, "event": st.just("view_item") | SCALARS, "timestamp": SCALARS},
            optional={
                "items": st.lists(ITEM, max_size=3) | VALUES,
                "user_id": SCALARS,
                "value": SCALARS,
                "currency": SCALARS,
                "consent": VALUES | rows("answer", "personalize", "train"),
                "dwell_ms": SCALARS,
                "search_term": SCALARS,
                "slate_id": SCALARS,
            },
        ),
    ),
    "order": (
        read_order,
        st.fixed_dictionaries(
            {"order_id": SCALARS, "user_id": SCALARS, "status": st.just("paid") | SCALARS, "placed_at": SCALARS},
            optional={
                "items": st.lists(ITEM, max_size=3) | VALUES,
                "tracking": rows("carrier", "number", "url", "expected_at") | VALUES,
                "address": rows("address1", "city", "zip") | VALUES,
                "currency": SCALARS,
                "delivered_at": SCALARS,
            },
        ),
    ),
    "customer": (read_customer, rows("user_id", "email", "first_name", "address", "payment_methods")),
    "review": (read_review, rows("review_id", "product_id", "rating", "title", "text", "language", "timestamp")),
}

PIECES = st.sampled_from(
    [
        b"{", b"}", b"[", b"]", b":", b",", b'"', b"'", b"\n", b"\r\n", b"\t", b";", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe",
        b"null", b"1e400", b"-0", b'"\\ud800"', b"id,title,price\n", b"text,label\n", b"user_id,item_id,timestamp\n",
        b"user_id,timestamp,quantity,amount,currency\n", b"from,relation,to,weight\n", b'{"id": "1", "title": "A lamp"}',
        b'{"messages": [{"role": "user", "content": "hi"}]}', b'{"query_id": "1", "text": "lamp"}', b"1\t2\t3\n", b"2,9,x,1,USD\n",
        b"---\nlanguage: zh\n---\n", b"# Returns\n", b"![a](b)", b"[[[[[[", b"{{{{{{", b'"@graph":', b"PAR1", b"\x1f\x8b\x08\x00",
        b"[llm]\n", b"currency = ", b"'''", b'"""', b"\\", b"=", b"1979-05-27T07:32:00", b"0x", b"[[experiment]]\n",
        "退货".encode(),
        b"[" * 3_000, b'{"a":' * 3_000,
    ]
)  # fmt: skip
BYTES = (
    st.binary(max_size=200)
    | st.lists(PIECES, max_size=12).map(b"".join)
    | st.lists(PIECES).map(b"".join).map(gzip.compress)
)


@contextmanager
def read_or_refused() -> Iterator[None]:
    """Holds that nothing is raised in the block but an error of one line with a way out."""
    try:
        yield
    except AisleError as error:
        if not error.hint or "\n" in error.message:
            pytest.fail(f"no way out: {error!r}")


def drained(found: Any) -> None:
    """Reads what is read as it goes, and holds that no row failed in a way that nobody foresaw."""
    if isinstance(found, Iterator):
        for row in found:
            unforeseen = isinstance(row, RowProblem) and row.reason.startswith("cannot be read: ")
            assert not unforeseen or row.reason.startswith(FORESEEN), row


FORESEEN = ("cannot be read: UnicodeDecodeError", "cannot be read: OverflowError", "cannot be read: ValueError: year")
"""In Parquet files: text that is not UTF-8, and times that no calendar has."""
READERS: dict[str, tuple[tuple[str, ...], Callable[[Path], object]]] = {
    "catalog": (("jsonl", "csv", "tsv", "json", "jsonld", "parquet", "odd"), read_catalog),
    "reviews": (("jsonl",), review_file._rows),
    "dialogues": (("jsonl", "csv", "txt"), lambda path: read_logs([path])),
    "unlabeled": (("jsonl", "csv", "txt"), lambda path: read_unlabeled([path])),
    "texts": (("jsonl", "csv", "txt", "md"), lambda path: read_texts([path])),
    "graph": (("csv",), read_edits),
    "queries": (("jsonl",), read_queries),
    "qrels": (("tsv",), read_qrels),
    "interactions": (("csv",), read_interactions),
    "transactions": (("csv",), read_transactions),
    "answers": (("csv", "jsonl"), lambda path: read_answers(path, {"1"}, {"search"})),
    "documents": (("md",), lambda path: read_documents(path.parent)),
    "settings": (("toml",), lambda path: parse_settings(path.read_bytes())),
}
FILES = [(name, ending) for name, (endings, _) in READERS.items() for ending in endings]


DEEP = 20_000
HARD = [
    *(b"[" * DEEP, b'{"a":' * DEEP, b"a = " + b"[" * DEEP, b"a = " + b"{b=" * DEEP, b"a" + b".a" * DEEP + b" = 1"),
    *(
        b"9" * 9_000,
        b"a = " + b"9" * 9_000,
        b'{"id": ' + b"9" * 9_000 + b"}",
        b"[" + b"9" * 9_000 + b"]",
        b"1\t2\t" + b"9" * 9_000,
    ),
    *(b"#" * DEEP, b"> " * DEEP, b"![" * DEEP, b"**" * DEEP, b"---\n" * DEEP, b'"' * DEEP, b"," * DEEP, b"\n" * DEEP),
]
"""What recursion, limits on numbers and backtracking choke on."""


@pytest.mark.parametrize(("name", "ending"), FILES)
def test_what_is_deep_long_or_endless_is_read_or_refused(name: str, ending: str, tmp_path: Path) -> None:
    for content in HARD:
        path = tmp_path / f"hard.{ending}"
        path.write_bytes(content)
        with read_or_refused():
            drained(READERS[name][1](path))


@pytest.mark.parametrize(("name", "ending"), FILES)
def test_any_file_is_read_or_refused(name: str, ending: str) -> None:
    read = READERS[name][1]
    with tempfile.TemporaryDirectory() as place:

        @hypothesis_settings(max_examples=EXAMPLES, deadline=None, derandomize=not SOAK, database=None)
        @given(BYTES)
        def any_of_them(content: bytes) -> None:
            path = Path(place) / f"any.{ending}"
            path.write_bytes(content)
            with read_or_refused():
                drained(read(path))

        any_of_them()


@hypothesis_settings(max_examples=4 * EXAMPLES, deadline=None, derandomize=not SOAK, database=None)
@given(st.lists(PRODUCT | PRICED | VALUES, max_size=4), st.sampled_from(["jsonl", "json"]))
def test_a_row_of_any_shape_is_a_product_or_a_problem(products: list[Any], ending: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / f"catalog.{ending}"
        lines = [json.dumps(each) for each in products]
        path.write_text("\n".join(lines) if ending == "jsonl" else f"[{','.join(lines)}]", encoding="utf-8")
        with read_or_refused():
            drained(read_catalog(path))


@hypothesis_settings(max_examples=EXAMPLES, deadline=None, derandomize=not SOAK, database=None)
@given(
    st.dictionaries(
        st.sampled_from(["id", "title", "price", "attributes", "published_at", "categories", "rating"]),
        st.lists(st.text(max_size=5) | st.none(), min_size=2, max_size=2)
        | st.lists(st.integers(-(2**62), 2**62), min_size=2, max_size=2)
        | st.lists(st.binary(max_size=5), min_size=2, max_size=2)
        | st.lists(st.floats(), min_size=2, max_size=2)
        | st.lists(st.lists(st.text(max_size=3), max_size=2), min_size=2, max_size=2)
        | st.lists(st.datetimes(), min_size=2, max_size=2),
        min_size=1,
    ),
    st.integers(0, 400),
    st.booleans(),
)
def test_a_parquet_file_of_any_columns_is_read_or_refused(
    columns: dict[str, list[Any]], at: int, damaged: bool
) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    content = bytearray(buffer.getvalue())
    if damaged:
        content[at % len(content)] ^= 0x55
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "catalog.parquet"
        path.write_bytes(content)
        with read_or_refused():
            drained(read_catalog(path))


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_of_any_shape_is_read_or_refused(kind: str) -> None:
    read, strategy = RECORDS[kind]

    @hypothesis_settings(max_examples=4 * EXAMPLES, deadline=None, derandomize=not SOAK, database=None)
    @given(strategy)
    def any_of_them(row: dict[str, Any]) -> None:
        with read_or_refused():
            read(row)

    any_of_them()


@hypothesis_settings(max_examples=4 * EXAMPLES, deadline=None, derandomize=not SOAK, database=None)
@given(
    st.lists(ODD | st.sampled_from(["# A\n", "\n\n", "> ", "**", "[a](b)", "---\n", "退货。", "a. "]), max_size=12).map(
        "".join
    )
)
def test_any_document_is_parsed(text: str) -> None:
    for passage in parse_document("a/b", text).passages:
        assert passage.text


WORDS = st.sampled_from(
    (
        "under|at least|$|€|¥|块|以内|不超过|between|and|to|-|size|码|L|升|kg|%|星|not|除了|the|second|第|个|最|cheaper than|x|×"
        "|.|,"
        "|，|/|no|只要|黑色|half|半"
    ).split("|")
)


@hypothesis_settings(max_examples=8 * EXAMPLES, deadline=None, derandomize=not SOAK, database=None)
@given(st.lists(WORDS | ODD | st.integers(0, 10**40).map(str), max_size=16), st.sampled_from(["", " "]))
def test_any_words_are_understood(words: list[str], between: str) -> None:
    text = between.join(words)
    for understander in (UNDERSTANDER, BARE):
        understander.read(text)
        understander.read(text, understander.read("under $50").filters, "zh", "kettle", ("a", text))


class TestCredentials:
    """What a request says of who asks: it names somebody whom this shop knows by its own signature, or nobody."""

    @pytest.fixture
    def identity(self, sqlite_url: str) -> Iterator[Identity]:
        database = Database.open(sqlite_url)
        yield Identity("s" * 32, IdentitySettings(), database)
        database.close()

    def test_any_credential_is_refused(self, identity: Identity) -> None:
        parts = st.sampled_from(
            [
                "aisle_",
                "anon-",
                ".",
                "..",
                "eyJhbGciOiJub25lIn0",
                "eyJhbGciOiJIUzI1NiJ9",
                "e30",
                "e30=",
                "bnVsbA",
                "W10",
                "MQ",
            ]
        )

        @hypothesis_settings(max_examples=4 * EXAMPLES, deadline=None, derandomize=not SOAK, database=None)
        @given(st.text(st.characters(), max_size=60) | st.lists(parts | ODD, max_size=7).map("".join))
        def any_of_them(text: str) -> None:
            assert identity.from_session_cookie(text) is None
            assert identity.from_visitor_cookie(text) is None
            for take in (identity.from_bearer, identity.sign_in):
                with pytest.raises(AisleError) as refused:
                    take(text)
                assert refused.value.status == 401

        any_of_them()
