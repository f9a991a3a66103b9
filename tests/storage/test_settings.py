from __future__ import annotations

import re
from pathlib import Path

import pytest

from storage.consent import Consent
from storage.errors import InvalidInput
from storage.settings import DAY_MS, ShopSettings, parse_settings

WHOLE = """
currency = "CNY"
languages = ["zh", "en"]

[catalog.columns]
title = "Product name"

[intents]
warranty = "ask_policy"

[database]
url = "postgresql://aisle@localhost/aisle"

[identity]
algorithm = "HS512"
session_hours = 8

[embed]
origins = ["https://shop.example"]

[consent]
personalize = false

[tracking]
wandb_project = "intents"

[exploration]
share = 0.1

[experiment.card-order]
start = 2026-03-02
days = 28
window_days = 14
metric = "revenue"
control = "plain"

[experiment.card-order.arms.plain]
share = 0.9
order = "relevance"

[experiment.card-order.arms.taste]
share = 0.1

[privacy]
sensitive = ["Vapes", "color: pink"]

[audience]
control_share = 0.2
rest_days = 60
"""
EXPERIMENT = """
[experiment.one]
start = "2026-03-02T10:00:00+01:00"
days = 14
control = "a"
arms = {a = {share = 0.5}, b = {share = 0.5}}
"""


def test_an_empty_file_is_a_shop() -> None:
    assert parse_settings("") == parse_settings("# nothing\n") == ShopSettings()
    assert ShopSettings().consent == Consent(answer=True, personalize=True, train=False)


def test_everything_that_can_be_set() -> None:
    settings = parse_settings(WHOLE)
    assert settings.currency == "CNY"
    assert settings.languages == ("zh", "en")
    assert settings.catalog.columns == {"title": "Product name"}
    assert settings.intents == {"warranty": "ask_policy"}
    assert settings.database.url_for(Path("var")) == "postgresql://aisle@localhost/aisle"
    assert (settings.identity.algorithm, settings.identity.session_hours) == ("HS512", 8)
    assert settings.embed.origins == ("https://shop.example",)
    assert settings.consent == Consent(personalize=False)
    assert settings.tracking.wandb_project == "intents"
    assert settings.exploration.share == 0.1
    experiment = settings.experiment["card-order"]
    assert (experiment.start, experiment.end - experiment.start) == (1_772_409_600_000, 28 * DAY_MS)
    assert experiment.enrolled_until == experiment.start + 14 * DAY_MS
    assert {arm: (each.share, each.order) for arm, each in experiment.arms.items()} == {
        "plain": (0.9, "relevance"),
        "taste": (0.1, "ranked"),
    }
    assert settings.privacy.sensitive == ("Vapes", "color: pink")
    assert (settings.audience.control_share, settings.audience.rest_days) == (0.2, 60)


def test_the_database_is_in_the_shops_folder_unless_set(tmp_path: Path) -> None:
    assert ShopSettings().database.url_for(tmp_path) == f"sqlite:///{tmp_path}/aisle.db"


@pytest.mark.parametrize(
    ("text", "named", "way_out"),
    [
        ('curency = "USD"', "'curency'", "'currency'"),
        ("[catalog]\ncolums = {}", "'catalog.colums'", "'columns'"),
        ("[consent]\nsell = true", "'consent.sell'", "personalize"),
        ("[voice]\nmodel = 'x'", "'voice'", "currency"),
        ("[identity]\nsecret = 'x'", "'identity.secret'", "session_hours"),
        (EXPERIMENT + "end = 2026-01-01", "'experiment.one.end'", "window_days"),
        (EXPERIMENT.replace("share", "sahre"), "'experiment.one.arms.a.sahre'", "'share'"),
    ],
)
def test_an_unknown_key_is_named_with_the_way_out(text: str, named: str, way_out: str) -> None:
    with pytest.raises(InvalidInput) as found:
        parse_settings(text)
    assert named in found.value.message
    assert way_out in found.value.hint
    assert found.value.exit_code == 2


