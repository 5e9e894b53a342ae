"""Which models an examination is about: those that its upstream serves."""

import pytest

from claude_proxy.doctor.examination import wanted_models
from claude_proxy.settings import load_settings

ENVIRON = {
    "OPENAI_API_KEY": "k" * 12,
    "BIG_MODEL": "big",
    "SMALL_MODEL": "small@lab",
    "CLAUDE_PROXY_UPSTREAMS": """{"lab": {"base_url": "http://h/v1"},
        "b": {"base_url": "http://b/v1"}}""",
}


@pytest.mark.parametrize(
    ("upstream", "models"),
    [("default", ["big"]), ("lab", ["small"]), ("b", ["big", "small"])],
)
def test_the_tiers_of_an_upstream(upstream: str, models: list[str]) -> None:
    settings = load_settings(environ=ENVIRON, trusted_folder=False)
    assert list(wanted_models(settings, (), (), upstream)) == models
