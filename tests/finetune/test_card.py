"""The model card says what a person needs and nothing of anybody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bot.intent import EncoderSettings, IntentSettings
from finetune.card import FILE, CardFacts, card, write_card

SETTINGS = IntentSettings(
    ("search", "we|ird`label"),
    {
        "latin": EncoderSettings("minilm", "a" * 64, 1.25, "probability", 0.5),
        "han": EncoderSettings("our-own-base", "b" * 64, 0.75, "energy", -3.25),
    },
)
FACTS = CardFacts(
    options={"method": "lora", "base_model": None, "epochs": 3, "seed": 7},
    data={"/home/maya/private/log one.jsonl": "c" * 64},
    training_dialogues=1200,
    validation_dialogues=150,
    turns={"latin": (3000, 400), "han": (900, 120)},
    metrics={"n": 520, "macro_f1": 0.91234, "oos_auroc": None},
    parent="20260101-000000",
)


def test_it_says_what_a_person_needs(tmp_path: Path) -> None:
    write_card(tmp_path, SETTINGS, FACTS)
    text = (tmp_path / FILE).read_text(encoding="utf-8")
    assert text == card(SETTINGS, FACTS)
    for part in (
        "`search`",
        "1,200 dialogues",
        "latin 3,000 and 400",
        "| n | 520 |",
        "| macro_f1 | 0.9123 |",
        "| oos_auroc | none |",
        "| latin | 1.250 | probability | 0.5000 |",
        "Apache License 2.0",
        "our-own-base: see the licence",
        "c" * 64,
        "a" * 64,
        "`20260101-000000`",
        "launch.py finetune intent --logs 'log one.jsonl' --method lora --epochs 3 --seed 7\n",
        "Not for deciding anything about a person",
    ):
        assert part in text, part


def test_the_command_gives_each_file_as_it_was_given_and_repeats_the_search() -> None:
    facts = replace(
        FACTS,
        options={**FACTS.options, "search": 20},
        unlabeled={"/data/bare.jsonl": "d" * 64},
        found={"method": "full", "rate": 4.2e-05, "epochs": 6, "history_messages": 5},
    )
    text = card(SETTINGS, facts)
    command = "--logs 'log one.jsonl' --unlabeled bare.jsonl --method lora --epochs 3 --seed 7 --search 20\n"
    assert f"launch.py finetune intent {command}" in text
    assert "chose what the model was trained with: method full, rate 4.2e-05, epochs 6, history messages 5." in text
    assert f"| --unlabeled | bare.jsonl | `{'d' * 64}` |" in text
    assert "The search" not in card(SETTINGS, FACTS)


def test_it_keeps_paths_and_markdown_to_itself() -> None:
    text = card(SETTINGS, FACTS)
    assert "maya" not in text
    assert "we|ird label" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table if "our-own-base" in line} == {4}
