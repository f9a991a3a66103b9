"""What goes into a language model: every kind of file, once each, and nothing that names a person."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune.texts import TextCollector, read_texts, shop_texts
from index.build import build_index
from index.encoders import Encoder
from storage.consent import Consent, set_consent
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.errors import InvalidInput
from storage.principal import Principal, Role, local_operator
from storage.settings import ShopSettings
from tests.finetune.conftest import write_log

SAID = ["show me a kettle", "here are three kettles", "有没有红色的水壶"]


def _lines(path: Path) -> Path:
    path.write_text("\n".join(SAID) + "\n\n  \r\n", encoding="utf-8")
    return path


def _dialogues(path: Path) -> Path:
    messages = [{"role": "user", "content": SAID[0]}, {"role": "assistant", "content": SAID[1]}]
    rows = [
        {"dialogue_id": "1", "messages": [*messages, {"role": "system", "content": "you are a bot"}]},
        {"conversations": [{"from": "human", "value": SAID[2]}, {"from": "tool", "value": "{}"}]},
    ]
    return write_log(path, rows)


def _column(path: Path) -> Path:
    rows = "".join(f'{number},"{text}"\n' for number, text in enumerate(SAID))
    path.write_text("number,Text\n" + rows, encoding="utf-8")
    return path


def _field(path: Path) -> Path:
    return write_log(path, [{"text": text, "label": "x"} for text in SAID])


def _catalog(path: Path) -> Path:
    return write_log(path, [{"id": str(number), "title": text} for number, text in enumerate(SAID)])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("lines.txt", _lines),
        ("lines", _lines),
        ("log.jsonl", _dialogues),
        ("rows.csv", _column),
        ("rows.jsonl", _field),
        ("catalog.jsonl", _catalog),
    ],
)
def test_every_kind_of_file_gives_the_same_texts(
    name: str, make: Callable[[Path], Path], packed: bool, tmp_path: Path
) -> None:
    path = make(tmp_path / name)
    if packed:
        path = path.rename(path.with_name(f"{name}.gz"))
        path.write_bytes(gzip.compress(path.read_bytes()))
    reading = read_texts([path])
    assert reading.texts == {"latin": SAID[:2], "han": SAID[2:]}
    assert reading.problems == []
    assert set(reading.hashes) == {path.name}


def test_a_product_is_read_with_its_description(tmp_path: Path) -> None:
    product = {"id": "1", "title": "Kettle", "description": "<b>Boils</b> in a minute.", "brand": "Acme"}
    (text,) = read_texts([write_log(tmp_path / "catalog.jsonl", [product])]).texts["latin"]
    assert text == "Kettle · Acme · Boils in a minute."


def test_nothing_that_names_a_person_gets_through(tmp_path: Path) -> None:
    secrets = [
        "jo.doe@example.org",
        "+49 170 1234567",
        "4111 1111 1111 1111",
        "DE89370400440532013000",
        "93.184.216.34",
    ]
    told = [f"my data is {secret} thanks" for secret in secrets]
    files = [
        write_log(tmp_path / "a.txt", told),
        write_log(tmp_path / "b.jsonl", [{"messages": [{"role": "user", "content": f"b {text}"}]} for text in told]),
        write_log(tmp_path / "c.jsonl", [{"text": f"c {text}"} for text in told]),
        write_log(tmp_path / "d.jsonl", [{"id": str(n), "title": f"d {text}"} for n, text in enumerate(told)]),
    ]
    reading = read_texts(files)
    assert reading.found["latin"] == 4 * len(secrets)
    kept = "\n".join(reading.texts["latin"])
    assert not [secret for secret in secrets if secret in kept]
    assert kept.count("REDACTED_") == 4 * len(secrets)


def test_the_same_text_counts_once_whoever_it_was_about(tmp_path: Path) -> None:
    lines = ["mail a@example.org", "mail  b@example.org ", "another"]
    reading = read_texts([write_log(tmp_path / "a.txt", lines), write_log(tmp_path / "b.txt", lines)])
    assert reading.texts["latin"] == ["mail REDACTED_EMAIL", "another"]
    assert (reading.rows, reading.duplicates) == (6, 4)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "has no text"),
        ("a.txt", b"\n \n", "has no text"),
        ("a.txt", "水壶很好用".encode("gbk"), "not UTF-8"),
        ("a.jsonl", b"", "has no text"),
        ("a.jsonl", b"not json\n", "not JSON"),
        ("a.jsonl", b'{"utterance": "hi"}\n', "id is missing"),
        ("a.csv", b"utterance\nhi\n", "id is missing"),
        ("a.csv", b"text\n", "has no text"),
        ("a.txt.gz", gzip.compress(b"hello there\n" * 5000)[:-20], "broken"),
    ],
)
def test_a_file_without_texts_says_what_is_wrong(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=message) as caught:
        read_texts([tmp_path / name])
    assert name in caught.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("none.txt", "none.jsonl"):
        with pytest.raises(InvalidInput, match=name):
            read_texts([tmp_path / name])


def test_broken_rows_are_told_and_the_others_kept(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"good\n" + "水壶".encode("gbk") + b"\nfine\n")
    rows = ["{broken", {"text": "ok"}, {"text": ""}, {"text": 7}, {"other": "x"}]
    reading = read_texts([tmp_path / "a.txt", write_log(tmp_path / "b.jsonl", rows)])
    assert reading.texts["latin"] == ["good", "fine", "ok"]
    assert [problem.line for problem in reading.problems] == [2, 1, 3, 4, 5]


def test_a_million_lines_are_sampled_within_memory() -> None:
    def kept(seed: int) -> list[str]:
        collector = TextCollector(seed, most=1_000)
        for number in range(5_000):
            collector.add(f"line {number}")
        assert collector.reading.found["latin"] == 5_000
        return collector.reading.texts["latin"]

    tracemalloc.start()
    first = kept(1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak / 5_000 <= 200, "bytes a line: a million take 0.2 GB"
    assert first == kept(1)
    assert first != kept(2)
    numbers = [int(text.split()[1]) for text in first]
    assert len(set(numbers)) == 1_000
    assert sum(numbers) / 1_000 == pytest.approx(2_500, abs=250)


def test_a_line_without_end_is_a_problem_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("first\n" + "word " * 60_000 + "\nlast\n", encoding="utf-8")
    reading = read_texts([tmp_path / "a.txt"])
    assert reading.texts["latin"] == ["first", "last"]
    assert [(problem.line, problem.reason[:11]) for problem in reading.problems] == [(2, "the line is")]


def test_a_long_text_is_cut_where_nothing_personal_can_be_cut_in_two(tmp_path: Path) -> None:
    (text,) = read_texts([write_log(tmp_path / "a.txt", ["x" * 3_990 + " jo.doe@example.org " + "y" * 99])]).texts[
        "latin"
    ]
    assert len(text) <= 4_000
    assert "jo" not in text


def test_a_shop_gives_its_products_and_the_dialogues_of_who_agreed(
    sqlite_url: str, latin_encoder: Encoder, tmp_path: Path
) -> None:
    shop = tmp_path / "shop"
    catalog = write_log(tmp_path / "catalog.jsonl", [{"id": "k", "title": "Steel kettle", "brand": "Acme"}])
    build_index(catalog, shop, ShopSettings(), lambda _: latin_encoder, None)
    database = Database.open(sqlite_url)
    for name in ("maya", "noah"):
        who = Principal(name, Role.CUSTOMER)
        append(database, who, start(database, who), [Turn(role="user", content=f"{name} asks +49 170 1234567")])
    set_consent(database, Principal("maya", Role.CUSTOMER), "maya", Consent(train=True))
    reading = shop_texts(shop, database, local_operator(), Consent())
    database.close()
    assert reading.texts["latin"] == ["Steel kettle · Acme", "maya asks REDACTED_PHONE"]


def test_a_shop_that_has_nothing_says_so(sqlite_url: str, tmp_path: Path) -> None:
    database = Database.open(sqlite_url)
    with pytest.raises(InvalidInput, match="no products") as caught:
        shop_texts(tmp_path, database, local_operator(), Consent())
    database.close()
    assert "--texts" in caught.value.hint
