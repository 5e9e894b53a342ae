"""The memory of reasoning: bounded in bytes and time, and each owner's own."""

from claude_proxy.server.remember import SECONDS, ReasoningMemory


def thoughts(text="because", signature="cpx1:deepseek"):
    return ({"type": "thinking", "thinking": text, "signature": signature},)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_what_was_kept_is_recalled_any_number_of_times():
    memory = ReasoningMemory(1 << 20)
    memory.keep(b"me", [("toolu_1", thoughts()), ("toolu_2", thoughts("more"))])
    for _ in range(3):
        assert memory.recall(b"me", "toolu_1") == thoughts()
        assert memory.recall(b"me", "toolu_2") == thoughts("more")
    assert memory.recall(b"me", "toolu_3") == ()


def test_another_owner_gets_nothing():
    memory = ReasoningMemory(1 << 20)
    memory.keep(b"me", [("toolu_1", thoughts())])
    assert memory.recall(b"you", "toolu_1") == ()


def test_it_forgets_after_its_time_unless_it_is_asked():
    clock = Clock()
    memory = ReasoningMemory(1 << 20, clock)
    memory.keep(b"me", [("toolu_1", thoughts()), ("toolu_2", thoughts())])
    clock.now += SECONDS * 0.75
    assert memory.recall(b"me", "toolu_1")
    clock.now += SECONDS * 0.75
    assert memory.recall(b"me", "toolu_1")
    assert memory.recall(b"me", "toolu_2") == ()
    clock.now += SECONDS * 2
    memory.keep(b"me", [])
    assert memory.size == 0


def test_it_stays_below_its_size_and_drops_what_was_unused_the_longest():
    memory = ReasoningMemory(20_000)
    for number in range(50):
        memory.keep(b"me", [(f"toolu_{number}", thoughts("x" * 1_000))])
        memory.recall(b"me", "toolu_0")
        assert 0 < memory.size <= 20_000
    assert memory.recall(b"me", "toolu_0")
    assert memory.recall(b"me", "toolu_49")
    assert memory.recall(b"me", "toolu_20") == ()


def test_one_huge_answer_does_not_push_the_others_out():
    memory = ReasoningMemory(20_000)
    memory.keep(b"me", [("toolu_1", thoughts())])
    memory.keep(b"me", [("toolu_2", thoughts("x" * 15_000))])
    assert memory.recall(b"me", "toolu_1")
    assert memory.recall(b"me", "toolu_2") == ()


def test_the_same_id_again_counts_once():
    memory = ReasoningMemory(1 << 20)
    memory.keep(b"me", [("toolu_1", thoughts())])
    size = memory.size
    memory.keep(b"me", [("toolu_1", thoughts())])
    assert memory.size == size


def test_zero_keeps_nothing():
    memory = ReasoningMemory(0)
    memory.keep(b"me", [("toolu_1", thoughts())])
    assert memory.recall(b"me", "toolu_1") == () and memory.size == 0
