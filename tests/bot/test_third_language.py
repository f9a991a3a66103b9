"""A third language is one file: German, laid beside the two that the project ships, and spoken."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.api.requests import ChatRequest
from bot.language import foreign, language_of
from bot.reply import voice
from bot.reply.voice import Voice, languages
from bot.service import Assistant
from bot.windows.texts import language_of as window_language
from bot.windows.texts import texts
from index.money import format_money
from index.product import Availability, Money
from storage.database import Database
from storage.errors import Damaged, InvalidInput
from storage.settings import ShopSettings
from tests.bot.conftest import Conversation

GERMAN = Path(__file__).parent / "languages" / "de.toml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of languages, a copy in which a file can be laid."""
    for file in voice.FOLDER.glob("*.toml"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(voice, "FOLDER", tmp_path)
    languages.cache_clear()
    texts.cache_clear()
    yield tmp_path
    languages.cache_clear()
    texts.cache_clear()


@pytest.fixture
def german(folder: Path) -> Path:
    return Path(shutil.copy(GERMAN, folder))


@pytest.mark.parametrize(
    ("message", "before", "expected"),
    [
        ("Ich suche Kopfhörer unter 100 Dollar", "", "de"),
        ("Hallo", "", "de"),
        ("Laufschuhe Größe 42", "de", "de"),
        ("do you have headphones for the gym?", "de", "en"),
        ("有没有耳机", "de", "zh"),
        ("die hard movie poster", "", "en"),
        ("show me the cheapest headphones", "", "en"),
    ],
)
def test_it_is_told_by_its_frequent_words(german: Path, message: str, before: str, expected: str) -> None:
    assert language_of(message, before) == expected
    assert not foreign(message)


def test_without_the_file_it_is_a_foreign_language() -> None:
    assert foreign("Ich suche Kopfhörer für das Büro, bitte")
    assert "de" not in languages()


def test_a_conversation(german: Path, talk: Conversation) -> None:
    greeted = talk.say("greet", "Guten Tag")
    assert greeted.language == "de"
    assert greeted.text in languages()["de"].tables["greet"]["first"]
    found = talk.say("search", "Haben Sie schnurlose Telefone unter 100 Dollar?")
    assert found.language == "de"
    assert found.products
    assert all("phone" in card.product_id and card.price and card.price.amount <= 10_000 for card in found.products)
    assert "100\N{NO-BREAK SPACE}$" in found.text
    black = talk.say("refine", "nur schwarz bitte")
    assert [card.product_id for card in black.products] == ["phone-2"]
    asked = talk.say("ask_product", "Wie viel kostet das erste?")
    assert "49,99\N{NO-BREAK SPACE}$" in asked.text
    assert "kostet" in asked.text or "Preis" in asked.text or "für" in asked.text
    added = talk.say("cart_add", "Legen Sie das erste in den Warenkorb")
    assert added.cart is not None
    assert [line.product_id for line in added.cart.lines] == ["phone-2"]
    assert "Warenkorb" in added.text or "Hinzugefügt" in added.text
    assert talk.say("search", "有没有耳机").language == "zh"


def test_what_it_does_not_say_is_said_in_english(german: Path) -> None:
    spoken, english = Voice.of("de", "x"), Voice.of("en", "x")
    assert spoken.say("goodbye.plain") == english.say("goodbye.plain")
    # Said of many only, it is not said of one in English.
    assert "Treffer" in spoken.say("search.found_all_one", for_what="Schuhe")
    assert "found_one" not in languages()["de"].tables["search"]
    assert spoken.availability(Availability.IN_STOCK) == "auf Lager"


def test_the_window_speaks_it(german: Path) -> None:
    assert window_language("de-AT,de;q=0.9,en;q=0.8") == "de"
    assert texts("de")["send"] == "Senden"
    assert texts("de")["checkout"] == texts("en")["checkout"]
    assert texts("zh")["send"] == "发送"
    assert window_language("fr-FR,fr;q=0.9") == "en"


def test_the_glossary_leaves_all_other_words(german: Path) -> None:
    glossed = languages()["de"].glossed("Haben Sie rote Laufschuhe, bis 50 €? Unterwegs!")
    assert glossed == "do you have red Laufschuhe, up to 50 €? Unterwegs!"
    assert languages()["en"].glossed("rote Schuhe") == "rote Schuhe"


def test_a_file_that_is_no_toml_is_named(folder: Path) -> None:
    (folder / "fr.toml").write_text("[language\nname =", encoding="utf-8")
    with pytest.raises(Damaged, match=r"fr\.toml is not TOML"):
        languages()


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("de", "1.299,00\N{NO-BREAK SPACE}€"),
        ("fr", "1\N{NO-BREAK SPACE}299,00\N{NO-BREAK SPACE}€"),
        ("en", "€1,299.00"),
    ],
)
def test_money_is_written_as_the_language_does(language: str, written: str) -> None:
    assert format_money(Money(amount=129_900, currency="EUR"), language) == written


def test_a_shop_that_names_a_language_without_a_file_is_told_so(database: Database, tmp_path: Path) -> None:
    settings = ShopSettings(languages=("en", "xx"))
    with pytest.raises(InvalidInput, match="'xx', which has no file"):
        Assistant.open(tmp_path, settings, database)


def test_the_api_refuses_a_language_that_it_does_not_speak(folder: Path) -> None:
    with pytest.raises(ValidationError, match="spoken here are en, zh"):
        ChatRequest(message="hallo", language="de")
    shutil.copy(GERMAN, folder)
    languages.cache_clear()
    assert ChatRequest(message="hallo", language="de").language == "de"
