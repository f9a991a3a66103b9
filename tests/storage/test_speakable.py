"""Which answers may be given to another customer."""

from __future__ import annotations

import pytest

from storage.speakable import problem_of

QUESTION = {"en": "Do you have a loyalty program?", "zh": "你们有会员制度吗？"}


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Do you offer gift wrapping?", "Yes, choose gift wrapping in the cart."),
        ("How long can I return things?", "You can return unused items within 30 days."),
        ("When are you open?", "Monday to Friday from 9 to 18."),
        ("Can I collect my things in store?", "Choose pickup at checkout; we keep the parcel for seven days."),
        ("How do I delete my account?", "Choose privacy on the page of your profile."),
        ("Do you repair products that you sold?", "Our workshop repairs everything we sell."),
        ("Is it possible to pay monthly?", "Larger orders can be paid in three instalments."),
        ("Are toys tested?", "Every toy is tested after EN 71 and carries the CE mark."),
        ("你们几点营业？", "周一到周五九点到六点营业。"),
        ("多久能退货？", "签收后30天内可以退货。"),
        ("旧电池可以回收吗？", "每个柜台都有回收箱，免费。"),
    ],
)
def test_what_holds_for_everybody_may_be_given(question: str, answer: str) -> None:
    language = "en" if question.isascii() else "zh"
    assert problem_of(question, answer, language) is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("Write to REDACTED_EMAIL and we will see.", "personal data"),
        ("See https://shop.example/loyalty for that.", "a link"),
        ("Read [the page](evil) about it, please.", "a link"),
        ("Members pay $9.90 a year for it.", "a price"),
        ("Membership costs 10 euros a year.", "a price"),
        ("You get 20% off with every order.", "a discount"),
        ("Order A100234 earned the points.", "one case"),
        ("Ticket #4711 has the details of it.", "one case"),
        ("It starts tomorrow in all stores.", "a date"),
        ("It starts on 3 May in all stores.", "a date"),
        ("Hi Anna, there is one, with points.", "a name"),
        ("Mr. Smith looks after the program.", "a name"),
        ("Your order has earned points already.", "records"),
        ("I have just checked, there are points.", "records"),
        ("Only 3 left, so join the club soon.", "stock"),
        ("Which of our clubs do you mean?", "asks back"),
        ("Let me check that with a colleague.", "puts off"),
        ("Yes, we do.", "too short"),
        ("x" * 1001, "longer"),
    ],
)
def test_what_holds_for_one_customer_or_one_day_is_refused(answer: str, reason: str) -> None:
    problem = problem_of(QUESTION["en"], answer, "en")
    assert problem is not None
    assert reason in problem


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("会员每年收费99元哦。", "a price"),
        ("订单号A10023可以积分。", "one case"),
        ("明天开始所有门店都有。", "a date"),
        ("5月1日开始就有会员了。", "a date"),
        ("张女士负责会员这一块。", "a name"),
        ("您的订单已经积过分了。", "records"),
        ("现在库存不多，赶紧入会。", "stock"),
        ("稍等，我去查一下会员。", "puts off"),
        ("您问的是哪一种会员？", "asks back"),
        ("会员全场8折，随便买。", "a discount"),
        ("有的。", "too short"),
    ],
)
def test_chinese_alike(answer: str, reason: str) -> None:
    problem = problem_of(QUESTION["zh"], answer, "zh")
    assert problem is not None
    assert reason in problem


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Does it come in blue?", "en"),
        ("Where is my order?", "en"),
        ("why?", "en"),
        ("这款防水吗？", "zh"),
        ("我的快递到哪了", "zh"),
    ],
)
def test_a_question_must_stand_alone(question: str, language: str) -> None:
    assert problem_of(
        question, "Yes, that is how we do it here." if language == "en" else "是的，我们都是这样。", language
    )
