"""What can be asked for in OpenAI's protocol, with the few things beside it that kqv can."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from kqv.generation.sampling import Sampling
from kqv.server.body import Body

MOST_SAMPLES = 16
MOST_STOPS = 4
LARGEST_SEED = (1 << 63) - 1
NEUTRAL: dict[str, tuple[Any, ...] | None] = {
    "user": None, "metadata": None, "store": (False,), "service_tier": None, "safety_identifier": None,
    "prompt_cache_key": None, "logit_bias": ({},), "presence_penalty": (0,), "frequency_penalty": (0,),
}  # fmt: skip
"""Fields of the protocol that are taken as long as they change nothing (None: they never do)."""

COMPLETION_NEUTRAL = NEUTRAL | {"best_of": (1,), "suffix": ("",)}
CHAT_NEUTRAL = NEUTRAL | {
    "response_format": ({"type": "text"},), "tools": ([],), "tool_choice": ("none", "auto"), "functions": ([],),
    "function_call": ("none", "auto"), "modalities": (["text"],), "parallel_tool_calls": None, "prediction": (),
    "reasoning_effort": ("none",), "verbosity": ("medium",),
}  # fmt: skip


class StreamOptions(Body):
    """`include_usage`: a last chunk says how many tokens it was."""

    include_usage: bool = False
    include_obfuscation: bool = False


class Generation(Body):
    """What completions and conversations have in common. `top_k`, `min_p` and `repetition_penalty` are kqv's own."""

    model: str | None = None
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, ge=0, le=1)
    top_k: int | None = Field(None, ge=1)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float = Field(1.0, gt=0, le=100)
    n: int = Field(1, ge=1, le=MOST_SAMPLES)
    seed: int | None = Field(None, ge=-LARGEST_SEED, le=LARGEST_SEED)
    stop: str | list[str] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, content: Any) -> Any:
        """A field that is null is one that is not given."""
        return {name: value for name, value in content.items() if value is not None}

    @model_validator(mode="after")
    def _whole(self) -> Generation:
        if len(self.stops) > MOST_STOPS or not all(self.stops):
            raise ValueError(f"'stop' takes at most {MOST_STOPS} texts of at least one character")
        if self.stream_options is not None and not self.stream:
            raise ValueError("'stream_options' goes with stream=true only")
        return self

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts before which it stops."""
        return () if self.stop is None else (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def sampling(self) -> Sampling:
        """How tokens are chosen; a `top_p` of 0 leaves the likeliest alone."""
        return Sampling(self.temperature, self.top_k, self.top_p or 1e-9, self.min_p, self.repetition_penalty)

    @property
    def tells_usage(self) -> bool:
        """Whether a stream ends with how many tokens it was."""
        return self.stream_options is not None and self.stream_options.include_usage


class CompletionRequest(Generation):
    """`POST /v1/completions`: texts, or their tokens' ids, to be continued."""

    prompt: str | list[int] | list[str] | list[list[int]] = "\n"
    max_tokens: int = Field(16, ge=0)
    echo: bool = False
    logprobs: int | None = Field(None, ge=0, le=5)

    @property
    def prompts(self) -> list[str] | list[list[int]]:
        """One prompt or more."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if self.prompt and isinstance(self.prompt[0], int):
            return [self.prompt]
        return self.prompt  # type: ignore[return-value]


class TextPart(Body):
    """A part of a message; there is no other kind than text here."""

    type: Literal["text"]
    text: str


class ChatMessage(Body):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    refusal: None = None
    tool_calls: list[None] | None = None

    def plain(self) -> dict[str, str]:
        """As chat templates have it."""
        content = self.content or ""
        text = content if isinstance(content, str) else "".join(part.text for part in content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class ChatRequest(Generation):
    """`POST /v1/chat/completions`: a conversation, to be answered."""

    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=20)

    @model_validator(mode="after")
    def _logprobs(self) -> ChatRequest:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("'top_logprobs' goes with logprobs=true only")
        return self

    @property
    def most(self) -> int | None:
        """How many tokens it may have; None: as many as there is room for."""
        return self.max_completion_tokens or self.max_tokens
