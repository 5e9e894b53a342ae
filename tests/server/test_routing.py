"""Rules, agents and named upstreams over real sockets: who gets which request, with whose key."""

import json
import time

import httpx
import pytest
from structlog.testing import capture_logs

from tests.conftest import UPSTREAM_KEY
from tests.messages_upstream import event, message, said
from tests.routing.capture import SESSION, captured, fork_of
from tests.upstream import (
    Reply,
    Upstream,
    call,
    call_stream,
    completion,
    eventually,
    serving,
    text_stream,
)

LAB_KEY = "sk-lab-0123456789abcdef"
AUTH = "auth-key-0123456789"
RUN = "x-claude-code-agent-id"


@pytest.fixture
def lab():
    with serving(Upstream(models=["lab-model"])) as started:
        yield started


def table(lab, **more):
    return json.dumps({"lab": {"base_url": f"{lab.url}/v1", **more}})


def rules(*rows):
    return json.dumps(rows)


def ask(live, body=None, *, path="/v1/messages", **headers):
    body = {"model": "claude-opus-5-5", "max_tokens": 9, **(body or {})}
    body.setdefault("messages", [{"role": "user", "content": "hi"}])
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("x-claude-code-session-id", SESSION)
    return httpx.post(f"{live.url}{path}", json=body, headers=named, timeout=20)


def sub(live, prompt, run="a1", **headers):
    """A request of a subagent that was told this prompt."""
    told = [{"type": "text", "text": "<system-reminder>x</system-reminder>"}]
    told.append({"type": "text", "text": prompt})
    body = {"messages": [{"role": "user", "content": told}]}
    return ask(live, body, **{RUN.replace("-", "_"): run}, **headers)


def models(upstream):
    return [post.json["model"] for post in upstream.posts]


