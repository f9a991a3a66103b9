"""`finetune replies` from a log to what serves: it learns what a shop's agents answer, and nothing of one customer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from bot.desk.reply_encoder import (
    HISTORY,
    KIND,
    EncoderSettings,
    ReplyEncoder,
    ReplySettings,
    load_replies,
    reply_tokens,
    reply_versions,
)
from bot.desk.reply_network import ReplyNetwork
from bot.history import tokenize, window_of
from bot.parts import current_replies
from finetune.logs import Dialogue, Message, read_logs
from finetune.loop import Step
from finetune.network import load_base
from finetune.registry import BUILT_IN, GateRefusedError, Registry
from finetune.replies import export_replies, finetune_replies, shop_records
from finetune.reply_pairs import ReplyData, pairs_of, ranks_of, reply_data, split_replies
from finetune.reply_trainer import vectors_of
from finetune.search_run import Tuned
from index.encoders import Encoder
from storage.customers import Customer, put_customers
from storage.database import Database
from storage.errors import Damaged, InvalidInput
from storage.orders import Order, put_orders
from storage.principal import Principal, Role
from storage.publish import read_manifest, write_manifest
from tests.finetune.conftest import write_log
from tests.finetune.tiny import language_model, word

ENGINEER, SHOP = Principal("ada", Role.ENGINEER), Principal("shop", Role.SERVICE)
# What customers call a trouble, and what the shop calls its cure; no encoder knows either.
CURES = {
    "quenzel": "floopt", "bramdor": "yistle", "tovark": "gumbery", "sillot": "wexim", "drunnel": "plonka",
    "ombrask": "zatchet", "fyrrin": "kobblit", "hask": "murdoon",
}  # fmt: skip
TROUBLES = (
    "my {} stopped working", "the {} arrived late and wet", "I lost the {} yesterday", "please look at this {}, it hums",
    "there is a hole in the {}", "somebody broke our {} at school", "what to do with an old {}", "the {} smells of rubber",
    "can you mend a {} for me", "our cat slept on the {}", "a {} without its lid came", "is the {} meant to glow",
    "nobody can open the {}", "the {} fell into the lake", "how do I clean a {} after use", "the blue {} turned green",
)  # fmt: skip
ANSWERS = ("We send you a {} for it, {name}.", "In that case a {} will do.")
EPOCHS = 10
SPLITS = ("train",) * 10 + ("validation",) * 2 + ("test",) * 4


def rows() -> list[dict[str, object]]:
    """Dialogues of two turns: the second says nothing new, so that what it is about stands in the history."""
    found: list[dict[str, object]] = []
    for place, (trouble, split) in enumerate(zip(TROUBLES, SPLITS, strict=True)):
        for thing, cure in CURES.items():
            said = [
                ("user", trouble.format(thing)),
                ("agent", ANSWERS[place % 2].format(cure, name="Greta")),
            ]
            messages = [{"role": "agent", "content": "Hello Greta, this is Dana."}] if place % 3 == 0 else []
            messages += [{"role": role, "content": text} for role, text in said]
            found.append({"dialogue_id": f"{thing}-{place}", "user_id": "greta", "messages": messages, "split": split})
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ReplyData:
    log = write_log(tmp_path_factory.mktemp("log") / "talks.jsonl", rows())
    return reply_data(read_logs([log]).dialogues, 0, {"greta": {"Greta": "first_name"}}.__getitem__)


@pytest.fixture(scope="module")
def learnt(
    data: ReplyData,
    encoders_by_space: Mapping[str, Encoder],
    encoder_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Tuned, list[Step]]:
    """A run that was killed behind its first quarter, and goes on from there with these steps."""
    output, serving = tmp_path_factory.mktemp("model") / "replies", ReplyEncoder(encoders_by_space.__getitem__)

    class KilledError(Exception):
        pass

    def kill(step: Step) -> None:
        if step.done > step.total / 4:
            raise KilledError

    with pytest.raises(KilledError):
        finetune_replies(data, output, serving, encoder_cache, epochs=EPOCHS, progress=kill)
    assert not output.exists()
    steps: list[Step] = []
    return finetune_replies(data, output, serving, encoder_cache, epochs=EPOCHS, progress=steps.append), steps


def test_it_learns_what_the_agents_of_the_shop_answer(learnt: tuple[Tuned, list[Step]]) -> None:
    tuned, steps = learnt
    assert steps[0].done > steps[0].total / 5  # it went on, and did not begin anew
    assert tuned.metrics["n"] == 4 * len(CURES)
    assert float(tuned.metrics["mrr"]) > 0.7
    assert float(tuned.metrics["mrr"]) > float(tuned.metrics["mrr_before"]) + 0.15
    assert read_manifest(tuned.model_dir, KIND).meta["gate"]["passed"]
    assert not list(tuned.model_dir.parent.glob(".*"))


def test_nothing_of_a_customer_is_in_what_is_learnt(data: ReplyData, learnt: tuple[Tuned, list[Step]]) -> None:
    templates = {pair.template for pair in data.spaces["latin"].training}
    assert "We send you a floopt for it, {first_name}." in templates
    assert not any("Greta" in each or "Dana" in each for each in templates)
    assert data.users == {"greta"}
    for path in learnt[0].model_dir.rglob("*"):
        assert not path.is_file() or b"Greta" not in path.read_bytes()


def test_it_is_promoted_through_the_gate_served_and_rolled_back(
    learnt: tuple[Tuned, list[Step]], sqlite_url: str, tmp_path: Path
) -> None:
    database = Database.connect(sqlite_url)
    registry = Registry(tmp_path, database, ENGINEER)
    assert current_replies(tmp_path) is None
    registry.promote("replies", str(learnt[0].model_dir))
    serving = current_replies(tmp_path)
    assert serving is not None
    assert serving.tuned == ("latin",)
    assert current_replies(tmp_path, serving) is serving
    assert registry.roll_back("replies").to_version == BUILT_IN
    assert current_replies(tmp_path) is None
    database.close()


def test_a_model_that_is_no_better_is_refused(
    learnt: tuple[Tuned, list[Step]],
    data: ReplyData,
    encoder_cache: Path,
    encoders_by_space: Mapping[str, Encoder],
    sqlite_url: str,
    tmp_path: Path,
) -> None:
    serving = ReplyEncoder.load(learnt[0].model_dir, encoders_by_space.__getitem__)
    base = language_model(tmp_path / "base", "latin")
    worse = finetune_replies(data, tmp_path / "worse", serving, encoder_cache, base_model=base, epochs=1)
    database = Database.connect(sqlite_url)
    with pytest.raises(GateRefusedError, match="mean reciprocal rank of 32 held-out replies"):
        Registry(tmp_path, database, ENGINEER).promote("replies", str(worse.model_dir))
    database.close()


def test_the_exported_model_says_what_the_trained_one_said(tmp_path: Path) -> None:
    torch.manual_seed(1)
    base = load_base("latin", language_model(tmp_path / "base", "latin"))
    network = ReplyNetwork(base.model)
    torch.nn.init.normal_(network.role.weight, std=0.02)
    torch.nn.init.normal_(network.gate.weight)
    folder = tmp_path / "model"
    export_replies(network, base, folder / "latin", tmp_path / "cache")
    ReplySettings({"latin": EncoderSettings(base.name, base.hash)}).save(folder)
    write_manifest(folder, KIND, {})
    exported = load_replies(folder)
    said = [
        {"role": "user", "content": f"{word(3)} {word(4)}"},
        {"role": "agent", "content": f"{word(5)} {word(6)} {word(7)}"},
        {"role": "user", "content": word(8)},
    ]
    for history in (said, said[2:]):
        tokens = tokenize(window_of(history, HISTORY), base.tokenizer, HISTORY)
        trained = vectors_of(network, [tokens], base.pad_id)[0]
        assert trained @ exported.conversation(history) > 0.998
    texts = [word(9), " ".join(map(word, range(30))), " ".join(word(n % 40) for n in range(200))]
    trained = vectors_of(network, [reply_tokens(text, base.tokenizer) for text in texts], base.pad_id)
    assert ((trained * exported.replies(texts, "latin")).sum(axis=1) > 0.998).all()
    alone = exported.conversation(said[2:])
    assert alone @ exported.conversation(said) < 0.99  # what was said before counts


def test_a_folder_that_does_not_fit_is_refused(learnt: tuple[Tuned, list[Step]], tmp_path: Path) -> None:
    for body in ("{}", '{"encoders": {"greek": {}}, "history": {}}', "no json"):
        folder = tmp_path / str(len(body))
        folder.mkdir()
        (folder / "replies.json").write_text(body)
        write_manifest(folder, KIND, {})
        with pytest.raises(Damaged, match=r"replies\.json"):
            load_replies(folder)
    assert reply_versions(tmp_path).current() is None


def test_too_few_replies_say_so(encoders_by_space: Mapping[str, Encoder], tmp_path: Path) -> None:
    few = reply_data([Dialogue("d", (Message("user", "hi"), Message("agent", "hello")))], 0)
    with pytest.raises(InvalidInput, match=r"too few replies to learn from \(latin "):
        finetune_replies(few, tmp_path / "x", ReplyEncoder(encoders_by_space.__getitem__), tmp_path)
    with pytest.raises(InvalidInput, match=r"\(none\)"):
        finetune_replies(reply_data([], 0), tmp_path / "x", ReplyEncoder(encoders_by_space.__getitem__), tmp_path)


def talk(name: str, text: str, split: str = "") -> Dialogue:
    return Dialogue(name, (Message("user", text), Message("agent", "Sure.")), split)


def test_dialogues_are_split_whole_and_near_duplicates_together() -> None:
    talks = [talk(str(n), f"{word(n)} {word(n + 1)} {word(n + 2)} is {word(n + 3)}") for n in range(30)]
    talks.append(talk("again", talks[0].messages[0].content))
    parts = split_replies(talks, 0)
    assert parts == split_replies(talks, 0)
    assert parts[0] == parts[-1]
    assert {part: parts.count(part) > 1 for part in parts} == {"train": True, "validation": True, "test": True}
    marked = split_replies(
        [talk("a", "one two three"), talk("b", "one two three", "test"), talk("c", "four five six")], 0
    )
    assert marked[:2] == ["test", "test"]
    assert split_replies([], 0) == []


def test_ranks_count_what_scores_higher_and_half_of_ties() -> None:
    pairs, _ = pairs_of(talk("a", "hi"))
    replies = np.array([[1.0, 0], [0.5, 0], [1.0, 0], [2.0, 0]], np.float32)
    assert ranks_of(pairs, np.array([[1.0, 0]], np.float32), replies, {"sure.": 0}).tolist() == [2.5]


def test_records_of_the_shop_are_slots(database: Database) -> None:
    put_customers(database, SHOP, [Customer(user_id="nora", first_name="Nora")])
    put_orders(database, SHOP, [Order(order_id="Z9", user_id="nora", status="paid", placed_at=0)])
    records = shop_records(database, None)
    assert records("nora")["Z9"] == "order_id"
    assert records("nora")["Nora"] == "first_name"
    assert records("somebody") == {}
    said = Dialogue("d", (Message("user", "hi"), Message("agent", "Z9 is yours, Nora")), user_id="nora")
    assert pairs_of(said, records)[0][0].template == "{order_id} is yours, {first_name}"
