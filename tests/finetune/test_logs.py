from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from finetune.logs import Dialogue, Message, read_logs
from storage.errors import InvalidInput
from tests.finetune.conftest import write_log


def test_the_three_json_forms_become_one_record(tmp_path: Path) -> None:
    rows = [
        {
            "dialogue_id": "a",
            "user_id": "u1",
            "language": "en",
            "split": "dev",
            "messages": [
                {"role": "user", "content": "hi", "intents": ["greet"], "timestamp": "2026-01-01T00:00:00Z"},
                {"role": "agent", "content": "hello", "products": [], "feedback": None},
            ],
        },
        {
            "messages": [
                {"role": "developer", "content": "be kind"},
                {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            ]
        },
        {"conversations": [{"from": "human", "value": "你好", "intents": "greet"}, {"from": "gpt", "value": "您好"}]},
    ]
    reading = read_logs([write_log(tmp_path / "log.jsonl", rows)])
    assert reading.dialogues == [
        Dialogue("a", (Message("user", "hi", ("greet",)), Message("agent", "hello")), "validation", "u1", "en"),
        Dialogue("0:2", (Message("system", "be kind"), Message("user", "hi"))),
        Dialogue("0:3", (Message("user", "你好", ("greet",)), Message("assistant", "您好"))),
    ]
    assert reading.problems == []


def test_labelled_turns_come_with_what_was_said_before() -> None:
    dialogue = Dialogue(
        "a",
        (Message("user", "hi", ("greet",)), Message("assistant", "hello"), Message("user", "a kettle", ("search",))),
    )
    turns = list(dialogue.labelled())
    assert [labels for _, labels in turns] == [("greet",), ("search",)]
    assert [message["content"] for message in turns[1][0]] == ["hi", "hello", "a kettle"]


def test_csv_rows_are_dialogues_of_one_message(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8-sig", newline="") as out:
        out.write('Text,LABEL,split\n"a kettle, please",search,train\nhi,greet,\n,greet,\n"two\nlines",OOS,test\n')
    reading = read_logs([path])
    found = [(each.messages[0].content, each.messages[0].intents[0], each.split) for each in reading.dialogues]
    assert found == [
        ("a kettle, please", "search", "train"),
        ("hi", "greet", ""),
        ("two\nlines", "out_of_scope", "test"),
    ]
    assert [(problem.line, problem.reason) for problem in reading.problems] == [(4, "text: empty")]


def test_csv_without_its_columns_says_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("utterance,intent\nhi,greet\n")
    with pytest.raises(InvalidInput, match="utterance, intent"):
        read_logs([path])


def test_dirt_is_kept_aside_with_line_and_reason(tmp_path: Path) -> None:
    good = {"dialogue_id": "ok", "messages": [{"role": "user", "content": "hi", "intents": ["greet"]}]}
    path = tmp_path / "log.jsonl"
    lines = [
        json.dumps(good).encode(),
        b"{broken",
        b'["a list"]',
        b"\xff\xfe\x00",
        b"",
        json.dumps({"dialogue_id": "x", "messages": []}).encode(),
        json.dumps({"messages": [{"role": "wizard", "content": "hi"}]}).encode(),
        json.dumps({"messages": [{"role": "user", "content": 7}]}).encode(),
        json.dumps({"messages": ["hi"]}).encode(),
    ]
    path.write_bytes(b"\n".join(lines))
    reading = read_logs([path])
    assert [dialogue.id for dialogue in reading.dialogues] == ["ok"]
    assert [problem.line for problem in reading.problems] == [2, 3, 4, 6, 7, 8, 9]
    assert "messages[0].role" in reading.problems[4].reason
    assert reading.rows == 8


def test_bad_optional_fields_are_counted_and_cost_no_row(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "hi", "intents": 5},
        {"role": "user", "content": "ho", "intents": ["greet", None, "greet", " oos "]},
        {"role": "assistant", "content": None},
    ]
    reading = read_logs(
        [write_log(tmp_path / "log.jsonl", [{"dialogue_id": ["x"], "messages": messages, "split": "sometimes"}])]
    )
    (dialogue,) = reading.dialogues
    assert [message.intents for message in dialogue.messages] == [(), ("greet", "out_of_scope"), ()]
    assert reading.dropped_fields == 4
    assert reading.problems == []


def test_of_one_id_the_last_row_wins(tmp_path: Path) -> None:
    rows = [{"dialogue_id": "a", "messages": [{"role": "user", "content": text}]} for text in ("old", "new")]
    reading = read_logs([write_log(tmp_path / "log.jsonl", rows)])
    assert [dialogue.messages[0].content for dialogue in reading.dialogues] == ["new"]
    assert [problem.line for problem in reading.problems] == [1]


def test_lines_without_id_in_two_files_do_not_replace_each_other(tmp_path: Path) -> None:
    paths = [
        write_log(tmp_path / f"{name}.jsonl", [{"messages": [{"role": "user", "content": name}]}])
        for name in ("one", "two")
    ]
    assert [dialogue.messages[0].content for dialogue in read_logs(paths).dialogues] == ["one", "two"]


def test_personal_data_does_not_get_in(tmp_path: Path) -> None:
    row = {
        "messages": [
            {"role": "user", "content": "mail me at jo.doe@example.org about the SM-G991B", "intents": ["search"]}
        ]
    }
    csv = tmp_path / "log.csv"
    csv.write_text("text,label\nmy mail is jo.doe@example.org,search\n")
    for dialogue in read_logs([write_log(tmp_path / "log.jsonl", [row]), csv]).dialogues:
        assert "example.org" not in dialogue.messages[0].content
        assert "REDACTED_EMAIL" in dialogue.messages[0].content


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.jsonl"):
        read_logs([tmp_path / "none.jsonl"])


def test_csv_rows_that_are_not_utf8_are_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"text,label\n" + "水壶,search\n".encode("gbk") + "水壶,search\n".encode())
    reading = read_logs([path])
    assert [dialogue.messages[0].content for dialogue in reading.dialogues] == ["水壶"]
    assert [(problem.line, problem.reason) for problem in reading.problems] == [(2, "not UTF-8")]


