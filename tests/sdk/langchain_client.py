"""Checks our server with LangChain's client for OpenAI.

    python langchain_client.py BASE_URL KEY

Runs in an environment of its own. Fails by an assertion; says "LANGCHAIN-OK" at the end.
"""

import sys

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


@tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


class Number(BaseModel):
    """A number."""

    number: int


def main(url: str, key: str) -> None:
    chat = ChatOpenAI(model="gpt-4o", base_url=f"{url}/v1", api_key=key, max_retries=0)
    answer = chat.invoke("text")
    assert answer.content == "one two", answer
    assert answer.usage_metadata["total_tokens"] > 20, answer

    pieces = list(chat.stream("text", stream_usage=True))
    assert "".join(piece.content for piece in pieces) == "one two", pieces
    assert any(piece.usage_metadata for piece in pieces), pieces

    armed = chat.bind_tools([add])
    history = [HumanMessage("tools")]
    asked = armed.invoke(history)
    assert [call["args"] for call in asked.tool_calls] == [{"a": 2, "b": 3}, {"a": 4, "b": 5}]
    results = [
        ToolMessage(str(add.invoke(call["args"])), tool_call_id=call["id"])
        for call in asked.tool_calls
    ]
    assert armed.invoke([*history, asked, *results]).content == "result 9"

    found = chat.with_structured_output(Number).invoke("json")
    assert found == Number(number=42), found
    sys.stdout.write("LANGCHAIN-OK\n")


main(*sys.argv[1:])
