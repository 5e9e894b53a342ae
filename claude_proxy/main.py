"""`app` for gunicorn and uvicorn: `gunicorn claude_proxy.main:app`.

Built on first access (PEP 562), so that importing this module reads no environment.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.applications import Starlette

    app: Starlette


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from claude_proxy.server.app import create_app
    from claude_proxy.server.logs import configure_logs
    from claude_proxy.server.reload import given
    from claude_proxy.settings import load_settings

    settings = given() or load_settings()
    settings.bind()
    configure_logs(settings)
    globals()["app"] = create_app(settings)
    return globals()["app"]
