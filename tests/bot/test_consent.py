"""What a customer does not allow is not done: not in answers, not in their order, not in what is learnt."""

from __future__ import annotations

import pytest

from bot.desk.desk import Desk
from bot.desk.reply_book import ReplyBook
from bot.desk.slots import facts_of
from bot.desk.words import desk_voice
from bot.service import Assistant
from bot.windows import render
from bot.windows.customer import CustomerWindow, Talk
from bot.windows.texts import texts
from storage.consent import Consent, consent_of, set_consent
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.errors import NotFound
from storage.principal import Principal, Role
from storage.tickets import answer, claim, close, hand_to_team
from tests.bot.conftest import Conversation
from tests.bot.desk.cases import AGENT, adds, asked_a_person, named, ordered, seen
from tests.bot.test_service import looked_at

DEFAULT = Consent()


@pytest.mark.parametrize("refused", [Consent(answer=False), Consent(personalize=False)])
def test_cards_come_in_the_order_of_a_stranger(assistant: Assistant, database: Database, refused: Consent) -> None:
    fond, stranger = (Principal(id=name, role=Role.CUSTOMER) for name in ("fond", "stranger"))

    def order(who: Principal) -> list[dict[str, object]]:
        """Cards with their reasons."""
        found: list[dict[str, object]] = assistant.search("kettle", limit=30, principal=who)["products"]
        return found

    plain = order(stranger)
    looked_at(database, fond, *[str(plain[-1]["product_id"])] * 6)
    assert assistant.profile(fond).beliefs
    assert order(fond) != plain, "or nothing is shown"
    set_consent(database, fond, "fond", refused)
    assert order(fond) == plain
    assert assistant.profile(fond).beliefs == ()
    assert assistant._profile_of(fond, "fond").empty
    assert assistant.position(fond) == assistant.position(stranger)
    assert assistant._due_of(fond, "fond") is None


class TestAtTheDesk:
    def test_proposals_are_filled_with_what_the_customer_named_alone(
        self, talk: Conversation, database: Database
    ) -> None:
        named(database)
        ordered(database, "A-1001")
        talk.say("cart_add", "add the Hearthway gooseneck kettle to my cart")
        assert {"first_name", "order_id", "cart_total"} <= set(facts_of(asked_a_person(talk), desk_voice("en")))
        set_consent(database, talk.principal, talk.principal.id, Consent(answer=False))
        assert set(facts_of(seen(talk), desk_voice("en"))) <= {"shop", "product", "price"}
        adds(talk, "agent", "Is it A-1001?")
        assert "order_id" not in facts_of(seen(talk), desk_voice("en")), "that an agent names one is no question for it"
        adds(talk, "user", "where is A-1001?")
        facts = facts_of(seen(talk), desk_voice("en"))
        assert facts["order_id"] == "A-1001"
        assert "first_name" not in facts

    def test_a_choice_shows_in_the_rows_at_once(self, talk: Conversation, database: Database) -> None:
        desk = Desk(talk.assistant)
        talk.say("greet", "hello")
        asked_a_person(talk)
        desk.queue(AGENT)
        assert desk._rows._kept
        talk.assistant.set_consent(talk.principal, Consent(personalize=False))
        assert not desk._rows._kept
        assert talk.id is not None
        view = desk.case(AGENT, talk.id).customer
        assert view.consent == {"answer": True, "personalize": False, "train": False}
        assert (view.beliefs, view.churn) == ((), "")