class TestUpstreams:
    def test_a_model_of_another_upstream_gets_its_key_and_headers(self, server, upstream, lab):
        places = table(lab, api_key=LAB_KEY, headers={"X-Team": "search"})
        live = server(
            CLAUDE_PROXY_UPSTREAMS=places,
            CLAUDE_PROXY_SMALL_MODEL="lab-model@lab",
            CUSTOM_HEADER_X_OWN="secret-own",
        )
        reply = ask(live, {"model": "claude-haiku-5-5"})
        assert reply.headers["x-claude-proxy-route"] == (
            'upstream=lab; model=lab-model; reason="haiku to SMALL"'
        )
        assert lab.last.headers["authorization"] == f"Bearer {LAB_KEY}"
        assert lab.last.headers["x-team"] == "search" and "x-own" not in lab.last.headers
        assert lab.last.json["model"] == "lab-model" and upstream.posts == []

    def test_a_client_cannot_name_an_upstream_itself(self, server, upstream, lab):
        live = server(CLAUDE_PROXY_UPSTREAMS=table(lab, api_key=LAB_KEY))
        ask(live, {"model": "lab-model@lab"})
        assert lab.posts == [] and models(upstream) == ["lab-model@lab"]

    def test_its_list_tells_its_models_windows(self, server, upstream, lab):
        lab.models = [{"id": "lab-model", "context_length": 4096}]
        live = server(CLAUDE_PROXY_UPSTREAMS=table(lab), CLAUDE_PROXY_MODELS="fast:lab-model@lab")
        found = httpx.get(
            f"{live.url}/v1/models?limit=1000", headers={"anthropic-version": "2023-06-01"}
        ).json()["data"]
        ids = [each["id"] for each in found]
        assert "fast" in ids and "lab-model" in ids and ids[0] == "claude-opus-5-5"

    def test_a_clients_key_goes_only_where_the_user_says_so(self, server, upstream, lab):
        live = server(
            CLAUDE_PROXY_UPSTREAMS=table(lab, mode="passthrough"),
            CLAUDE_PROXY_AUTH_KEY=AUTH,
            CLAUDE_PROXY_SMALL_MODEL="m@lab",
        )
        both = {"x_api_key": AUTH, "authorization": "Bearer my-own-lab-key"}
        assert ask(live, {"model": "haiku"}, **both).status_code == 200
        assert lab.last.headers["authorization"] == "Bearer my-own-lab-key"
        assert ask(live, {"model": "opus"}, **both).status_code == 200
        assert upstream.last.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"

    def test_the_key_of_this_server_never_goes_to_an_upstream(self, server, lab):
        live = server(
            CLAUDE_PROXY_UPSTREAMS=table(lab, mode="passthrough"),
            CLAUDE_PROXY_AUTH_KEY=AUTH,
            CLAUDE_PROXY_SMALL_MODEL="m@lab",
        )
        reply = ask(live, {"model": "haiku"}, x_api_key=AUTH)
        assert reply.status_code == 401 and "your own key" in reply.text
        assert lab.posts == [] and AUTH not in reply.text

    def test_in_passthrough_mode_the_clients_key_stays_at_the_default_one(
        self, server, upstream, lab
    ):
        live = server(
            OPENAI_API_KEY="",
            CLAUDE_PROXY_UPSTREAMS=table(lab, api_key=LAB_KEY, mode="fixed"),
            CLAUDE_PROXY_SMALL_MODEL="m@lab",
        )
        ask(live, {"model": "haiku"}, x_api_key="clients-key-0123456789")
        ask(live, {"model": "opus"}, x_api_key="clients-key-0123456789")
        assert lab.last.headers["authorization"] == f"Bearer {LAB_KEY}"
        assert upstream.last.headers["authorization"] == "Bearer clients-key-0123456789"

    def test_and_who_is_not_on_this_machine_spends_no_key_of_ours(self, server, upstream, lab):
        live = server(
            OPENAI_API_KEY="",
            CLAUDE_PROXY_UPSTREAMS=table(lab, api_key=LAB_KEY, mode="fixed"),
            CLAUDE_PROXY_SMALL_MODEL="m@lab",
        )
        reply = ask(live, {"model": "haiku"}, x_api_key="k", x_forwarded_for="192.0.2.1")
        assert reply.status_code == 403 and "CLAUDE_PROXY_TRUST_PROXY" in reply.text
        assert lab.posts == []

    def test_an_anthropic_login_stays_at_anthropic(self, server, lab):
        live = server(
            OPENAI_API_KEY="",
            CLAUDE_PROXY_UPSTREAMS=table(lab, mode="passthrough"),
            CLAUDE_PROXY_SMALL_MODEL="m@lab",
        )
        reply = ask(live, {"model": "haiku"}, authorization="Bearer sk-ant-oat01-abc")
        assert reply.status_code == 401 and lab.posts == []