@pytest.mark.parametrize(
    "text",
    [
        "currency = ",
        'currency = "dollars"',
        "languages = []",
        'languages = ["French"]',
        '[identity]\nalgorithm = "none"',
        '[embed]\norigins = ["*"]',
        '[embed]\norigins = ["https://shop.example/path"]',
        "[consent]\ntrain = 'perhaps'",
        'catalog = "x"',
        "[database]\nurl = 5",
        '[tracking]\nwandb_project = "team/project"',
    ],
)
def test_impossible_values_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"shop\.toml"):
        parse_settings(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (EXPERIMENT.replace("0.5", "0.4"), "sum to 0.8, not to 1"),
        (EXPERIMENT.replace("0.5", "1.5"), "less than 1"),
        (EXPERIMENT.replace("{share = 0.5}, b", "{share = 0.5}, A b"), "TOML"),
        (EXPERIMENT.replace("b = {", "B = {"), "arms.B"),
        (EXPERIMENT.replace(", b = {share = 0.5}", ""), "arms"),
        (EXPERIMENT.replace('control = "a"', 'control = "c"'), "'c' is no arm; arms are a, b"),
        (EXPERIMENT.replace("days = 14", "days = 7"), "days must be above window_days"),
        (EXPERIMENT.replace("days = 14", "days = -3"), "experiment.one.days"),
        (EXPERIMENT.replace("2026-03-02T10:00:00+01:00", "soon"), "'soon' is not a time"),
        (EXPERIMENT.replace("one", "One"), "experiment.One"),
        (EXPERIMENT.replace("days = 14", 'days = 14\nmetric = "clicks"'), "metric"),
        (EXPERIMENT + EXPERIMENT.replace("one", "two"), "'one' and 'two' overlap"),
        ("experiment = 3", "experiment"),
        ("[privacy]\nsensitive = ['']", "privacy.sensitive"),
    ],
)
def test_an_impossible_experiment_is_refused_with_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=r"shop\.toml") as found:
        parse_settings(text)
    assert said in found.value.message


def test_experiments_may_follow_one_another() -> None:
    after = EXPERIMENT.replace("one", "two").replace("2026-03-02", "2026-03-16")
    settings = parse_settings(EXPERIMENT + after)
    assert settings.experiment["two"].start == settings.experiment["one"].end
    assert settings.experiment["one"].arms["b"].order == "ranked"


@pytest.mark.parametrize("encoding", ["gbk", "utf-16"])
def test_another_encoding_than_utf8_is_named(encoding: str) -> None:
    with pytest.raises(InvalidInput, match=r"shop\.toml is not UTF-8") as found:
        parse_settings('name = "小店"'.encode(encoding))
    assert "UTF-8" in found.value.hint


def test_the_byte_order_mark_of_windows_is_no_error() -> None:
    assert parse_settings('name = "小店"'.encode("utf-8-sig")).name == "小店"


def test_the_language_model_is_off_unless_its_section_names_one() -> None:
    assert ShopSettings().llm is None
    llm = parse_settings('[llm]\nmodel = "gpt-x"\nmay = ["phrase"]\napi_key_env = "OPENAI_API_KEY"\n').llm
    assert llm is not None
    assert (llm.provider, llm.timeout_s, llm.may, llm.base_url) == ("openai", 20.0, ("phrase",), "")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "llm.model"),
        ('model = ""', "llm.model"),
        ('model = "x"\nbase_url = "localhost:8000"', "llm.base_url"),
        ('model = "x"\napi_key_env = "sk-abc-123"', "llm.api_key_env"),
        ('model = "x"\ntimeout_s = 0', "llm.timeout_s"),
        ('model = "x"\nmay = ["write"]', "llm.may"),
        ('model = "x"\nmay = []', "llm.may"),
        ('model = "x"\nmax_calls = 0', "llm.max_calls"),
    ],
)
def test_what_a_language_model_cannot_be_set_to(text: str, named: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(named)):
        parse_settings(f"[llm]\n{text}\n")


def test_a_key_in_the_place_of_its_name_is_unknown() -> None:
    with pytest.raises(InvalidInput, match=r"unknown key 'llm\.api_key'") as found:
        parse_settings('[llm]\nmodel = "x"\napi_key = "secret"\n')
    assert "'api_key_env'" in found.value.hint
