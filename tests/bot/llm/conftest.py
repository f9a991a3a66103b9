from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from bot.llm.advise import Adviser
from bot.llm.agent import LangChainModel
from bot.parts import Parts
from bot.service import Assistant
from storage.conversations import Turn, turns_of
from storage.database import Database
from storage.principal import Principal
from storage.settings import LlmSettings, OrderSettings
from tests.bot.conftest import SETTINGS, Conversation, ToldIntents
from tests.bot.llm.server import ModelServer, Respond

KEY = "key-of-the-test"


class Advised(Conversation):
    """A talk with an assistant that asks the model of a server of this test."""

    def __init__(
        self, assistant: Assistant, intents: ToldIntents, principal: Principal, server: ModelServer, adviser: Adviser
    ) -> None:
        super().__init__(assistant, intents, principal)
        self.server, self.adviser = server, adviser

    @property
    def last(self) -> Turn:
        """The latest turn as it is stored."""
        assert self.id is not None
        return turns_of(self.assistant.database, self.principal, self.id)[-1]

    @property
    def record(self) -> dict[str, Any]:
        """What is stored of the model's part in it."""
        record: dict[str, Any] = self.last.data["llm"]
        return record


@pytest.fixture
def advised(
    parts: Parts, database: Database, intents: ToldIntents, shopper: Principal
) -> Iterator[Callable[..., Advised]]:
    """Call it with what the model says, and with settings that are not the usual; `shop` of another catalog, another shopper."""
    with ExitStack() as stack:

        def begin(
            respond: Respond,
            principal: Principal = shopper,
            shop: Parts = parts,
            rules: OrderSettings = SETTINGS.orders,
            **changes: Any,
        ) -> Advised:
            server = stack.enter_context(ModelServer(respond).running())
            settings = LlmSettings(model="stub", base_url=server.url, **{"timeout_s": 20.0, **changes})
            adviser = Adviser(LangChainModel.open(settings, KEY), settings)
            url = "https://shop.example/checkout/{cart_id}"
            assistant = Assistant(shop, SETTINGS.model_copy(update={"orders": rules}), database, url, adviser=adviser)
            stack.callback(assistant.close)
            return Advised(assistant, intents, principal, server, adviser)

        yield begin
