"""Token counts of a Chat answer, in Messages terms."""

from collections.abc import Callable

from claude_proxy.types.anthropic import Usage

Estimate = Callable[[], int]
"""Input tokens of the request; called only when the upstream counts nothing."""

Places = tuple[tuple[str, str, str | None], ...]
"""Each count and where it may stand: a field, or a field of a field. The first that is there
is taken."""

_COUNTS: Places = (
    ("prompt", "prompt_tokens", None),
    ("completion", "completion_tokens", None),
    ("total", "total_tokens", None),
    # OpenAI and most others; DeepSeek; Moonshot and Together.
    ("cached", "prompt_tokens_details", "cached_tokens"),
    ("cached", "prompt_cache_hit_tokens", None),
    ("cached", "cached_tokens", None),
    # OpenRouter, for models that bill writing to the cache.
    ("written", "prompt_tokens_details", "cache_write_tokens"),
    ("reasoning", "completion_tokens_details", "reasoning_tokens"),
    # llama.cpp, in `timings` beside the usage (llama.cpp PR#15827).
    ("cached", "cache_n", None),
)


class UsageMeter:
    """Merges the usage objects of one answer, field by field, the last one first. Mutable."""

    __slots__ = ("_counts", "_places", "characters")

    def __init__(self, places: Places = _COUNTS) -> None:
        self._places = places
        self._counts: dict[str, int] = {}
        self.characters = 0
        """Characters of text, reasoning and arguments, to estimate the output from."""

    def __bool__(self) -> bool:
        """Whether anything was counted."""
        return bool(self._counts)

    def read(self, usage: object) -> None:
        """Takes what is usable in any value that an upstream calls usage."""
        if not isinstance(usage, dict):
            return
        found: dict[str, int] = {}
        for name, field, inner in [place for place in self._places if place[1] in usage]:
            count = usage[field]
            if inner is not None:
                count = count.get(inner) if isinstance(count, dict) else None
            # `True` is an int in Python, not in JSON.
            if type(count) is int and count >= 0:
                found.setdefault(name, count)
        if not self._counts:
            self._counts = found
            return
        for name, count in found.items():
            # A later zero is a server that had nothing to count in that chunk.
            if count or name not in self._counts:
                self._counts[name] = count

    def usage(self, estimate: Estimate | None = None) -> Usage:
        """The Messages counts.

        Chat's `prompt_tokens` includes cached tokens; Messages' `input_tokens` does not: its
        three input numbers add up to the prompt.
        """
        if not self._counts:
            return _usage(estimate() if estimate else 0, 0, 0, -(-self.characters // 4))
        counts = self._counts
        prompt, cached, written = self._prompt(), counts.get("cached", 0), counts.get("written", 0)
        read = min(cached, prompt)
        created = min(written, prompt - read)
        usage = _usage(prompt - read - created, read, created, self._completion())
        if "reasoning" in counts:
            usage["output_tokens_details"] = {"thinking_tokens": counts["reasoning"]}
        return usage

    def _completion(self) -> int:
        """Output tokens, with those of reasoning: xAI counts them beside `completion_tokens`, in
        the total only (vercel/ai PR#12425)."""
        counts = self._counts
        completion, reasoning = counts.get("completion", 0), counts.get("reasoning", 0)
        beside = counts.get("total") == counts.get("prompt", 0) + completion + reasoning
        return completion + reasoning if beside else completion

    def _prompt(self) -> int:
        counts = self._counts
        if "prompt" in counts:
            return counts["prompt"]
        if "total" in counts:
            return max(0, counts["total"] - counts.get("completion", 0))
        return counts.get("cached", 0) + counts.get("written", 0)


def _usage(input: int, read: int, created: int, output: int) -> Usage:
    return {
        "input_tokens": input,
        "output_tokens": output,
        "cache_creation_input_tokens": created,
        "cache_read_input_tokens": read,
    }
