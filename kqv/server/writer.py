"""A model that writes, served: its engine, its tokenizer, and its chat template where it has one."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from kqv.errors import Error
from kqv.interchange.chat_template import ChatTemplate
from kqv.server.engine import Engine
from kqv.server.jobs import Asked
from kqv.server.metrics import Metrics
from kqv.server.refusals import Refusal
from kqv.server.requests import ChatRequest, CompletionRequest, Generation
from kqv.server.settings import Limits
from kqv.server.writing import prompt_of
from kqv.systems.gpt.trained import LoadedGPT
from kqv.systems.gpt.writing import prompt_ids

NO_TEMPLATE = "has no chat template, so it holds no conversation; let it continue a text: POST /v1/completions"


@dataclass(frozen=True, eq=False)
class Writer:
    """What the endpoints of a model that writes work with; `name`: of the model."""

    name: str
    loaded: LoadedGPT
    engine: Engine
    template: ChatTemplate | None
    limits: Limits
    metrics: Metrics

    @property
    def context(self) -> int:
        """How many tokens the model reads."""
        return self.loaded.model.context

    def require(self, model: str | None) -> None:
        """Raise `Refusal` for another model than the one that is served."""
        if model is not None and model != self.name:
            why = f"The model `{model[:100]}` does not exist; this server has `{self.name}`"
            raise Refusal(404, why, "model", "model_not_found")

    def completions(self, request: CompletionRequest) -> list[Asked]:
        """What is to be written for each prompt. Raises `Refusal` for a prompt that the model cannot read."""
        prompts = request.prompts
        if not prompts or len(prompts) * request.n > self.limits.items:
            raise Refusal(400, f"'prompt' takes 1 to {self.limits.items} texts, times 'n'", "prompt", "invalid_value")
        scores = request.echo and request.logprobs is not None
        return [
            self._asked(request, self._ids(prompt), request.max_tokens, request.logprobs, "prompt", scores)
            for prompt in prompts
        ]

    def chat(self, request: ChatRequest) -> Asked:
        """What is to be written in a conversation. Raises `Refusal` where the model holds none."""
        if self.template is None:
            raise Refusal(400, f"{self.name} {NO_TEMPLATE}", code="no_chat_template")
        messages = [message.plain() for message in request.messages]
        try:
            found = self.template.ids(messages, self.loaded.tokenizer)
        except Error as failure:
            raise Refusal(400, str(failure), "messages", "invalid_value") from None
        ids = prompt_of(found, self.loaded.tokenizer, self.context, "messages")
        room = max(1, self.context - len(ids))
        tokens = min(room, self.limits.tokens) if request.most is None else request.most
        top = (request.top_logprobs or 0) if request.logprobs else None
        return self._asked(request, ids, tokens, top, "messages", False)

    def _ids(self, prompt: str | list[int]) -> Sequence[int]:
        if not isinstance(prompt, str):
            return prompt
        try:
            return prompt_ids(self.loaded.tokenizer, prompt).tolist()  # type: ignore[no-any-return]
        except Error as failure:  # characters that the vocabulary does not have
            raise Refusal(400, str(failure), "prompt", "invalid_value") from None

    def _asked(
        self, request: Generation, ids: Sequence[int], tokens: int, top: int | None, param: str, scores: bool
    ) -> Asked:
        if tokens > self.limits.tokens:
            raise Refusal(400, f"this server writes at most {self.limits.tokens:,} tokens", "max_tokens")
        found = prompt_of(ids, self.loaded.tokenizer, self.context, param)
        seed = secrets.randbits(63) if request.seed is None else request.seed % (1 << 64)
        return Asked(found, tokens, request.sampling, seed, request.stops, request.n, top, scores)
