"""SECURITY.md names tests that exist: a threat whose test is gone is not answered any more."""

from __future__ import annotations

import ast
import re

import pytest

from tests.test_imports import ROOT

PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)*)`", PAGE)))


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_exists(name: str) -> None:
    file, *inside = name.split("::")
    tree: ast.AST = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    for part in inside:
        found = [node for node in ast.iter_child_nodes(tree) if getattr(node, "name", None) == part]
        assert found, f"{file} has no {part}"
        tree = found[0]


def test_every_item_of_the_llm_list_is_answered() -> None:
    assert {*re.findall(r"LLM\d\d", PAGE)} == {f"LLM{number:02}" for number in range(1, 11)}


def test_numbers_of_the_verification_standard_are_of_its_chapters() -> None:
    rows = [
        line.split("|")[2] for line in PAGE.splitlines() if line.startswith("| ") and "LLM" not in line.split("|")[1]
    ]
    numbers = re.findall(r"\b(\d+)\.(\d+)\.(\d+)\b", " ".join(rows[2:]))
    assert numbers
    assert all(1 <= int(chapter) <= 17 for chapter, _, _ in numbers)
