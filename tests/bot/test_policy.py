from __future__ import annotations

import pytest

from bot.labels import LABELS
from bot.policy import TASKS, Decision, check_actions, decide
from bot.state import DialogueState, Item, Pending, Topic
from bot.tasks import run  # noqa: F401  # the tasks that decisions name must import
from index.filters import Filters, PriceRange
from retrieval.understanding import Understanding
from storage.errors import InvalidInput

UNDER_50 = Filters(price=PriceRange(max=5000, currency="USD"))
TALK = DialogueState(turns=2, topic=Topic(query="kettle"), shown=(Item(product_id="a"), Item(product_id="b")))


def decided(
    label: str,
    understanding: Understanding,
    message: str = "…",
    state: DialogueState = TALK,
    sure: float = 0.95,
    oos: bool = False,
) -> Decision:
    return decide(state, label, sure, oos, understanding, message)


@pytest.mark.parametrize("label", [label for label in LABELS if label != "accept"])
def test_a_sure_label_names_its_task(label: str) -> None:
    words = Understanding(query="kettle", refining=False)
    assert decided(label, words, "a kettle").task == label


@pytest.mark.parametrize("label", ["chitchat", "greet", "search", "recommend", "ask_product", "out_of_scope"])
def test_plain_conditions_win_over_a_doubtful_model(label: str) -> None:
    words = Understanding(query="", filters=UNDER_50, refining=True)
    assert decided(label, words, "under 50", sure=0.3, oos=label == "out_of_scope").task == "refine"


def test_without_a_topic_plain_conditions_with_words_are_a_search() -> None:
    words = Understanding(query="kettle", filters=UNDER_50)
    assert decided("chitchat", words, "kettle under 50", DialogueState(), 0.3).task == "search"


def test_a_position_alone_shows_that_product() -> None:
    words = Understanding(query="", ordinals=(2,), refining=True)
    assert decided("refine", words, "the second one").task == "show_again"
    assert decided("chitchat", words, "the second one", sure=0.2).task == "show_again"
    assert decided("cart_add", words, "the second one", sure=0.4) == Decision("cart_add", doubtful=True)
    assert decided("cart_add", words, "the second one", sure=0.9) == Decision("cart_add", doubtful=True)
    assert decided("cart_add", words, "add the second one", sure=0.9) == Decision("cart_add")
    assert decided("cart_add", words, "what about the second one?", sure=0.94).task == "show_again"
    assert decided("cart_add", words, "刚才的第二个呢", sure=0.94).task == "show_again"


@pytest.mark.parametrize(
    ("message", "task"),
    [("看看购物车", "cart_view"), ("show me my cart", "cart_view"), ("购物车里有什么", "cart_view"),
     ("你好", "greet"), ("谢谢！", "thank"),
     ("bye bye", "goodbye")],
)  # fmt: skip
def test_fixed_phrases_settle_a_doubt(message: str, task: str) -> None:
    assert decided("cart_add", Understanding(query=""), message, sure=0.5).task == task
    assert decided("cart_add", Understanding(query=""), message, sure=0.9).task == "cart_add"


@pytest.mark.parametrize(
    "message", ["show me more", "more please", "any others?", "what else", "还有吗", "换一批", "再来几个"]
)
def test_more_of_the_same(message: str) -> None:
    words = Understanding(query="", refining=True)
    assert decided("refine", words, message).task == "more"
    assert decided("search", words, message, DialogueState()).task != "more"


@pytest.mark.parametrize("message", ["more expensive", "more colors", "a kettle with more power", "还有别的颜色吗"])
def test_not_every_more_is_that(message: str) -> None:
    assert decided("refine", Understanding(query="x"), message).task == "refine"


@pytest.mark.parametrize("message", ["yes", "Yes please!", "ok", "sure, go ahead", "好的", "可以", "嗯"])
def test_yes_accepts_what_is_pending_whatever_the_model_says(message: str) -> None:
    pending = Pending(kind="relax", field="price")
    state = DialogueState(pending=pending)
    assert decided("chitchat", Understanding(query=""), message, state, 0.3) == Decision("accepted", pending)


@pytest.mark.parametrize("message", ["no", "No thanks.", "nope", "不用了", "算了"])
def test_no_rejects_what_is_pending(message: str) -> None:
    pending = Pending(kind="handoff")
    assert decided("greet", Understanding(query=""), message, DialogueState(pending=pending), 0.3) == Decision(
        "reject", pending
    )


def test_a_no_with_a_condition_is_a_refinement() -> None:
    words = Understanding(query="", filters=UNDER_50, refining=True)
    assert decided("reject", words, "no, something under 50").task == "refine"


@pytest.mark.parametrize(
    ("message", "choice"),
    [
        ("the blue one", 1),
        ("XL please", 2),
        ("L", 0),
        ("extra", None),
        ("blue or L", None),
        ("not blue", None),
        ("the L, not the blue one", 0),
        ("not L but XL", 2),
        ("no, blue", 1),
        ("anything without blue", None),
    ],
)
def test_options_of_a_question_are_matched_as_whole_words(message: str, choice: int | None) -> None:
    pending = Pending(kind="variant", options=("L", "blue", "XL"))
    decision = decided("search", Understanding(query="x"), message, DialogueState(pending=pending))
    assert (decision.choice if decision.task == "resolved" else None) == choice


