"""`client.models` of the official Python SDK."""

from collections.abc import Iterator

import anthropic
import pytest
from anthropic import Anthropic

from tests.conftest import LiveServer, running, settings_for
from tests.sdk.conftest import VARIABLES
from tests.upstream import Upstream, serving


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with serving(Upstream()) as upstream:
        yield upstream


@pytest.fixture
def live(upstream: Upstream) -> Iterator[LiveServer]:
    """A server for one test: the list of models is kept for a minute."""
    with running(settings_for(upstream, **VARIABLES)) as server:
        yield server


def test_tiers_come_first_and_then_what_the_upstream_has(client: Anthropic) -> None:
    ids = [model.id for model in client.models.list()]
    assert all(id.startswith("claude-") for id in ids[:3])
    assert {"scripted-large", "scripted-small"} <= set(ids[3:])


def test_pages_join_to_the_whole_list(client: Anthropic, upstream: Upstream) -> None:
    upstream.models = [f"model-{n}" for n in range(7)]
    whole = [model.id for model in client.models.list(limit=1000)]
    first = client.models.list(limit=2)
    assert len(first.data) == 2
    assert first.has_next_page()
    assert [model.id for model in client.models.list(limit=2)] == whole
    assert len(whole) == len(set(whole)) == 3 + 2 + 7


def test_page_before_an_id_ends_there(client: Anthropic) -> None:
    whole = [model.id for model in client.models.list()]
    page = client.models.list(limit=2, before_id=whole[3])
    assert [model.id for model in page.data] == whole[1:3]


@pytest.mark.parametrize("id", ["scripted-large", "vendor/model:free"])
def test_model_is_found_by_its_id(client: Anthropic, upstream: Upstream, id: str) -> None:
    upstream.models.append("vendor/model:free")
    model = client.models.retrieve(id)
    assert (model.id, model.type) == (id, "model")
    assert model.display_name


def test_unknown_model_is_not_found(client: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("no-such-model")