def test_a_packed_csv_that_is_cut_off_says_so(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(b"text,label\nhi,greet\n" * 1000)[:-9])
    with pytest.raises(InvalidInput, match=r"log\.csv\.gz is packed, and broken"):
        read_logs([path])


def test_a_header_that_is_not_utf8_can_be_shown(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes("文本,标签\n".encode("gbk"))
    with pytest.raises(InvalidInput) as found:
        read_logs([path])
    assert "UTF-8" in str(found.value).encode("utf-8").decode()


def test_a_file_is_hashed_and_measured_while_it_is_read(tmp_path: Path) -> None:
    row = json.dumps({"messages": [{"role": "user", "content": "hi"}]}) + "\n"
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    plain.write_text(row * 20_000)
    packed.write_bytes(gzip.compress((row * 20_000).encode()))
    seen: list[tuple[int, int]] = []
    reading = read_logs([plain, packed], lambda done, total: seen.append((done, total)))
    assert reading.hashes == {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in (plain, packed)}
    total = plain.stat().st_size + packed.stat().st_size
    assert seen == sorted(seen)
    assert len(seen) > 3
    assert seen[-1] == (total, total)


def test_what_is_said_again_is_held_once(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": "where is it?", "intents": ["order_status"]}]} for _ in range(2)]
    one, other = (each.messages[0] for each in read_logs([write_log(tmp_path / "log.jsonl", rows)]).dialogues)
    assert one.content is other.content
    assert one.intents is other.intents


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_log_has_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)
    reading = read_logs([path])
    assert (reading.rows, reading.dialogues, reading.problems) == (0, [], [])


ROW = json.dumps({"dialogue_id": "a", "messages": [{"role": "user", "content": "水壶"}]}, ensure_ascii=False)


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbf" + ROW.encode(), ROW.encode() + b"\r\n\r\n", gzip.compress(ROW.encode(), mtime=0)],
    ids=["byte order mark", "line ends", "packed"],
)
def test_marks_line_ends_and_packing_do_not_matter(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)
    assert read_logs([path]).dialogues == [Dialogue("a", (Message("user", "水壶"),))]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["log.jsonl", "log.csv"])
def test_utf16_is_named(tmp_path: Path, name: str, encoding: str) -> None:
    path = tmp_path / name
    path.write_bytes(("text,label\nhi,greet\n" if name.endswith("csv") else ROW).encode(encoding))
    with pytest.raises(InvalidInput, match=r"is in UTF-16.*UTF-8"):
        read_logs([path])


