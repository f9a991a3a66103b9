"""What a spreadsheet does to a file between our writing it and a person's sending it back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from finetune.candidates import Candidate, Pick
from finetune.label_file import COLUMNS, read_answers, write_label_file
from finetune.logs import Message
from storage.errors import Conflict, InvalidInput, Unavailable

LABELS = ("search", "ask_policy", "退货")
TURNS = ("t1", "t2", "t3")
HEADER = ",".join(COLUMNS)


def pick(*said: str, key: str = "t1", suggested: str = "search", confidence: float | None = 0.4132) -> Pick:
    roles = ("user", "assistant")
    messages = tuple(Message(roles[(len(said) - 1 - place) % 2], text) for place, text in enumerate(said))
    return Pick(Candidate(key, messages), suggested, confidence, "ask_policy")


def cells(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.reader(stream, delimiter=delimiter))


def filled(tmp_path: Path, rows: Sequence[str], header: str = HEADER) -> Path:
    path = tmp_path / "filled.csv"
    path.write_text("\r\n".join([header, *rows, ""]), encoding="utf-8")
    return path


class TestWriting:
    def test_a_row_reads_like_the_conversation(self, tmp_path: Path) -> None:
        path = tmp_path / "to-label.csv"
        beside = write_label_file(path, [pick("hi", "Hello,\nhow can I help?", "a  kettle 水壶")], LABELS)
        assert path.read_bytes().startswith(b"\xef\xbb\xbf"), "or Excel takes Chinese for something else"
        header, row = cells(path)
        assert header == list(COLUMNS)
        assert row == [
            "t1",
            "customer: hi\nassistant: Hello, how can I help?",
            "a kettle 水壶",
            "search",
            "0.41",
            "ask_policy",
            "",
            "",
        ]
        assert beside.read_text(encoding="utf-8-sig").split() == [*LABELS, "out_of_scope"]

    def test_what_may_be_out_of_scope_is_said(self, tmp_path: Path) -> None:
        path = tmp_path / "to-label.csv"
        write_label_file(path, [pick("sing", suggested="out_of_scope", confidence=None)], LABELS)
        assert cells(path)[1][3:] == ["out_of_scope", "", "ask_policy", "", "perhaps out of scope"]

    def test_somebodys_work_is_not_written_over(self, tmp_path: Path) -> None:
        path = tmp_path / "to-label.csv"
        path.write_text("precious", encoding="utf-8")
        with pytest.raises(Conflict, match=r"to-label\.csv"):
            write_label_file(path, [pick("hi")], LABELS)
        assert path.read_text(encoding="utf-8") == "precious"

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(Unavailable, match="nowhere"):
            write_label_file(tmp_path / "nowhere" / "to-label.csv", [pick("hi")], LABELS)

    def test_without_the_labels_beside_it_there_is_no_file_to_fill(self, tmp_path: Path) -> None:
        (tmp_path / "to-label.labels.txt").mkdir()
        with pytest.raises(Unavailable, match=r"to-label\.labels\.txt cannot be written"):
            write_label_file(tmp_path / "to-label.csv", [pick("hi")], LABELS)
        assert not (tmp_path / "to-label.csv").exists()

    @pytest.mark.parametrize(
        "text", ["=cmd|' /C calc'!A0", "+1", "-2", "@SUM(A1)", "\t=1+1", "\r\n=1+1", '"=1+1"', "＝1+1", " \u200b=1+1"]
    )
    def test_no_cell_is_a_formula(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "to-label.csv"
        write_label_file(path, [pick(text, text, text, suggested=text)], LABELS)
        for cell in cells(path)[1]:
            assert not cell.strip(' \t\r\n"\u200b').startswith(tuple("=+-@＝"))

    @pytest.mark.parametrize("delimiter", [";", "\t"])
    def test_nor_where_a_spreadsheet_splits_at_another_sign(self, tmp_path: Path, delimiter: str) -> None:
        path = tmp_path / "to-label.csv"
        write_label_file(path, [pick("x", f'a{delimiter}=1+1{delimiter} "@b', f"{delimiter}=HYPERLINK(1)")], LABELS)
        for row in cells(path, delimiter):
            assert not any(cell.strip(' "').startswith(tuple("=+-@")) for cell in row)

    def test_hostile_text_stays_in_its_cell(self, tmp_path: Path) -> None:
        text = 'a\x00b "quoted", \u202eevil\u2066\nline two\ud83d ; שלום' + "x" * 100_000
        path = tmp_path / "to-label.csv"
        write_label_file(path, [pick(text, text, text)], LABELS)
        [_, row] = cells(path)
        assert row[2].startswith('ab "quoted", evil line two? ; שלום')
        assert all(len(cell) < 32_767 for cell in row)
        assert row[1].count("\n") == 1

    def test_jsonl(self, tmp_path: Path) -> None:
        path = tmp_path / "to-label.jsonl"
        write_label_file(path, [pick("=1", "hello", "水壶")], LABELS)
        row = json.loads(path.read_text(encoding="utf-8"))
        assert list(row) == list(COLUMNS)
        assert (row["turn"], row["confidence"], row["label"]) == ("水壶", 0.41, "")
        path.write_text(json.dumps({**row, "label": ["search", "退货"]}) + "\nno json\n[1]\n", encoding="utf-8")
        answers = read_answers(path, TURNS, LABELS)
        assert answers.labels == {"t1": ("search", "退货")}
        assert [problem.line for problem in answers.problems] == [2, 3]


ROWS = [
    't1,"customer: a; b\nassistant: ""ok""",x,search,0.41,ask_policy,ask_policy; search,',
    ",,,,,,,",
    "t2,,是,search,0.5,退货,2,a remark",
    "t3,,y,search,0.5,,,",
]
MEANT = {"t1": ("ask_policy", "search"), "t2": ("退货",)}


