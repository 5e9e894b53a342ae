"""Which upstream model serves a request. Pure: a request in, a `Route` out.

`names` knows what a model's name means and `agents` who asks; `rules` are the user's own, and
`router` joins them. `asked` reads of a request what a rule wants to know, and nothing before.
"""

from claude_proxy.routing.agents import NOBODY, Agent, Definition, Definitions
from claude_proxy.routing.asked import SIDE_CALLS, Asked
from claude_proxy.routing.names import ALIASES, CLAUDE, DEFAULT, TIERS, Fallback, ModelMap
from claude_proxy.routing.place import Route, fall_back, route
from claude_proxy.routing.router import Choice, Looked, Router
from claude_proxy.routing.rules import People, Rule, Strangers, conditions

__all__ = [
    "ALIASES",
    "CLAUDE",
    "DEFAULT",
    "NOBODY",
    "SIDE_CALLS",
    "TIERS",
    "Agent",
    "Asked",
    "Choice",
    "Definition",
    "Definitions",
    "Fallback",
    "Looked",
    "ModelMap",
    "People",
    "Route",
    "Router",
    "Rule",
    "Strangers",
    "conditions",
    "fall_back",
    "route",
]
