"""What the command line makes of `[llm]`: nothing where it is not set, a line with the way out where it cannot be used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from launch import adviser_of
from storage.errors import InvalidInput, Unavailable
from storage.settings import LlmSettings, ShopSettings


def with_llm(**values: object) -> ShopSettings:
    return ShopSettings(llm=LlmSettings.model_validate({"model": "m", **values}))


def test_without_the_section_its_framework_is_not_imported() -> None:
    script = (
        "import sys, launch, bot.service, bot.api.app\n"
        "from storage.settings import ShopSettings\n"
        "assert launch.adviser_of(ShopSettings()) is None\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'langchain', 'langchain_core', 'langgraph', 'openai'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_key_is_read_from_the_variable_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = with_llm(api_key_env="AISLE_TEST_KEY", base_url="http://127.0.0.1:9/v1")
    monkeypatch.delenv("AISLE_TEST_KEY", raising=False)
    with pytest.raises(Unavailable, match="AISLE_TEST_KEY") as found:
        adviser_of(settings)
    assert "export AISLE_TEST_KEY" in found.value.hint
    monkeypatch.setenv("AISLE_TEST_KEY", "secret")
    adviser = adviser_of(settings)
    assert adviser is not None
    assert adviser.model.name == "openai:m"


def test_a_provider_that_does_not_exist_or_is_not_installed_is_named() -> None:
    with pytest.raises(InvalidInput, match="nobody"):
        adviser_of(with_llm(provider="nobody"))
    with pytest.raises(Unavailable, match="langchain-mistralai"):
        adviser_of(with_llm(provider="mistralai"))
