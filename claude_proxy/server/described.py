"""What is known of an upstream that speaks Messages, beside its host's row."""

from dataclasses import replace

from claude_proxy.native import Native
from claude_proxy.profiles import Profile
from claude_proxy.routing import Route

_CAP = "max_output_tokens"


def most_tokens(own: int | None, route: Route) -> int | None:
    """The user's own limit of output tokens, and one that the upstream itself has named."""
    told = [each.value for each in (*route.learned, *route.trial) if each.field == _CAP]
    limits = [own, *told]
    return min((limit for limit in limits if isinstance(limit, int)), default=None)


def described(native: Native, profile: Profile) -> Native:
    """The host's row, with what a profile says of the model; most often the same object."""
    if not (profile.without or profile.without_betas or profile.history_thinking == "dropped"):
        return native
    return replace(
        native,
        drop_fields=(*native.drop_fields, *sorted(profile.without)),
        drop_betas=(*native.drop_betas, *sorted(profile.without_betas)),
        history_thinking=profile.history_thinking,
    )
