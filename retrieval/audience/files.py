"""The file for the shop's mailing tool: CSV with a row for each person, or JSONL with all their reasons.

    user_id,campaign,band,reason,product_id,title,category,usual_days,current_days,due_on
    u17,at-risk-2026-03-30,at-risk,"usually every 32 days, now 71 days",,,,32,71,

CSV has the strongest reason; JSONL all of them, under `reasons`, with the same fields.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Final, TextIO

from retrieval.audience.who import Candidate
from storage.errors import InvalidInput

COLUMNS: Final = (
    "user_id", "campaign", "band", "reason", "product_id", "title", "category", "usual_days", "current_days", "due_on",
)  # fmt: skip
# What makes a cell a formula (OWASP, "CSV injection"), the full-width signs of Chinese spreadsheets too.
_FORMULA: Final = re.compile(r"^(?=[\s\"']*[=+\-@＝＋－＠])")


def check_name(path: Path) -> None:
    """Raises `InvalidInput` where the name does not say which of the two it is to be."""
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise InvalidInput(f"{path} names no kind of file.", "Let it end in .csv or .jsonl.")


def write_contacts(out: TextIO, path: Path, people: Iterable[Candidate], campaign: str, band: str) -> None:
    """Writes people and reasons in the form that the path's name asks for."""
    if path.suffix.lower() == ".jsonl":
        for each in people:
            reasons = [
                {name: value for name, value in asdict(reason).items() if value is not None} for reason in each.reasons
            ]
            row = {"user_id": each.user_id, "campaign": campaign, "band": band, "reasons": reasons}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
        return
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for each in people:
        reason = each.reasons[0]
        facts = (reason.usual_days, reason.current_days, reason.due_on)
        texts = (reason.text, reason.product_id, reason.title, reason.category)
        # The person's id is what the mailing tool looks up: it stays as it is.
        writer.writerow([each.user_id, campaign, band, *map(safe_cell, texts), *facts])


def safe_cell(text: str | None) -> str | None:
    """Text that no spreadsheet takes for a formula."""
    return None if text is None else _FORMULA.sub("'", text)
