"""A tiny made-up log whose answer is known, and a model trained on it once."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import finetune.registry as registry_module
from finetune.intent import Finetuned, finetune_intent
from finetune.settings import Settings
from tests.fixtures import Run

"""Runs a command line: exit status, standard output, standard error."""
THINGS = ("kettle", "tent", "lamp", "scarf", "drill", "puzzle", "mug", "helmet", "blender", "notebook", "pan", "jacket")
THINGS_ZH = ("水壶", "帐篷", "台灯", "围巾", "电钻", "拼图", "杯子", "头盔", "搅拌机", "本子", "平底锅", "夹克")
SAYINGS: dict[str, tuple[str, ...]] = {
    "search": ("show me a {}", "do you sell a {}", "i am looking for a {}", "any {} here?"),
    "cart_add": ("put the {} in my cart", "i will buy the {}", "add that {} please", "one {} into the basket"),
    "ask_policy": (
        "can i return the {} later",
        "what does shipping a {} cost",
        "how long is the warranty on a {}",
        "refund rules?",
    ),
    "accept": ("yes please", "sure, go ahead with the {}", "that works for me", "okay, do that"),
    "out_of_scope": (
        "write a poem on a {}",
        "who won the election",
        "solve x squared equals nine",
        "book a flight to rome",
    ),
}
SAYINGS_ZH: dict[str, tuple[str, ...]] = {
    "search": ("有没有{}", "我想找一个{}", "{}有哪些", "给我看看{}"),
    "cart_add": ("把{}加到购物车", "我要买这个{}", "{}来一个，下单", "这个{}放进购物车"),
    "ask_policy": ("{}可以退货吗", "{}运费多少", "保修多久", "退款规则是什么"),
    "accept": ("好的", "行，就这样", "可以可以", "嗯，没问题"),
    "out_of_scope": ("帮我写一首{}的诗", "今天谁当选了", "帮我解方程", "订一张去罗马的机票"),
}


def made_up_dialogues(count: int, seed: int, *, chinese: bool = False) -> list[dict[str, Any]]:
    """Dialogues of three user turns each in the log's format."""
    draw = random.Random(seed)
    sayings, things = (SAYINGS_ZH, THINGS_ZH) if chinese else (SAYINGS, THINGS)
    found = []
    for number in range(count):
        messages: list[dict[str, Any]] = []
        for _ in range(3):
            label = draw.choice(list(sayings))
            text = draw.choice(sayings[label]).format(draw.choice(things))
            messages.append({"role": "user", "content": text, "intents": [label]})
            messages.append(
                {"role": "assistant", "content": "好的，还需要什么？" if chinese else "Of course. What else?"}
            )
        found.append({"dialogue_id": f"{'zh' if chinese else 'en'}-{seed}-{number}", "messages": messages})
    return found


def write_log(path: Path, rows: Sequence[Any]) -> Path:
    """One JSON value a line; a string is written as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def small_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 English dialogues of three turns."""
    return write_log(tmp_path_factory.mktemp("log") / "dialogues.jsonl", made_up_dialogues(120, seed=1))


@pytest.fixture(scope="session")
def small_model(small_log: Path, tmp_path_factory: pytest.TempPathFactory) -> Finetuned:
    """A model with adapters, trained for two epochs."""
    return finetune_intent([small_log], tmp_path_factory.mktemp("model") / "intent", Settings("lora", epochs=2, seed=3))


@pytest.fixture
def run(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line, where no model is refused for being slow: the machine may be busy."""
    monkeypatch.setattr(registry_module, "LATENCY_BUDGET_MS", 10_000.0)
    return run