def as_semicolons(text: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=";").writerows(csv.reader(io.StringIO(text, newline="")))
    return out.getvalue().encode("utf-8-sig")


def as_tabs(text: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter="\t").writerows(csv.reader(io.StringIO(text, newline="")))
    return out.getvalue().encode("utf-16")


def reordered(text: str) -> bytes:
    header, *rows = list(csv.reader(io.StringIO(text, newline="")))
    out = io.StringIO()
    places = [6, 7, 2, 0, 5, 3]
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow([header[place].replace("_", " ").title() for place in places])
    writer.writerows([[row[place] for place in places] for row in reversed(rows)])
    return out.getvalue().encode()


FORMS: dict[str, Callable[[str], bytes]] = {
    "as it was": lambda text: text.encode(),
    "with a byte order mark": lambda text: text.encode("utf-8-sig"),
    "Excel's Unicode text": as_tabs,
    "European Excel": as_semicolons,
    "with Excel's first line": lambda text: b"sep=;\r\n" + as_semicolons(text)[3:],
    "reordered, columns too": reordered,
    "blank lines": lambda text: text.replace("\r\n", "\r\n\r\n  \r\n").encode(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_answers_are_read_in_every_form(tmp_path: Path, form: Callable[[str], bytes]) -> None:
    path = tmp_path / "filled.csv"
    path.write_bytes(form("\r\n".join([HEADER, *ROWS, ""])))
    answers = read_answers(path, TURNS, LABELS)
    assert answers.problems == []
    assert answers.labels == MEANT
    assert (answers.rows, answers.empty) == (3, 1)


class TestAnswers:
    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("search", ("search",)),
            (" Search ", ("search",)),
            ("'search", ("search",)),
            ("Ask policy", ("ask_policy",)),
            ("ASK-POLICY；search；search;", ("ask_policy", "search")),
            ("ｓｅａｒｃｈ", ("search",)),
            ("oos", ("out_of_scope",)),
            ("out of scope", ("out_of_scope",)),
            ("1", ("search",)),
            ("１;2", ("search", "ask_policy")),
        ],
    )
    def test_spellings(self, tmp_path: Path, written: str, meant: tuple[str, ...]) -> None:
        path = filled(tmp_path, [f"t1,,,search,,ask_policy,{written},"])
        assert read_answers(path, TURNS, LABELS).labels == {"t1": meant}

    def test_a_label_that_looks_like_a_number_comes_first(self, tmp_path: Path) -> None:
        path = filled(tmp_path, ["t1,,,search,,,1,"])
        assert read_answers(path, TURNS, ("1", "search")).labels == {"t1": ("1",)}

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ("t9,,,,,,search,", "no turn 't9' was handed out"),
            (",,,,,,search,", "no turn '' was handed out"),
            ("t1,,,,,,serach,", "the label 'serach' is unknown: is it 'search'?"),
            ("t1,,,,,,quantum,", "the label 'quantum' is unknown"),
            ("t1,,,search,,,2,", "the row has no such suggestion"),
            ("t1,,,,,,oos;search,", "out_of_scope stands beside another label"),
            ("t1,,,,,,;,", "no label in ';'"),
        ],
    )
    def test_bad_rows_are_told_and_the_others_kept(self, tmp_path: Path, row: str, reason: str) -> None:
        answers = read_answers(filled(tmp_path, [row, "t2,,,,,,search,"]), TURNS, LABELS)
        assert [(problem.line, problem.reason) for problem in answers.problems] == [(2, reason)]
        assert answers.labels == {"t2": ("search",)}

    def test_rows_that_contradict_each_other_count_for_nothing(self, tmp_path: Path) -> None:
        rows = ["t1,,,,,,search,", "t2,,,,,,search,", "t1,,,,,,ask_policy,", "t2,,,,,,Search,", "t1,,,,,,search,"]
        answers = read_answers(filled(tmp_path, rows), TURNS, LABELS)
        assert answers.labels == {"t2": ("search",)}
        assert [problem.reason for problem in answers.problems] == ["another label than in row 2, so neither is taken"]

    def test_new_labels_only_where_they_are_wanted(self, tmp_path: Path) -> None:
        path = filled(tmp_path, ["t1,,,,,,Warranty claim,", "t2,,,,,,warranty_claim;search,", f"t3,,,,,,{'x' * 101},"])
        assert read_answers(path, TURNS, LABELS).labels == {}
        answers = read_answers(path, TURNS, LABELS, new_labels=True)
        assert answers.labels == {"t1": ("Warranty claim",), "t2": ("Warranty claim", "search")}
        assert "longer than 100" in answers.problems[0].reason

    def test_a_cell_that_is_far_too_long_costs_its_row_alone(self, tmp_path: Path) -> None:
        answers = read_answers(filled(tmp_path, [f"t1,,,,,,{'x' * 200_000},", "t2,,,,,,search,"]), TURNS, LABELS)
        assert (answers.labels, [problem.line for problem in answers.problems]) == ({"t2": ("search",)}, [2])

    def test_an_old_encoding_harms_only_what_it_touches(self, tmp_path: Path) -> None:
        """Chinese Excel's plain CSV is GBK: ids and English labels are readable in it all the same."""
        path = tmp_path / "filled.csv"
        rows = ["t1,客户：你好,有没有水壶,search,,,search,备注", "t2,,是,,,,退货,"]
        path.write_bytes("\r\n".join([HEADER, *rows]).encode("gbk"))
        answers = read_answers(path, TURNS, LABELS)
        assert answers.labels == {"t1": ("search",)}
        [problem] = answers.problems
        assert (problem.line, "CSV UTF-8" in problem.reason) == (3, True)

    def test_columns_that_are_missing_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="id and label"):
            read_answers(filled(tmp_path, ["t1,search"], header="id,intent"), TURNS, LABELS)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"PK\x03\x04rest", "workbook"),
            (b"\xd0\xcf\x11\xe0rest", "workbook"),
            (b"", "id and label"),
            (b"\xff\xfe\x00", "id and label"),
            (b"id,label\nt1," + b"x" * 5_000_000, "not CSV"),
            (b"\x00" * 1000, "id and label"),
        ],
    )
    def test_other_files_are_refused_with_the_way_out(self, tmp_path: Path, content: bytes, words: str) -> None:
        path = tmp_path / "filled.csv"
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match=words) as refused:
            read_answers(path, TURNS, LABELS)
        assert refused.value.hint

    def test_what_is_written_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "to-label.csv"
        write_label_file(path, [pick("=1;+2", key="t1", suggested="=odd label"), pick("b", key="t2")], LABELS)
        text = path.read_text(encoding="utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline="")))
        for row in rows[1:]:
            row[6] = "1"
        out = io.StringIO()
        csv.writer(out).writerows(rows)
        path.write_text(out.getvalue(), encoding="utf-8")
        answers = read_answers(path, TURNS, [*LABELS, "=odd label"])
        assert answers.labels == {"t1": ("=odd label",), "t2": ("search",)}