@pytest.mark.parametrize(
    ("message", "dropped", "choice"),
    [("the price can give", (), 0), ("forget the budget", ("price",), 0), ("it need not be Arbor", (), 1),
     ("价格无所谓", (), 2), ("hmm", (), None), ("price or brand", (), None)],
)  # fmt: skip
def test_which_condition_may_give_is_answered_in_words(
    message: str, dropped: tuple[str, ...], choice: int | None
) -> None:
    options = ("Price: under $10.00", "Brand: by Arbor", "价格: 50元以内")
    pending = Pending(kind="relax", fields=("price", "brand", "more"), options=options)
    words = Understanding(query="", dropped=dropped)
    decision = decided("refine", words, message, DialogueState(pending=pending))
    assert (decision.choice if decision.task == "resolved" else None) == choice


def test_a_position_picks_an_option() -> None:
    pending = Pending(kind="variant", options=("40", "41", "42"))
    words = Understanding(query="", ordinals=(-1,))
    assert decided("refine", words, "the last", DialogueState(pending=pending)) == Decision("resolved", pending, 2)


def test_a_question_does_not_trap_who_changes_the_subject() -> None:
    pending = Pending(kind="variant", options=("40", "41"))
    words = Understanding(query="return policy")
    assert (
        decided("ask_policy", words, "what is your return policy?", DialogueState(pending=pending)).task == "ask_policy"
    )


def test_out_of_scope_stands_where_the_words_say_nothing() -> None:
    assert (
        decided("search", Understanding(query="poem about rain"), "write a poem about rain", oos=True).task
        == "out_of_scope"
    )


def test_a_bare_name_of_a_product_is_a_search() -> None:
    def task(message: str, query: str, sold: str) -> str:
        return decide(
            TALK, "chitchat", 0.4, True, Understanding(query=query), message, names_product=lambda words: words == sold
        ).task

    assert task("跑鞋", "跑鞋", sold="跑鞋") == "search"
    assert task("跑鞋", "跑鞋", sold="水杯") == "out_of_scope"
    assert task("write a poem about the kettle", "kettle", sold="kettle") == "out_of_scope"


def test_a_shops_own_labels_are_mapped_and_unknown_actions_refused() -> None:
    mapping = check_actions({"where_is_my_parcel": "order_status"})
    decision = decide(DialogueState(), "where_is_my_parcel", 0.9, False, Understanding(query=""), "parcel?", mapping)
    assert decision.task == "order_status"
    assert decide(DialogueState(), "unmapped", 0.9, False, Understanding(query=""), "?", mapping).task == "out_of_scope"
    with pytest.raises(InvalidInput, match="order_status"):
        check_actions({"a": "fly"})


def test_every_label_is_a_task_or_a_consent() -> None:
    assert set(LABELS) - set(TASKS) == {"accept"}


@pytest.mark.parametrize(
    "message",
    [
        "what goes with this?",
        "accessories for it",
        "complete the look with this one",
        "这个可以搭配什么",
        "这款配什么好",
        "需要什么配件",
    ],
)
def test_what_goes_with_a_product_is_asked_in_words(message: str) -> None:
    pointing = Understanding(query="accessories", deixis=True)
    for label in ("recommend", "search", "ask_product", "out_of_scope"):
        assert decided(label, pointing, message, oos=label == "out_of_scope").task == "companions"
    assert decided("cart_add", pointing, message).task == "cart_add"
    # With nothing shown it is asked which one is meant, unless a name stands behind "this".
    alone = Understanding(query="", deixis=True)
    assert decided("recommend", alone, message, DialogueState()).task == "companions"
    named = Understanding(query="kitchen table", deixis=True)
    assert decided("recommend", named, message, DialogueState()).task == "recommend"
    assert decided("search", Understanding(query="phone accessories"), "phone accessories").task == "search"


@pytest.mark.parametrize(
    ("message", "query", "task"),
    [("do you have prams?", "prams", "search"), ("Hi, do you sell prams", "prams", "search"), ("got any prams", "prams", "search"),
     ("你们有童车吗", "童车", "search"), ("有没有童车", "童车", "search"),
     ("do you have feelings?", "feelings", "chitchat"), ("my prams are funny", "prams", "chitchat"),
     ("你有名字吗", "名字", "chitchat")],
)  # fmt: skip
def test_small_talk_about_what_the_shop_sells_is_a_search(message: str, query: str, task: str) -> None:
    sold = {"prams", "童车"}
    words = Understanding(query=query)
    assert decide(DialogueState(), "chitchat", 0.9, False, words, message, names_product=sold.__contains__).task == task


@pytest.mark.parametrize(
    ("topic", "query", "message", "task"),
    [("running shoes", "dress", "black dress size M", "search"), ("耳机", "连衣裙", "黑色连衣裙 M码", "search"),
     ("sofas", "dress", "a dress in black", "search"),
     ("dress", "bag", "black, with a bag", "refine"), ("连衣裙", "包", "要带包的", "refine"),
     ("shoes", "sneakers", "sneakers under $50", "refine"), ("couch", "sofa", "a grey sofa", "refine"),
     ("running shoes", "running shoes", "running shoes size 42", "refine"), ("kettle", "", "in black", "refine")],
)  # fmt: skip
def test_other_goods_than_the_talk_is_about_start_a_search(topic: str, query: str, message: str, task: str) -> None:
    state = DialogueState(turns=2, topic=Topic(query=topic), shown=TALK.shown)
    assert decided("refine", Understanding(query=query), message, state).task == task
