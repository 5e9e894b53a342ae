"""Where a server may listen: nowhere that lets strangers spend its keys, or its login."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from claude_proxy.settings.fields import SettingsError

if TYPE_CHECKING:
    from claude_proxy.settings.model import Settings

# Only where nobody else could spend a key of ours: `Settings.bind`.
_EVERYWHERE = "0.0.0.0"  # noqa: S104  # nosec B104


def bind(settings: "Settings") -> tuple[str, str]:
    """The address to listen on, and why.

    Raises `SettingsError` for a public address that would let anybody spend the server's key.
    """
    if settings.host is None:
        return _safe_host(settings)
    if is_loopback(settings.host):
        return settings.host, "as set, reachable only from this machine"
    if settings.runs_cli and not settings.checks_clients:
        raise SettingsError(
            f"CLAUDE_PROXY_HOST is {settings.host}, so anybody who reaches it could use the login "
            "of your Claude Code CLI. Set CLAUDE_PROXY_AUTH_KEY (clients must show it), or "
            "CLAUDE_PROXY_HOST=127.0.0.1."
        )
    if not settings.spends:
        return settings.host, "as set; each client brings its own key"
    if settings.checks_clients:
        return settings.host, "as set; clients need CLAUDE_PROXY_AUTH_KEY"
    if settings.trust_proxy:
        return settings.host, "as set; the proxy in front is trusted to check clients"
    if not settings.fixed:
        raise SettingsError(
            f"CLAUDE_PROXY_HOST is {settings.host}, so anybody who reaches it could use the keys "
            "of [upstreams] in mode fixed: in passthrough mode clients are not checked. Set "
            "CLAUDE_PROXY_HOST=127.0.0.1, or CLAUDE_PROXY_TRUST_PROXY=true if a proxy in front "
            "checks the clients."
        )
    raise SettingsError(
        f"CLAUDE_PROXY_HOST is {settings.host}, so anybody who reaches it could use your "
        f"{settings.backing.key}. Set CLAUDE_PROXY_AUTH_KEY (clients must show it), or "
        "CLAUDE_PROXY_HOST=127.0.0.1, or CLAUDE_PROXY_TRUST_PROXY=true if a proxy in front "
        "checks the clients."
    )


def _safe_host(settings: "Settings") -> tuple[str, str]:
    if settings.runs_cli and not settings.checks_clients:
        return "127.0.0.1", "without CLAUDE_PROXY_AUTH_KEY only this machine may use the CLI"
    if not settings.spends:
        return _EVERYWHERE, "each client brings its own key"
    if settings.checks_clients:
        return _EVERYWHERE, "clients need CLAUDE_PROXY_AUTH_KEY"
    if not settings.fixed:
        return "127.0.0.1", "only this machine may use the keys of [upstreams]"
    return "127.0.0.1", "without CLAUDE_PROXY_AUTH_KEY only this machine may use your key"


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address. Names other than localhost count as public."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    # A socket for both families shows IPv4 peers as `::ffff:127.0.0.1`.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
