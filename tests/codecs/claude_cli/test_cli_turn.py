"""One answer of the CLI, as its lines tell it."""

from claude_proxy.codecs.claude_cli.turn import Turn


def test_all_called_tools_are_known_by_the_names_that_the_cli_writes() -> None:
    turn = Turn(structured=False)
    turn.content = [
        {"type": "text", "text": "Both."},
        {"type": "tool_use", "id": "toolu_1", "name": "mcp__px__look", "input": {}},
        {"type": "tool_use", "id": "toolu_2", "name": "Bash", "input": {}},
    ]
    assert turn.called == {"mcp__px__look", "Bash"}
    assert turn.calls == {"toolu_1"}
