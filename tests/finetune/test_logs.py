from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

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
        Dialogue("a", (Message("user", "hi", ("greet",)), Message("agent", "hello")), "validation"),
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