class TestRules:
    def test_the_first_that_fits_decides_and_is_told(self, server, upstream, lab):
        live = server(
            CLAUDE_PROXY_UPSTREAMS=table(lab),
            CLAUDE_PROXY_ROUTES=rules(
                {"name": "images", "images": True, "model": "eyes"},
                {"name": "thinkers", "thinking": True, "model": "deep@lab"},
                {"name": "later", "thinking": True, "model": "never"},
            ),
        )
        with capture_logs() as lines:
            reply = ask(live, {"thinking": {"type": "adaptive"}})
            assert eventually(lambda: lines)
        assert models(lab) == ["deep"] and upstream.posts == []
        told = 'upstream=lab; model=deep; reason="route thinkers"'
        assert reply.headers["x-claude-proxy-route"] == told
        line = next(line for line in lines if line["event"] == "request_finished")
        assert (line["upstream"], line["route"]) == ("lab", "route thinkers")

    @pytest.mark.parametrize("name", ["title_haikuenv", "websearch", "parallel", "compact"])
    def test_captured_requests(self, server, upstream, name):
        routes = rules(
            {"side_call": ["title"], "model": "for-titles"},
            {"side_call": "web_search", "model": "for-searches"},
            {"agent": True, "model": "for-agents"},
        )
        upstream.play(Reply(stream=text_stream("ok")))
        live = server(CLAUDE_PROXY_ROUTES=routes)
        assert ask(live, captured(name)).status_code == 200
        wanted = {"title_haikuenv": "for-titles", "websearch": "for-searches"}
        assert models(upstream) == [wanted.get(name, "gpt-4o")]

    def test_a_rules_own_fallbacks(self, server, upstream, lab):
        upstream.play(Reply({"error": {"message": "busy"}}, status=529))
        live = server(
            CLAUDE_PROXY_UPSTREAMS=table(lab),
            CLAUDE_PROXY_FALLBACKS="general",
            CLAUDE_PROXY_ROUTES=rules(
                {"thinking": False, "model": "first", "fallbacks": ["second@lab"]}
            ),
        )
        reply = ask(live)
        assert reply.status_code == 200
        assert (models(upstream), models(lab)) == (["first"], ["second"])
        assert "route 1%2C fallback for first" in reply.headers["x-claude-proxy-route"]

    def test_no_fallbacks_is_a_word_too(self, server, upstream):
        upstream.play(Reply({"error": {"message": "busy"}}, status=529))
        routes = rules({"thinking": False, "model": "first", "fallbacks": []})
        live = server(CLAUDE_PROXY_FALLBACKS="general", CLAUDE_PROXY_ROUTES=routes)
        assert ask(live).status_code == 529 and models(upstream) == ["first"]

    def test_keys_have_names(self, server, upstream):
        live = server(
            CLAUDE_PROXY_AUTH_KEY=AUTH,
            CLAUDE_PROXY_CLIENT_KEYS="alice:alice-0123456789,bob:bob-0123456789",
            CLAUDE_PROXY_ROUTES=rules({"key": "bob", "model": "for-bob"}),
        )
        keys = (AUTH, "alice-0123456789", "bob-0123456789")
        assert [ask(live, x_api_key=key).status_code for key in keys] == [200] * 3
        assert models(upstream) == ["gpt-4o", "gpt-4o", "for-bob"]
        assert ask(live, authorization="Bearer bob-0123456789").status_code == 200
        assert ask(live, x_api_key="mallory-0123456789").status_code == 401
        assert "bob-0123456789" not in json.dumps([dict(post.headers) for post in upstream.posts])

    def test_counts_are_asked_where_the_request_will_go(self, server, upstream, lab):
        live = server(
            CLAUDE_PROXY_UPSTREAMS=json.dumps({"lab": {"base_url": f"{lab.url}/anthropic"}}),
            CLAUDE_PROXY_ROUTES=rules({"thinking": True, "model": "deep@lab"}),
        )
        lab.play(Reply({"input_tokens": 4321}))
        body = {"thinking": {"type": "adaptive"}}
        reply = ask(live, body, path="/v1/messages/count_tokens")
        assert reply.json() == {"input_tokens": 4321}
        assert lab.last.path == "/anthropic/v1/messages/count_tokens"
        assert ask(live, path="/v1/messages/count_tokens").json() != {"input_tokens": 4321}

    def test_openai_clients_are_routed_by_what_they_mean(self, server, upstream):
        live = server(CLAUDE_PROXY_ROUTES=rules({"images": True, "model": "eyes"}))
        url = {"url": "data:image/png;base64,iVBORw0KGgo="}
        content = [{"type": "image_url", "image_url": url}, {"type": "text", "text": "?"}]
        for messages in (content, "no picture"):
            body = {"model": "gpt-5", "messages": [{"role": "user", "content": messages}]}
            reply = httpx.post(f"{live.url}/v1/chat/completions", json=body, timeout=20)
            assert reply.status_code == 200, reply.text
        assert models(upstream) == ["eyes", "gpt-5"]


