"""A conversation of Claude Code, request by request, grown from captured ones.

The system prompt, the tools and the shapes of all messages are those of the captures; what
Claude Code changes between two requests, as seen there, is changed here: marks move to the newest
message, a system message is a list of blocks at first and a string later, a loaded tool is put
between the others, a reminder is only in the newest message, a compaction begins anew.
"""

import copy
from dataclasses import dataclass, field
from typing import Any

from tests.request_cases import load_captures

Json = dict[str, Any]

CACHED = {"cache_control": {"type": "ephemeral"}}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
IMAGE = {"type": "image", "source": {"type": "base64", "data": PNG, "media_type": "image/png"}}


@dataclass
class Step:
    """One request; `changed` says what the client itself changed of what it had sent before."""

    body: Json
    changed: str = ""


@dataclass
class Conversation:
    """Mutable: it grows. Every message is kept as it is sent later, without marks."""

    base: Json
    messages: list[Json]
    steps: list[Step] = field(default_factory=list)

    def send(self, changed: str = "", reminder: str = "") -> None:
        """The next request: the newest message is marked, and holds the reminder."""
        messages = copy.deepcopy(self.messages)
        newest = messages[-1]
        if isinstance(newest["content"], str):
            newest["content"] = [{"type": "text", "text": newest["content"]}]
        if reminder:
            newest["content"].append({"type": "text", "text": reminder})
        newest["content"][-1].update(CACHED)
        self.steps.append(Step({**copy.deepcopy(self.base), "messages": messages}, changed))

    def say(self, role: str, *content: Json | str) -> None:
        parts = [{"type": "text", "text": c} if isinstance(c, str) else c for c in content]
        self.messages.append({"role": role, "content": parts})

    def tell(self, text: str) -> None:
        """A system message in mid-conversation."""
        self.messages.append({"role": "system", "content": text})


def call(id: str, name: str, **arguments: Any) -> Json:
    return {"type": "tool_use", "id": id, "name": name, "input": arguments}


def result(id: str, content: Any, **more: Any) -> Json:
    return {"tool_use_id": id, "type": "tool_result", "content": content, **more}


def twenty_turns() -> list[Step]:
    captures = load_captures()
    captured, loaded = captures["tools"], captures["toolsearch_flow"]
    talk = Conversation(
        {key: value for key, value in captured.items() if key != "messages"},
        captured["messages"][:2],
    )
    talk.send()
    pairs = zip(captured["messages"][2::2], captured["messages"][3::2], strict=False)
    for assistant, user in pairs:  # Write, Read, Bash, Edit, an unknown tool, a wrong call
        talk.messages += [assistant, user]
        talk.send()
    talk.tell("<total_tokens>14999858 tokens left</total_tokens>")
    talk.send()
    thought = {"type": "thinking", "thinking": "deep", "signature": ""}
    talk.say("assistant", thought, "Two.", call("call_0", "Read"), call("call_1", "Read"))
    talk.say("user", result("call_1", "B"), result("call_0", "A", is_error=False))
    talk.send()
    talk.say("assistant", call("call_0", "Read", file_path="/home/user/p.png"))
    talk.say("user", result("call_0", [IMAGE]))
    talk.send()
    talk.say("assistant", "An image. \u00e9 \U0001f600")
    talk.say("user", "Now load a tool.")
    talk.send(reminder="<system-reminder>The list of tasks is empty.</system-reminder>")
    talk.say("assistant", call("toolu_s", "ToolSearch", query="select:WebFetch"))
    reference = {"type": "tool_reference", "tool_name": "WebFetch"}
    talk.say("user", result("toolu_s", [reference]), "Tool loaded.")
    talk.base["tools"] = loaded["tools"]
    talk.send(changed="tools, reminder")
    talk.say("assistant", call("toolu_w", "mcp__a.b__" + "long" * 20, url="https://a.example"))
    talk.say("user", result("toolu_w", "page"))
    talk.send()
    talk.say("user", "[Request interrupted by user]")
    talk.send()
    talk.say("user", "Go on.", IMAGE)
    talk.send(changed="image beside an earlier text")
    for number in range(4):
        talk.say("assistant", f"Answer {number}.")
        talk.say("user", f"Question {number}?")
        talk.send()
    compacted = captures["compact"]
    talk.base["system"] = compacted["system"]
    talk.messages = compacted["messages"]
    talk.send(changed="compaction")
    talk.say("assistant", call("toolu_z", "Bash", command="ls"))
    talk.say("user", result("toolu_z", "a\nb"))
    talk.send()
    return talk.steps
