#!/usr/bin/env -S python3 -ISB
"""A program that speaks the CLI's protocol, and is as wrong about it as a test wants.

What it does stands in the user's text: `[[NAME]]`, see `PLAYS`; without one it repeats the text.
FAKE_CLAUDE_LOG names a file to which each run adds its process ID.
"""

import json
import os
import signal
import subprocess
import sys
import time

USAGE = {"input_tokens": 3, "output_tokens": 2, "cache_read_input_tokens": 1}
heard = []


def say(line):
    sys.stdout.write(
        (line if isinstance(line, str) else json.dumps(line, separators=(",", ":"))) + "\n"
    )
    sys.stdout.flush()


def event(kind, **fields):
    say({"type": "stream_event", "event": {"type": kind, **fields}, "parent_tool_use_id": None})


def message(*blocks, stop="end_turn"):
    event("message_start", message={"id": "msg_fake", "usage": USAGE})
    for index, block in enumerate(blocks):
        empty, delta = dict(block), {}
        if block["type"] == "text":
            empty, delta = (
                {"type": "text", "text": ""},
                {"type": "text_delta", "text": block["text"]},
            )
        else:
            empty["input"] = {}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        event("content_block_start", index=index, content_block=empty)
        event("content_block_delta", index=index, delta=delta)
        whole = {"id": "msg_fake", "content": [block]}
        say({"type": "assistant", "message": whole, "parent_tool_use_id": None})
        event("content_block_stop", index=index)
    event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage=USAGE)
    event("message_stop")


def text(words):
    return {"type": "text", "text": words}


def result(told="", **fields):
    say(
        {
            "is_error": False,
            "usage": USAGE,
            "type": "result",
            "subtype": "success",
            "result": told,
            **fields,
        }
    )


def answer(words):
    message(text(words))
    result(words)


def ask(method, id, **params):
    inner = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
    request = {"subtype": "mcp_message", "server_name": "px", "message": inner}
    say({"type": "control_request", "request_id": f"r{id}", "request": request})
    while True:
        line = read()
        if line["type"] == "control_response" and line["response"]["request_id"] == f"r{id}":
            return line["response"]["response"]["mcp_response"]["result"]


def read():
    raw = sys.stdin.readline()
    if not raw:
        sys.exit(0)
    return json.loads(raw)


def world(_):
    """All that it was started with."""
    told = {"argv": sys.argv, "env": dict(os.environ), "cwd": os.getcwd(), "files": os.listdir()}
    told["heard"] = heard
    told["group"] = os.getpgid(0) == os.getpid()
    answer(json.dumps(told))


def hang(_):
    event("message_start", message={"id": "msg_fake", "usage": USAGE})
    event("content_block_start", index=0, content_block=text(""))
    event("content_block_delta", index=0, delta={"type": "text_delta", "text": "so far"})
    time.sleep(600)


def stubborn(words):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hang(words)


def family(words):
    """It starts a process of its own, which does not end by itself."""
    child = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    with open(os.environ["FAKE_CLAUDE_LOG"], "a") as log:
        log.write(f"{child.pid}\n")
    answer("born")
    sys.exit(0)


def crash(_):
    sys.stderr.write("panic in /root/secret/place with KEY_NAME=value\n")
    os.abort()


def flood(_):
    for _ in range(64):
        sys.stderr.write("x" * 65536 + "\n")
    answer("flooded")


def garbage(_):
    for line in ("Warning: odd", "{", "[1,2]", "null", "", '{"type":7}', "\ufffd"):
        say(line)
    answer("clean")


def odd_bytes(_):
    """A byte that is no UTF-8, and half of an emoji."""
    delta = b'"delta":{"type":"text_delta","text":"a\xffb\\ud83dc"}'
    event("message_start", message={"id": "msg_fake", "usage": USAGE})
    event("content_block_start", index=0, content_block=text(""))
    sys.stdout.buffer.write(
        b'{"type":"stream_event","event":{"type":"content_block_delta","index":0,%s}}\n' % delta
    )
    sys.stdout.buffer.flush()
    event("content_block_stop", index=0)
    event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=USAGE)
    event("message_stop")
    result()


def torrent(_):
    """16 MB of text; the log says how much of it somebody has taken."""
    event("message_start", message={"id": "msg_fake", "usage": USAGE})
    event("content_block_start", index=0, content_block=text(""))
    for _ in range(256):
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": "x" * 65536})
        with open(os.environ["FAKE_CLAUDE_LOG"] + ".taken", "a") as log:
            log.write(".")
    event("content_block_stop", index=0)
    event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=USAGE)
    event("message_stop")
    result()


def huge(_):
    say('{"type":"stream_event","x":"' + "x" * (9 << 20) + '"}')
    answer("never")


def early(_):
    event("message_start", message={"id": "msg_fake", "usage": USAGE})
    sys.exit(3)


def mute(_):
    time.sleep(600)


