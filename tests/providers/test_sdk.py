"""Five turns with every provider from the official SDK: nothing is refused, nothing is lost."""

import itertools
from typing import Any

import anthropic
import pytest

from tests.providers.fake import Provider
from tests.providers.said import Said
from tests.providers.stage import House
from tests.providers.table import PROVIDERS
from tests.providers.talk import ANSWERS, ask, check_answer, check_history, converse

Json = dict[str, Any]

EACH = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
WANTING = [each for each in PROVIDERS if each.wire and each.back != "unchecked"]
HELLO: list[Json] = [{"role": "user", "content": "hello"}]


@STREAMED
@EACH
def test_five_turns(house: House, provider: Provider, streamed: bool) -> None:
    with house.staged(provider, *ANSWERS) as stage:
        converse(stage, streamed)
        check_history(stage)


@STREAMED
@pytest.mark.parametrize("provider", WANTING, ids=lambda provider: provider.name)
def test_reasoning_comes_back_for_clients_that_drop_it(
    house: House, provider: Provider, streamed: bool
) -> None:
    """As long as the model works: what is remembered is found by the calls it led to."""
    with house.staged(provider, *ANSWERS, remembers=True) as stage:
        converse(stage, streamed, range(4), keep=lambda block: block["type"] != "thinking")


@pytest.mark.parametrize(
    ("before", "provider"),
    [*itertools.pairwise((PROVIDERS[-1], *PROVIDERS))],
    ids=lambda provider: provider.name,
)
def test_a_conversation_goes_on_at_another_provider(
    house: House, before: Provider, provider: Provider
) -> None:
    with house.staged(before, *ANSWERS) as stage:
        begun = converse(stage, True, range(2))
    with house.staged(provider, *ANSWERS, strangers=2) as stage:
        converse(stage, True, range(2, 5), begun)
        check_history(stage)


@EACH
def test_a_demanded_call_is_not_refused(house: House, provider: Provider) -> None:
    """With thinking on, as a client may ask that knows nothing of the provider."""
    said = Said("I have to.", "", (("list_files", {}),))
    demand = {"type": "tool", "name": "list_files"}
    with house.staged(provider, said) as stage:
        message = ask(stage, HELLO, streamed=True, tool_choice=demand)
        check_answer(message, 0, said, provider)


@EACH
def test_a_form_of_the_answer_is_not_refused(house: House, provider: Provider) -> None:
    """It is enforced or told: of each provider in the way that it takes."""
    properties = {"n": {"type": "integer", "exclusiveMinimum": 0}, "kind": {"const": "a"}}
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    form = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    said = Said("A number.", '{"n": 1, "kind": "a"}')
    with house.staged(provider, said) as stage:
        message = ask(stage, HELLO, streamed=True, tools=[], extra_body=form)
        check_answer(message, 0, said, provider)
        assert "kind" in stage.upstream.last.body.decode()


@EACH
def test_a_picture_with_a_url_is_sent_or_told(house: House, provider: Provider) -> None:
    url = "https://pictures.example/red.png"
    picture = {"type": "image", "source": {"type": "url", "url": url}}
    said = Said("It is red.", "Red.")
    with house.staged(provider, said) as stage:
        message = ask(stage, [{"role": "user", "content": [picture]}], streamed=True)
        check_answer(message, 0, said, provider)
        assert url in stage.upstream.last.body.decode()


def test_a_field_that_mistral_does_not_know_is_told(house: House) -> None:
    provider = next(each for each in PROVIDERS if each.name == "mistral")
    with house.staged(provider) as stage:
        stage.upstream.answer(lambda _: provider.refuse("unknown field widget"))
        with pytest.raises(anthropic.APIStatusError, match="unknown field widget") as raised:
            ask(stage, HELLO, streamed=False)
    assert raised.value.status_code in (400, 422)


@STREAMED
@EACH
def test_a_refusal_is_told_in_its_words(house: House, provider: Provider, streamed: bool) -> None:
    with house.staged(provider) as stage:
        stage.upstream.answer(lambda _: provider.refuse("the widget is broken"))
        with pytest.raises(anthropic.BadRequestError, match="the widget is broken"):
            ask(stage, HELLO, streamed)
