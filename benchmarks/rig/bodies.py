"""Realistic request bodies, deterministic, in both wire formats (stdlib only).

python bodies.py OUTDIR writes KIND.anthropic.json and KIND.openai.json for kinds small, cc, mb1.
"""

from __future__ import annotations

import json
import os
import random
import sys

WORDS = (
    "the file contains function that returns value when called with path argument and "
    "should never be used without reading first because tool result may be stale user "
    "wants concise answers avoid comments unless asked run tests before commit search "
    "code for pattern use absolute paths limit output lines error handling parse config "
    "module import class method async await stream buffer token request response header "
    'body json schema “quoted” naïve café → 日本語 "escaped" back\\slash tab\there new\nline'
).split(" ")
TOOLS = (
    "Task Bash Glob Grep LS ExitPlanMode Read Edit MultiEdit Write NotebookRead "
    "NotebookEdit WebFetch TodoRead TodoWrite WebSearch BashOutput KillShell SlashCommand"
    " AskUserQuestion Skill ListMcpResources mcp__github__create_issue mcp__jira__search "
    "mcp__db__query"
).split(" ")


def text(rng: random.Random, chars: int) -> str:
    out, n = [], 0
    while n < chars:
        w = rng.choice(WORDS)
        out.append(w)
        n += len(w) + 1
        if rng.random() < 0.07:
            out.append("\n")
    return " ".join(out)[:chars]


def tool(rng: random.Random, name: str) -> dict:
    props = {}
    for i in range(rng.randint(3, 8)):
        kind = rng.choice(["string", "string", "integer", "boolean", "array", "object", "enum"])
        p: dict = {"description": text(rng, rng.randint(60, 240))}
        if kind == "array":
            p |= {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "properties": {
                        "old": {"type": "string", "description": text(rng, 60)},
                        "new": {"type": "string"},
                        "all": {"type": "boolean", "default": False},
                    },
                    "required": ["old", "new"],
                    "additionalProperties": False,
                },
            }
        elif kind == "object":
            p |= {
                "type": "object",
                "properties": {
                    "key": {"type": "string", "format": "uri"},
                    "n": {"type": "number", "minimum": 0},
                },
            }
        elif kind == "enum":
            p |= {"type": "string", "enum": ["content", "files_with_matches", "count"]}
        else:
            p |= {"type": kind}
        props[f"param_{i}"] = p
    return {
        "name": name,
        "description": text(rng, rng.randint(400, 2500)),
        "input_schema": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": props,
            "required": list(props)[:2],
            "additionalProperties": False,
        },
    }


def anthropic_body(
    kind: str,
    *,
    stream: bool,
    directive: str,
    history: int = 40,
    system_chars: int = 60000,
    tools: int = 25,
    result_chars: int = 3600,
    model: str = "claude-sonnet-4-5",
) -> dict:
    last = f"Please continue. [[mock {directive}]]"
    if kind == "small":
        return {
            "model": model,
            "max_tokens": 1024,
            "stream": stream,
            "messages": [{"role": "user", "content": last}],
        }
    if kind == "mb1":
        result_chars = 45000
    rng = random.Random(7)
    msgs: list[dict] = [
        {
            "role": "user",
            "content": [
                {
                    "type": "text",
                    "text": "<system-reminder>" + text(rng, 2500) + "</system-reminder>",
                },
                {"type": "text", "text": text(rng, 300)},
            ],
        }
    ]
    while len(msgs) < history - 1:
        i = len(msgs)
        tid = f"toolu_{i:024d}"
        msgs.append(
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": text(rng, 200)},
                    {
                        "type": "tool_use",
                        "id": tid,
                        "name": rng.choice(TOOLS[:12]),
                        "input": {
                            "file_path": f"/repo/src/mod_{i}.py",
                            "content": text(rng, 500),
                            "limit": 200,
                        },
                    },
                ],
            }
        )
        msgs.append(
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": tid,
                        "content": [
                            {
                                "type": "text",
                                "text": text(
                                    rng, rng.randint(result_chars // 2, result_chars * 3 // 2)
                                ),
                            }
                        ]
                        if i % 4 == 1
                        else text(rng, rng.randint(result_chars // 2, result_chars * 3 // 2)),
                    }
                ],
            }
        )
    if msgs[-1]["role"] == "user":
        msgs[-1]["content"].append(
            {"type": "text", "text": last, "cache_control": {"type": "ephemeral"}}
        )
    else:
        msgs.append(
            {
                "role": "user",
                "content": [{"type": "text", "text": last, "cache_control": {"type": "ephemeral"}}],
            }
        )
    return {
        "model": model,
        "max_tokens": 32000,
        "stream": stream,
        "temperature": 1,
        "metadata": {"user_id": "user_" + "a" * 64},
        "system": [
            {
                "type": "text",
                "text": "You are Claude Code, Anthropic's official CLI for Claude.",
                "cache_control": {"type": "ephemeral"},
            },
            {
                "type": "text",
                "text": text(rng, system_chars),
                "cache_control": {"type": "ephemeral"},
            },
        ],
        "tools": [tool(rng, n) for n in (TOOLS * (tools // len(TOOLS) + 1))[:tools]],
        "messages": msgs,
    }


def to_openai(a: dict) -> dict:
    """A plain translation, so that the direct-upstream limit gets an equal load."""
    msgs: list[dict] = []
    if s := a.get("system"):
        msgs.append({"role": "system", "content": "\n\n".join(b["text"] for b in s)})
    for m in a["messages"]:
        if isinstance(m["content"], str):
            msgs.append({"role": m["role"], "content": m["content"]})
            continue
        t = "\n".join(b["text"] for b in m["content"] if b["type"] == "text")
        calls = [
            {
                "id": b["id"],
                "type": "function",
                "function": {"name": b["name"], "arguments": json.dumps(b["input"])},
            }
            for b in m["content"]
            if b["type"] == "tool_use"
        ]
        for b in m["content"]:
            if b["type"] == "tool_result":
                c = b["content"]
                msgs.append(
                    {
                        "role": "tool",
                        "tool_call_id": b["tool_use_id"],
                        "content": c if isinstance(c, str) else "".join(x["text"] for x in c),
                    }
                )
        if calls:
            msgs.append({"role": "assistant", "content": t, "tool_calls": calls})
        elif t:
            msgs.append({"role": m["role"], "content": t})
    o = {
        "model": "mock-model",
        "max_tokens": a["max_tokens"],
        "stream": a["stream"],
        "messages": msgs,
    }
    if a["stream"]:
        o["stream_options"] = {"include_usage": True}
    if tl := a.get("tools"):
        o["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": x["name"],
                    "description": x["description"],
                    "parameters": x["input_schema"],
                },
            }
            for x in tl
        ]
    return o


def write(outdir: str, name: str, body: dict) -> dict[str, str]:
    os.makedirs(outdir, exist_ok=True)
    paths = {}
    for fmt, obj in (("anthropic", body), ("openai", to_openai(body))):
        paths[fmt] = os.path.join(outdir, f"{name}.{fmt}.json")
        with open(paths[fmt], "w", encoding="utf-8") as f:
            json.dump(obj, f, ensure_ascii=False, separators=(",", ":"))
    return paths


if __name__ == "__main__":
    for k in ("small", "cc", "mb1"):
        p = write(sys.argv[1], k, anthropic_body(k, stream=False, directive="bytes=400"))
        print(k, {f: os.path.getsize(x) for f, x in p.items()})
