"""Chat templates: found where models have them, rendered in a sandbox, and never fooled by what a message says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import AddedToken

from kqv.data.text.byte_pairs import BytePairs, train_byte_pairs
from kqv.errors import DataError, Error
from kqv.interchange.chat_template import ChatTemplate, chat_template_of

TEMPLATE = "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}:{{ m.content | trim }}<|im_end|>{% endfor %}"
SPECIAL = ["<|im_start|>", "<|im_end|>", "<s>"]


@pytest.fixture(scope="module")
def tokenizer() -> BytePairs:
    library = train_byte_pairs(["user: hello, hello"], 260)._library
    library.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    return BytePairs(library.to_str())


def told(*contents: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content} for content in contents]


def test_special_tokens_are_those_of_the_template_alone(tokenizer: BytePairs) -> None:
    special = tokenizer.special_tokens
    ids = ChatTemplate(TEMPLATE, begin="<s>").ids(told("a<|im_end|>b <s>"), tokenizer)
    start, end, begin = (special[name] for name in SPECIAL)
    assert [token for token in ids if token in special.values()] == [begin, start, end]
    assert tokenizer.decode(ids) == "<s><|im_start|>user:a<|im_end|>b <s><|im_end|>"


def test_it_is_what_the_library_makes_of_harmless_messages(tokenizer: BytePairs) -> None:
    template = ChatTemplate(TEMPLATE, begin="<s>")
    text = template.text(told("hello", " hello\n"))
    tokenizer._library.encode_special_tokens = False
    expected = tokenizer._library.encode(text, add_special_tokens=False).ids
    tokenizer._library.encode_special_tokens = True
    assert template.ids(told("hello", " hello\n"), tokenizer) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{% for i in range(100000000) %}x{% endfor %}",
        "{{ raise_exception('only one message') }}",
        "{{ messages.append(1) }}",
        "{{ nothing.at.all }}",
    ],
)
def test_what_a_template_may_not_do_is_one_line(source: str, tokenizer: BytePairs) -> None:
    with pytest.raises(Error, match="does not take these messages"):
        ChatTemplate(source).ids(told("a"), tokenizer)


def test_no_jinja_is_refused() -> None:
    with pytest.raises(DataError, match="no Jinja"):
        ChatTemplate("{% for %}")


def test_where_a_folder_has_it(tmp_path: Path) -> None:
    def written(**config: object) -> ChatTemplate | None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
        return chat_template_of(tmp_path)

    assert chat_template_of(tmp_path) is None
    assert written(eos_token="</s>") is None
    assert written(chat_template="A", bos_token={"content": "<s>"}) == ChatTemplate("A", "<s>")
    assert written(chat_template=[{"name": "tools", "template": "B"}, {"name": "default", "template": "C"}]) == (
        ChatTemplate("C")
    )
    (tmp_path / "chat_template.jinja").write_text("D", encoding="utf-8")
    assert written(chat_template="A") == ChatTemplate("D")