class TestPastReplies:
    def resolved(self, database: Database, who: Principal, said: str) -> str:
        talk = start(database, who)
        append(database, who, talk, [Turn(role="user", content="it came broken")])
        hand_to_team(database, who, talk)
        claim(database, AGENT, talk)
        answer(database, AGENT, talk, Turn(role="agent", content=said, data={"agent": AGENT.id}))
        close(database, AGENT, talk, "solved")
        return talk

    def test_a_reply_is_out_with_the_very_next_message(self, assistant: Assistant, database: Database) -> None:
        nora, omar = (Principal(name, Role.CUSTOMER) for name in ("nora", "omar"))
        hers = self.resolved(database, nora, "I am sorry. Please send us a photo of what broke.")
        his = self.resolved(database, omar, "You can send it back within thirty days for nothing.")
        for who in (nora, omar):
            set_consent(database, who, who.id, Consent(train=True))
        book = ReplyBook(assistant)
        book.renew()
        asked = [{"role": "user", "content": "it came broken"}]
        assert {each.source_dialogue for each in book.suggest(asked, 3)} == {hers, his}
        assert len(book.suggest(asked, 1)) == 1
        # Not through this assistant: another process may have taken the choice.
        set_consent(database, nora, "nora", Consent(train=False))
        assert {each.source_dialogue for each in book.suggest(asked, 3)} == {his}
        book.renew()
        assert {each.source_dialogue for each in book.suggest(asked, 3)} == {his}
        set_consent(database, omar, "omar", Consent(train=False))
        assert list(book.suggest(asked, 3)) == []


class TestInTheWindow:
    def press(self, assistant: Assistant, who: Principal, **data: str) -> None:
        CustomerWindow._do(_Window(assistant), who, {"act": "consent", **data}, Talk())  # type: ignore[arg-type]

    def test_a_switch_is_a_choice_given_in_the_window(self, assistant: Assistant, shopper: Principal) -> None:
        self.press(assistant, shopper, purpose="train", value="on")
        self.press(assistant, shopper, purpose="answer", value="off")
        chosen = assistant.consent(shopper)
        assert (chosen.answer, chosen.personalize, chosen.train) == (False, False, True)
        assert [each.source for each in chosen.history] == ["window", "window"]

    @pytest.mark.parametrize("data", [{}, {"purpose": "everything", "value": "on"}])
    def test_what_a_page_makes_up_does_nothing(
        self, assistant: Assistant, shopper: Principal, data: dict[str, str]
    ) -> None:
        self.press(assistant, shopper, **data)
        assert not assistant.consent(shopper).chosen

    def test_who_works_for_the_shop_has_no_choice_of_a_customer(self, assistant: Assistant) -> None:
        with pytest.raises(NotFound):
            self.press(assistant, AGENT, purpose="train", value="on")

    @pytest.mark.parametrize("language", ["en", "zh"])
    def test_each_purpose_is_a_switch_with_a_name_and_a_meaning(
        self, assistant: Assistant, shopper: Principal, language: str
    ) -> None:
        words = texts(language)
        assistant.set_consent(shopper, Consent(train=True))
        shown = render.profile(assistant.profile(shopper), assistant.consent(shopper), language)
        assert shown.count('role="switch"') == shown.count("data-act=") == 3
        assert shown.count('aria-checked="true"') == 3
        for purpose in Consent.model_fields:
            assert words[f"consent_{purpose}"] in shown
            assert words[f"consent_{purpose}_about"] in shown
            assert f'aria-labelledby="consent-{purpose}"' in shown
            assert f'aria-describedby="consent-{purpose}-about"' in shown
        assert words["profile_empty"] in shown
        assistant.set_consent(shopper, Consent(answer=False))
        off = render.profile(assistant.profile(shopper), assistant.consent(shopper), language)
        assert off.count('aria-checked="false"') == 3
        assert off.count('aria-disabled="true"') == 1, "a profile is of no use without answers"
        assert off.count("data-act=") == 2
        assert words["profile_off"] in off


class _Window:
    """What a button of the window needs of it."""

    def __init__(self, assistant: Assistant) -> None:
        self.assistant = assistant


def test_a_choice_in_a_conversation_of_the_backend_is_the_shoppers(assistant: Assistant, database: Database) -> None:
    backend = Principal("shop", Role.SERVICE)
    assistant.set_consent(backend, Consent(train=True), "maya")
    assert consent_of(database, Principal("maya", Role.CUSTOMER), "maya", DEFAULT).train
    with pytest.raises(NotFound):
        assistant.consent(Principal("maya", Role.CUSTOMER), "nora")
