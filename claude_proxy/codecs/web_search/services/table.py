"""All services: what the settings can name."""

from collections.abc import Mapping

from claude_proxy.codecs.web_search.services import Service
from claude_proxy.codecs.web_search.services.brave import BRAVE
from claude_proxy.codecs.web_search.services.searxng import SEARXNG
from claude_proxy.codecs.web_search.services.tavily import TAVILY

SERVICES: Mapping[str, Service] = {each.name: each for each in (SEARXNG, BRAVE, TAVILY)}
"""By name, in the order in which one is chosen where several are set."""