@pytest.mark.parametrize("encoding", ["gbk", "latin-1", "utf-16-le"])
def test_lines_in_another_encoding_are_set_aside(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "log.jsonl"
    text = "水壶" if encoding == "gbk" else "théière"
    row = json.dumps({"messages": [{"role": "user", "content": text}]}, ensure_ascii=False)
    path.write_bytes(row.encode(encoding))
    reading = read_logs([path])
    assert reading.dialogues == []
    assert len(reading.problems) == 1
    assert reading.problems[0].reason.startswith("not ")


@pytest.mark.parametrize("damage", [lambda packed: packed[:-300], lambda packed: packed[:200] + b"?" + packed[201:]])
def test_a_packed_log_that_is_broken_is_not_half_a_log(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "log.jsonl.gz"
    rows = [json.dumps({"messages": [{"role": "user", "content": str(number**9)}]}) for number in range(3000)]
    path.write_bytes(damage(gzip.compress("\n".join(rows).encode())))
    with pytest.raises(InvalidInput, match="breaks off at line"):
        read_logs([path])


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_what_spreadsheets_put_between_columns_is_read(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "log.tsv"
    rows = ["label", "text", "split"], [" greet ", "hi, there", "val"]
    path.write_text("\r\n".join(delimiter.join(row) for row in rows), encoding="utf-8-sig", newline="")
    (dialogue,) = read_logs([path]).dialogues
    assert dialogue.messages == (Message("user", "hi, there", ("greet",)),)
    assert dialogue.split == "validation"


def test_a_comma_that_nobody_quoted_makes_no_label(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("text,label\nhi, there,greet\nbye,goodbye\n")
    reading = read_logs([path])
    assert [dialogue.messages[0].content for dialogue in reading.dialogues] == ["bye"]
    assert [(problem.line, problem.reason) for problem in reading.problems] == [(2, "more cells than columns")]


@pytest.mark.parametrize("lines", [30, 3000])
def test_each_line_that_an_open_quote_swallows_is_lost_by_name(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "log.csv"
    text = "a long text about kettles and tents that goes on for a while"
    path.write_text('text,label\nhi,greet\n"' + f"{text},search\n" * lines)
    reading = read_logs([path])
    assert reading.rows == len(reading.dialogues) + len(reading.problems)
    lost = {problem.line for problem in reading.problems}
    assert lost >= set(range(3, min(lines, 1900)))
    assert len(reading.dialogues) + len(lost) == lines + 1


def test_odd_signs_and_long_lines_are_read_or_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(
        b"\n".join(
            [
                b'{"messages": [{"role": "user", "content": "a \x00 b"}]}',
                b'{"messages": [{"role": "user", "content": "a \\u0000 \\ud83d b"}]}',
                json.dumps({"messages": [{"role": "user", "content": "kettle " * 1_500_000}]}).encode(),
                b'{"messages": ' + b"[" * 5000 + b"]" * 5000 + b"}",
                b'{"messages": [{"role": {"name": "user"}, "content": "hi"}]}',
            ]
        )
    )
    reading = read_logs([path])
    assert [problem.line for problem in reading.problems] == [1, 4, 5]
    odd, long = (dialogue.messages[0].content for dialogue in reading.dialogues)
    assert odd == "a \x00 \ufffd b"
    assert len(long) == 100_000


def test_rows_that_are_set_aside_are_redacted_and_say_their_file(tmp_path: Path) -> None:
    bad = {"messages": [{"role": "wizard", "content": "mail jo.doe@example.org"}]}
    reading = read_logs([write_log(tmp_path / name, [bad, "jo.doe@example.org"]) for name in ("a.jsonl", "b.jsonl")])
    assert [(problem.line, problem.reason[:7]) for problem in reading.problems] == [
        (1, "a.jsonl"),
        (2, "a.jsonl"),
        (1, "b.jsonl"),
        (2, "b.jsonl"),
    ]
    assert all("REDACTED_EMAIL" in problem.raw and "example.org" not in problem.raw for problem in reading.problems)


def test_optional_fields_that_are_none_are_dropped(tmp_path: Path) -> None:
    message = {"role": "user", "content": "hi", "intents": {"greet": 0.9}}
    row = {"dialogue_id": 7, "user_id": True, "language": ["en"], "messages": [message]}
    reading = read_logs([write_log(tmp_path / "log.jsonl", [row])])
    assert reading.dialogues == [Dialogue("7", (Message("user", "hi"),))]
    assert reading.dropped_fields == 3


def test_parts_without_text_are_left_out(tmp_path: Path) -> None:
    parts = [{"type": "image_url"}, {"type": "text", "text": "this one"}, {"type": "text", "text": None}, 5]
    reading = read_logs([write_log(tmp_path / "log.jsonl", [{"messages": [{"role": "user", "content": parts}]}])])
    assert reading.dialogues[0].messages[0].content == "this one"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "Assistant ", "tool"]) | ANYTHING,
        "from": st.just("human") | ANYTHING,
        "content": st.text(st.characters()) | st.lists(st.fixed_dictionaries({"text": ANYTHING})) | ANYTHING,
        "value": ANYTHING,
        "intents": st.lists(st.text(st.characters())) | ANYTHING,
    },
)
LOG_ROW = ANYTHING | st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(MESSAGE | ANYTHING, max_size=3),
        "conversations": st.lists(MESSAGE, max_size=3) | ANYTHING,
        "dialogue_id": st.sampled_from(["a", "b"]) | ANYTHING,
        "user_id": ANYTHING,
        "language": ANYTHING,
        "split": st.just("test") | ANYTHING,
    },
)


@hypothesis_settings(deadline=None, max_examples=100)
@given(st.lists(LOG_ROW, max_size=5))
def test_no_json_at_all_stops_the_reading(rows: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "log.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows))
        reading = read_logs([path])
    assert reading.rows == len(rows)
    assert len(reading.dialogues) + len(reading.problems) == len(rows)
    for dialogue in reading.dialogues:
        texts = [dialogue.id, dialogue.user_id, dialogue.language]
        texts += [text for message in dialogue.messages for text in (message.content, *message.intents)]
        "".join(texts).encode()  # what is kept can be written
