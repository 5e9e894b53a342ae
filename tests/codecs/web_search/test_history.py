"""Searches of earlier turns are calls and results again."""

from claude_proxy.codecs.web_search.history import as_calls, search_id
from claude_proxy.codecs.web_search.hits import Failure, Found, Hit, result_block

HI = {"role": "user", "content": "Hi"}
SO = {"type": "text", "text": "So."}
CATS = Found((Hit("https://cats.example/", "Cats", "They purr."),))
TOLD = "Cats\nhttps://cats.example/\nThey purr."


def said(*blocks):
    return {"role": "assistant", "content": list(blocks)}


def asked(*blocks):
    return {"role": "user", "content": list(blocks)}


def server_use(id):
    return {"type": "server_tool_use", "id": id, "name": "web_search", "input": {"query": "cats"}}


def use(id, name="look"):
    return {"type": "tool_use", "id": id, "name": name, "input": {"query": "cats"}}


def result(id, told=TOLD, **more):
    return {"type": "tool_result", "tool_use_id": id, "content": told, **more}


def read(*messages):
    return as_calls(messages, "look")


def test_a_search_is_a_call_its_result_and_what_was_said_then():
    block = result_block("s1", CATS)
    assert read(HI, said(SO, server_use("s1"), block, SO), HI) == [
        HI,
        said(SO, use("s1")),
        asked(result("s1")),
        said(SO),
        HI,
    ]


def test_searches_of_one_turn_stay_together():
    first, second = result_block("s1", CATS), result_block("s2", CATS)
    history = [HI, said(server_use("s1"), server_use("s2"), first, second, SO)]
    assert read(*history) == [
        HI,
        said(use("s1"), use("s2")),
        asked(result("s1"), result("s2")),
        said(SO),
    ]


def test_results_join_those_of_the_clients_own_tools():
    block = result_block("s1", CATS)
    own = result("t1", "fine")
    history = [HI, said(server_use("s1"), use("t1", "Read"), block), asked(own)]
    assert read(*history) == [
        HI,
        said(use("s1"), use("t1", "Read")),
        asked(result("s1"), own),
    ]


def test_results_after_which_nothing_came_precede_the_users_next_words():
    block = result_block("s1", CATS)
    assert read(said(server_use("s1"), block), HI)[1] == asked(
        result("s1"), {"type": "text", "text": "Hi"}
    )


def test_results_at_the_very_end_are_not_lost():
    block = result_block("s1", CATS)
    assert read(HI, said(server_use("s1"), block)) == [HI, said(use("s1")), asked(result("s1"))]


def test_failures_are_failed_results():
    block = result_block("s1", Failure("unavailable", "It is down."))
    told = "The search failed: unavailable. It is down."
    assert read(said(server_use("s1"), block, SO))[1] == asked(result("s1", told, is_error=True))


def test_what_anthropic_found_is_told_without_what_it_encrypted():
    page = {"type": "web_search_result", "title": "Cats", "url": "https://cats.example/"}
    content = [{**page, "encrypted_content": "EqgfCioIARgBIiQ3YTAw", "page_age": None}]
    block = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": content}
    told = "Cats\nhttps://cats.example/"
    assert read(said(server_use("s1"), block, SO))[1] == asked(result("s1", told))


def test_other_messages_stay_the_same_objects():
    history = [HI, said(server_use("s1")), said(use("t1")), {"role": "assistant", "content": "x"}]
    assert all(own is before for own, before in zip(read(*history), history, strict=True))


def test_what_another_server_tool_did_stays_as_it_is():
    fetch = {**server_use("f1"), "name": "web_fetch"}
    block = result_block("s1", CATS)
    assert read(said(fetch, server_use("s1"), block, SO))[0] == said(fetch, use("s1"))


def test_a_call_has_the_id_again_by_which_its_upstream_knows_it():
    block = result_block(search_id("toolu_7"), CATS)
    asked_then, told = read(said(server_use("srvtoolu_7"), block, SO))[:2]
    assert asked_then == said(use("toolu_7")) and told == asked(result("toolu_7"))
