"""Five turns with every provider from the official SDK: nothing is refused, nothing is lost."""

from typing import Any

import anthropic
import pytest

from tests.providers.fake import Provider
from tests.providers.said import Said
from tests.providers.stage import House
from tests.providers.table import PROVIDERS
from tests.providers.talk import ANSWERS, ask, check_answer, converse

Json = dict[str, Any]

each = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
HELLO: list[Json] = [{"role": "user", "content": "hello"}]


@STREAMED
@each
def test_five_turns(house: House, provider: Provider, streamed: bool) -> None:
    with house.staged(provider, *ANSWERS) as stage:
        converse(stage, streamed)


@each
def test_a_demanded_call_is_not_refused(house: House, provider: Provider) -> None:
    """With thinking on, as a client may ask that knows nothing of the provider."""
    said = Said("I have to.", "", (("list_files", {}),))
    demand = {"type": "tool", "name": "list_files"}
    with house.staged(provider, said) as stage:
        message = ask(stage, HELLO, streamed=True, tool_choice=demand)
        check_answer(message, 0, said, provider)


@STREAMED
@each
def test_a_refusal_is_told_in_its_words(house: House, provider: Provider, streamed: bool) -> None:
    with house.staged(provider) as stage:
        stage.upstream.answer(lambda _: provider.refuse("the widget is broken"))
        with pytest.raises(anthropic.BadRequestError, match="the widget is broken"):
            ask(stage, HELLO, streamed)