def once(words):
    answer(words)
    sys.exit(0)


def slow_end(words):
    message(text(words))
    time.sleep(0.2)
    result(words)


def no_login(_):
    failed = {"type": "assistant", "error": "authentication_failed", "message": {"content": []}}
    say({**failed, "parent_tool_use_id": None})
    result("Not logged in · Please run /login", is_error=True, api_error_status=None)


def overloaded(_):
    result("API Error: 529 Overloaded", is_error=True, api_error_status=529)


def tools(_):
    """Two calls, which it wants to be run one after the other, then what came back."""
    calls = [
        {"type": "tool_use", "id": f"toolu_{n}", "name": "mcp__px__look", "input": {"n": n}}
        for n in (1, 2)
    ]
    message(text("I look."), *calls, stop="tool_use")
    told = []
    for n in (1, 2):
        meta = {"claudecode/toolUseId": f"toolu_{n}"}
        told.append(ask("tools/call", 10 + n, name="look", arguments={"n": n}, _meta=meta))
    answer(json.dumps(told))


def spelled(words):
    """A text in pieces of three characters."""
    event("message_start", message={"id": "msg_fake", "usage": USAGE})
    event("content_block_start", index=0, content_block=text(""))
    for at in range(0, len(words), 3):
        piece = {"type": "text_delta", "text": words[at : at + 3]}
        event("content_block_delta", index=0, delta=piece)


def spell(words):
    spelled(words)
    said = {"id": "msg_fake", "content": [text(words)]}
    say({"type": "assistant", "message": said, "parent_tool_use_id": None})
    event("content_block_stop", index=0)
    event("message_delta", delta={"stop_reason": "end_turn"}, usage=USAGE)
    event("message_stop")
    result(words)


WRITTEN = '<tool_call>\n{"name": "look", "arguments": {"n": %d}}\n</tool_call>'
BROKEN = '<tool_call>\n{"name": "look", "arguments": {"n": 1'


def writes(_):
    """Two calls in writing; it remembers them, and repeats the results that come."""
    spell(f"I look.\n{WRITTEN % 1}\n{WRITTEN % 2}\n")


def writes_broken(_):
    spell(f"I look.\n{BROKEN}")


def writes_on(_):
    """It makes up the result, and would go on for a long time."""
    spelled(f"{WRITTEN % 1}\n<tool_result>\nmade up\n</tool_result>\nSo it is.")
    time.sleep(600)


def writes_search(_):
    spell('<tool_call>{"name": "web_search", "arguments": {"query": "cats"}}</tool_call>')


def made_up(_):
    """A call of a tool that nobody has, which it answers itself."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "mcp__px__nobodys", "input": {}}
    message(call, stop="tool_use")
    answer("I went on by myself.")


def searches(_):
    """One call that asks for something, and then what came back."""
    asked = {"query": "cats"}
    call = {"type": "tool_use", "id": "toolu_1", "name": "mcp__px__web_search", "input": asked}
    message(call, stop="tool_use")
    meta = {"claudecode/toolUseId": "toolu_1"}
    told = ask("tools/call", 11, name="web_search", arguments=asked, _meta=meta)
    answer(json.dumps(told))


def limit(_):
    message(text("cut he"), stop="max_tokens")
    answer("re")


def structured(_):
    call = {"type": "tool_use", "id": "toolu_s", "name": "StructuredOutput", "input": {"a": 1}}
    message(text("Here:"), call, stop="tool_use")
    result("", structured_output={"a": 1})


PLAYS = {
    play.__name__: play
    for play in (
        *(world, hang, stubborn, family, crash, flood, garbage, huge, early, mute, once, odd_bytes),
        *(torrent,),
        *(writes, writes_broken, writes_on, writes_search),
        *(no_login, overloaded, tools, made_up, searches, limit, structured, slow_end),
    )
}


def main():
    if "--version" in sys.argv:
        say("9.8.7 (Claude Code)")
        return
    with open(os.environ["FAKE_CLAUDE_LOG"], "a") as log:
        log.write(f"{os.getpid()}\n")
    while True:
        line = read()
        heard.append(line)
        if line["type"] == "control_request":
            if "refuse to start" in line["request"]["systemPrompt"]:
                time.sleep(600)
            request_id = line["request_id"]
            say(
                {
                    "type": "control_response",
                    "response": {"subtype": "success", "request_id": request_id},
                }
            )
            if line["request"].get("sdkMcpServers"):
                ask("initialize", 0, protocolVersion="2025-11-25")
                ask("tools/list", 1)
            if "deaf from now on" in line["request"]["systemPrompt"]:
                time.sleep(600)
        elif line["type"] == "user" and line.get("shouldQuery") is False:
            result(num_turns=0)
        elif line["type"] == "user":
            words = "".join(b.get("text", "") for b in line["message"]["content"]).strip()
            name = words.partition("[[")[2].partition("]]")[0]
            PLAYS.get(name, answer)(words)


main()
