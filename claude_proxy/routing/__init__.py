"""Which upstream model serves a request. Pure: a request in, a `Route` out.

`names` knows what a model's name means, `place` where that is.
"""

from claude_proxy.routing.names import ALIASES, CLAUDE, TIERS, ModelMap
from claude_proxy.routing.place import Fallback, Route, fall_back, route

__all__ = ["ALIASES", "CLAUDE", "TIERS", "Fallback", "ModelMap", "Route", "fall_back", "route"]