IMAGE = {
    "role": "user",
    "content": [
        {"type": "text", "text": "what is it"},
        {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
    ],
}


@pytest.mark.pitfall(30)
class TestEyes:
    def blind(self, **more):
        profiles = {"blind": {"models": ["blind*"], "vision": "told"}}
        return {"CLAUDE_PROXY_PROFILES": json.dumps(profiles), **more}

    def test_images_go_to_the_model_that_sees(self, server, upstream):
        environ = self.blind(CLAUDE_PROXY_BIG_MODEL="blind-1", CLAUDE_PROXY_VISION_MODEL="eyes")
        live = server(**environ)
        reply = ask(live, {"messages": [IMAGE]})
        ask(live)
        assert models(upstream) == ["eyes", "blind-1"]
        assert "opus to BIG; images from blind-1 to eyes" in reply.headers["x-claude-proxy-route"]
        assert "https://a.example/b.png" in upstream.posts[0].body.decode()

    def test_a_model_that_sees_keeps_them(self, server, upstream):
        environ = self.blind(CLAUDE_PROXY_BIG_MODEL="seer", CLAUDE_PROXY_VISION_MODEL="eyes")
        ask(server(**environ), {"messages": [IMAGE]})
        assert models(upstream) == ["seer"]

    def test_what_was_learned_counts_for_the_next_request(self, server, upstream):
        refused = {"error": {"message": "image input is not supported", "code": None}}
        upstream.answer(
            lambda request: (
                Reply(refused, status=400)
                if b"image_url" in request.body and request.json["model"] == "gpt-4o"
                else Reply(completion("ok"))
            )
        )
        live = server(CLAUDE_PROXY_VISION_MODEL="eyes")
        replies = [ask(live, {"messages": [IMAGE]}) for _ in range(2)]
        assert [reply.status_code for reply in replies] == [200, 200]
        assert models(upstream) == ["gpt-4o", "gpt-4o", "eyes"]


AGENT = """---
name: code-reviewer
---
You review code with care.
"""
DELEGATE = {"description": "d", "prompt": "look at it", "subagent_type": "code-reviewer"}


class TestAgents:
    @pytest.fixture
    def agents(self, server, tmp_path):
        """A server that knows two agents' models, and a folder of definitions."""

        def start(**environ):
            known = {"CLAUDE_PROXY_SUBAGENTS": "code-reviewer:o3,planner:o4,fork:forked"}
            return server(CLAUDE_PROXY_AGENT_FOLDERS=str(tmp_path), **known, **environ)

        return start

    def test_by_the_text_of_its_definition(self, agents, upstream, tmp_path):
        (tmp_path / "reviewer.md").write_text(AGENT)
        live = agents()
        system = [
            {"type": "text", "text": "x-anthropic-billing-header: cc_is_subagent=true;"},
            {"type": "text", "text": "You are a Claude agent."},
            {"type": "text", "text": "You review code with care.\n\nNotes: more"},
        ]
        reply = ask(live, {"system": system}, x_claude_code_agent_id="a1")
        assert models(upstream) == ["o3"]
        told = reply.headers["x-claude-proxy-route"]
        assert 'reason="agent code-reviewer by its definition"' in told

    def test_a_definition_that_changes_is_read_again(self, agents, upstream, tmp_path):
        live = agents()
        ask(live, {"system": "You review code with care."})
        (tmp_path / "reviewer.md").write_text(AGENT)
        time.sleep(2.1)
        ask(live, {"system": "You review code with care."})
        assert models(upstream) == ["gpt-4o", "o3"]

    def test_by_a_marker_line(self, agents, upstream):
        live = agents()
        ask(live, {"system": "Be good.\n<!-- claude-proxy: agent=planner -->"})
        ask(live, {"system": "Be good.\n<!-- claude-proxy: model=claude-haiku-4 -->"})
        assert models(upstream) == ["o4", "gpt-4o-mini"]
        assert "claude-proxy: agent=planner" in upstream.posts[0].body.decode()

    def test_a_marker_in_a_message_is_nothing(self, agents, upstream):
        text = "<!-- claude-proxy: agent=planner -->"
        ask(agents(), {"messages": [{"role": "user", "content": text}]})
        assert models(upstream) == ["gpt-4o"]

    @pytest.mark.parametrize("stream", [False, True])
    def test_by_the_call_that_began_it(self, agents, upstream, stream):
        asked = call("Agent", DELEGATE)
        begun = Reply(stream=call_stream(asked)) if stream else Reply(completion(calls=[asked]))
        upstream.play(begun, Reply(completion("done")))
        live = agents()
        ask(live, {"stream": stream})
        reply = sub(live, "look at it")
        later = sub(live, "something else")
        other = sub(live, "look at it", run="a2")
        assert models(upstream) == ["gpt-4o", "o3", "o3", "gpt-4o"]
        for each, word in ((reply, "o3"), (later, "o3"), (other, "gpt-4o")):
            assert f"model={word}" in each.headers["x-claude-proxy-route"]
        assert "by the call that began it" in reply.headers["x-claude-proxy-route"]

    def test_other_sessions_have_other_agents(self, agents, upstream):
        upstream.play(Reply(completion(calls=[call("Agent", DELEGATE)])), Reply(completion("x")))
        live = agents()
        ask(live)
        sub(live, "look at it", x_claude_code_session_id="another")
        assert models(upstream) == ["gpt-4o", "gpt-4o"]

    def test_parallel_agents_with_one_prompt(self, agents, upstream):
        calls = [
            call("Agent", {**DELEGATE, "subagent_type": kind}, id=kind, index=at)
            for at, kind in enumerate(["planner", "code-reviewer"])
        ]
        upstream.play(Reply(completion(calls=calls)), Reply(completion("x")))
        live = agents()
        ask(live)
        sub(live, "look at it", run="a1")
        sub(live, "look at it", run="a2")
        sub(live, "look at it", run="a1")
        assert models(upstream) == ["gpt-4o", "o4", "o3", "o4"]

    def test_an_agent_of_an_agent(self, agents, upstream):
        first = {**DELEGATE, "subagent_type": "general-purpose", "prompt": "LEVEL1"}
        second = {**DELEGATE, "prompt": "LEVEL2"}
        upstream.play(
            Reply(completion(calls=[call("Agent", first)])),
            Reply(completion(calls=[call("Task", second)])),
            Reply(completion("x")),
        )
        live = agents()
        ask(live)
        sub(live, "LEVEL1", run="a1")
        sub(live, "LEVEL2", run="a2", x_claude_code_parent_agent_id="a1")
        sub(live, "LEVEL1", run="a1")
        assert models(upstream) == ["gpt-4o", "gpt-4o", "o3", "gpt-4o"]

    def test_a_fork(self, agents, upstream):
        upstream.play(Reply(stream=text_stream("x")))
        live, main = agents(), captured("sub_fork")
        ask(live, main)
        ask(live, fork_of(main), x_claude_code_agent_id="a63cce57dc47ed91f")
        assert models(upstream) == ["gpt-4o", "forked"]

    @pytest.mark.parametrize("stream", [False, True])
    def test_calls_in_an_answer_that_passes_by(self, agents, upstream, stream):
        block = {"type": "tool_use", "id": "toolu_1", "name": "Agent"}
        if stream:
            first, *_, end = said()
            whole = first + event(
                "content_block_start", index=0, content_block={**block, "input": {}}
            )
            for part in (json.dumps(DELEGATE)[:20], json.dumps(DELEGATE)[20:]):
                delta = {"type": "input_json_delta", "partial_json": part}
                whole += event("content_block_delta", index=0, delta=delta)
            whole += event("content_block_stop", index=0)
            first = Reply(stream=[whole, end])
        else:
            first = Reply(message(content=[{**block, "input": DELEGATE}]))
        upstream.play(first, Reply(message()))
        live = agents(OPENAI_BASE_URL=f"{upstream.url}/anthropic")
        assert ask(live, {"stream": stream}).status_code == 200
        sub(live, "look at it")
        assert models(upstream) == ["gpt-4o", "o3"]
        assert upstream.last.path == "/anthropic/v1/messages"

    def test_a_rule_about_an_agent(self, server, upstream, lab):
        upstream.play(Reply(completion(calls=[call("Agent", DELEGATE)])), Reply(completion("x")))
        live = server(
            CLAUDE_PROXY_UPSTREAMS=table(lab),
            CLAUDE_PROXY_ROUTES=rules({"name": "r", "agent": "code-*", "upstream": "lab"}),
        )
        ask(live)
        reply = sub(live, "look at it")
        assert models(lab) == ["gpt-4o"]
        assert 'reason="route r: opus to BIG"' in reply.headers["x-claude-proxy-route"]

    def test_nobody_listens_where_no_agent_matters(self, server):
        from claude_proxy.server.app import create_app
        from claude_proxy.server.context import Context
        from claude_proxy.settings import load_settings

        services = create_app(load_settings(environ={}, trusted_folder=False)).state.services
        headers = {b"x-claude-code-session-id": SESSION.encode()}
        context = Context("/v1/messages", headers, None)
        assert services.people.calls(context) is None
        assert services.people.passed_calls(context) is None
