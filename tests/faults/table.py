"""The faults that we survive, and what must happen at each: `docs/reliability.md` as data.

A test claims rows by `@pytest.mark.fault("refused", …)`. `test_table.py` fails for a row that no
test claims, for a claim of no row, and for a page that says something else than this table.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    fault: str
    behavior: str


UPSTREAM = (
    Row("refused", "nothing listens; no such host; TLS fails", "502 within the connect timeout"),
    Row("hang", "no answer before the headers", "504, or an error event after the first ping"),
    Row("drip", "slow headers, slow body", "works: the idle timer restarts with each read"),
    Row("stall", "silence in mid-stream", "`event: error` (`timeout_error`), upstream closed"),
    Row("reset", "reset in mid-stream", "`event: error`, the chunked body properly ended"),
    Row("no-finish", "clean end without `finish_reason`", "`event: error`, never a finished turn"),
    Row("cut-arguments", "end inside tool arguments", "`event: error`, the call stays open"),
    Row("garbage", "what is no event between events", "skipped, or `event: error`"),
    Row("html", "a web page, with 200 or 502", "502, no HTML relayed"),
    Row("endless-line", "a line without end", "`event: error` after 8 MiB, memory bounded"),
    Row("split-utf8", "half characters, CRLF, U+2028 and other breaks", "the exact text"),
    Row("invalid-utf8", "invalid UTF-8", "replaced by U+FFFD, the stream goes on"),
    Row("odd-ends", "finish twice, late content, two `[DONE]`", "one valid event grammar"),
    Row("interleaved", "parallel tool calls in turns", "blocks one after the other, intact"),
    Row("endless-stream", "an answer without end", "until the client leaves"),
    Row("status", "429, 400, 5xx, 529 before the first byte", "its status, one attempt"),
    Row("late-error", "an error object after the first byte", "`event: error`"),
    Row("echoed-key", "401 that repeats the key", "401, the key masked everywhere"),
    Row("redirect", "a redirect", "502, not followed"),
    Row("stale", "a kept connection that died", "one silent reconnect, then 502"),
    Row("loop", "an upstream that leads back to this server", "508 at the second pass"),
    Row("bomb", "a compressed answer", "inflated in steps up to the limit, or 502"),
    Row("cookies", "`Set-Cookie`", "never kept, never passed on"),
    Row(
        "cli",
        "Claude Code as the upstream hangs, crashes, floods, leaves children",
        "a typed error; its process group is gone, nothing is left",
    ),
    Row("huge-answer", "an answer over 64 MiB, or of millions of values", "502, memory bounded"),
)

CLIENT = (
    Row("left", "the client leaves, in any phase", "upstream closed within 1 s, nothing leaks"),
    Row("slow-reader", "the client does not read", "backpressure, memory flat"),
    Row("slow-request", "slow headers, slow body", "closed after 10 s, or by the minimum rate"),
    Row(
        "huge-body",
        "a body over the limit, announced or chunked",
        "413 that each client can read",
    ),
    Row("huge-headers", "headers over 64 KiB or more than 100", "431 or 400"),
    Row("hostile-json", "nesting, huge numbers, NaN, surrogates, BOM", "400, nothing invalid sent"),
    Row("wrong-types", "wrong types in every field", "400 that names the field"),
    Row("many-messages", "more than 10,000 messages, or 50,000 blocks in them", "400"),
    Row("many-values", "millions of JSON values in few bytes", "400 before they are parsed"),
    Row("odd-http", "injected headers, odd paths, 100-continue", "4xx, no hang"),
    Row("upgrade", "`Upgrade: h2c`; a websocket", "served as HTTP/1.1; 400"),
    Row("smuggling", "two readings of one request", "400 or closed, the second never runs"),
    Row("descriptors", "all descriptors used up", "serves again after they leave"),
    Row("crowd", "more requests than allowed at a time", "429 before any stream starts"),
    Row("rate", "more requests than allowed per minute", "429 with `retry-after`"),
    Row(
        "pdf",
        "a PDF that is broken, locked, endless or a bomb",
        "read in a process of its own, within limits; the model is told",
    ),
    Row("blocking", "bodies of 8 MB", "others are served meanwhile"),
    Row("stuck-neighbor", "one stuck stream", "60 others start at once"),
)

SECURITY = (
    Row("auth", "missing, wrong, non-ASCII and huge keys", "401, nothing reaches the upstream"),
    Row("no-key", "passthrough without a key", "401, nothing reaches the upstream"),
    Row("bind", "a server's key, no client's key, an open address", "loopback only, or no start"),
    Row(
        "headers",
        "headers of clients that are nobody else's business",
        "only those that are listed",
    ),
    Row("mixed-keys", "60 users at once", "each request carries its sender's key alone"),
    Row("rebinding", "foreign Host or Origin", "403 before routing, no CORS headers"),
    Row("csrf", "a POST that is not JSON", "415, nothing reaches the upstream"),
    Row("ssrf", "URLs in headers and bodies", "data only: nothing is fetched"),
    Row("redos", "text made to slow patterns down", "linear time"),
    Row("log-injection", "line ends in what is logged", "one record for each line"),
    Row("secrets", "keys in logs, errors, tracebacks, answers", "none, at any level"),
    Row("cli-words", "prompts and keys in the CLI's command line", "none: prompts go by stdin"),
    Row("prompts", "prompts in logs", "none at the default level"),
    Row("metrics", "`/metrics` without the server's key", "401; 403 from elsewhere if none is set"),
    Row("test-connection", "`/test-connection` without the key", "401"),
)

LIFE = (
    Row("drain", "SIGTERM with open streams", "they finish; new requests get 503 or are refused"),
    Row("drain-ceiling", "a stream longer than the drain", "ends with an error event"),
    Row("kill", "SIGKILL and a new start", "ready within 5 s on the same port"),
    Row("crash", "a worker dies", "the others serve, it is replaced"),
    Row("soak", "hours of mixed load", "memory and descriptors flat"),
    Row("clocks", "the clock jumps", "timers use the monotonic clock"),
    Row("fallback", "the first model or upstream fails", "the next in the list, if configured"),
)

ROWS = UPSTREAM + CLIENT + SECURITY + LIFE
