"""Chat templates: found where models have them, rendered in a sandbox, and never fooled by what a message says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gguf import GGUFReader
from small_models import SIZES, stirred
from tokenizers import AddedToken

from kqv.data.text.byte_pairs import BytePairs, train_byte_pairs
from kqv.errors import DataError, Error
from kqv.interchange import gguf, hugging_face
from kqv.interchange.chat_template import ChatTemplate
from kqv.interchange.chat_template_files import chat_template_of
from kqv.models.architecture import Architecture
from kqv.models.families import LLAMA
from kqv.models.gpt import GPT

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


@pytest.mark.parametrize(
    "source",
    ["{% for %}", "{{ " + "1" * 5000 + " }}", "{% for a in x %}" * 30 + "{% endfor %}" * 30, "{{ " + "(" * 5000],
)
def test_no_jinja_is_refused(source: str) -> None:
    with pytest.raises(DataError, match="no Jinja"):
        ChatTemplate(source)


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(s='a') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
        "{% for i in range(9999) %}{{ messages[0].content * 100000 }}{% endfor %}",
        "{% macro a() %}{% for i in range(9999) %}{{ 'x' * 100000 }}{% endfor %}{% endmacro %}{{ a() }}",
        "{{ 'a' * 10**10 }}", "{{ [0] * 10**10 }}", "{{ 10 ** 10000000 }}", "{{ '%10000000000d' % 1 }}",
        "{{ '{0:10000000000}'.format(1) }}", "{{ '{:{}}'.format(1, 10000000000) }}", "{{ 'x'.center(10**10) }}",
        "{{ 'x'|center(10000000000) }}", "{{ messages|tojson(indent=10000000000) }}",
        "{{ 'x'.join(['y' * 100000] * 1000) }}", "{{ ('a' * 10000).replace('a', 'b' * 100000) }}",
    ],
)  # fmt: skip
def test_a_template_neither_takes_long_nor_makes_much(source: str) -> None:
    with pytest.raises(Error, match=r"it (can make|makes) more than|does not come to an end|a width of|a huge number"):
        ChatTemplate(source).text(told("a"))


@pytest.mark.parametrize("asked", ["replace('a', 'b')", "split('</think>')[-1]", "strip()"])
def test_a_long_message_is_taken(asked: str) -> None:
    template = ChatTemplate("{{ messages[0].content." + asked + " }}")
    assert len(template.text(told("a" * 1_000_000))) == 1_000_000


def test_bounds_leave_alone_what_templates_do(tokenizer: BytePairs) -> None:
    source = (
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ ns.n ~ '. ' ~ m.content }}"
        "{{ '\n' * 2 }}{% endfor %}{{ '%03d|%s' % (2 ** 5, 'x'.center(5)) }}{{ [1] + [2] }}{{ 7 % 4 * 2.5 }}"
        "{% macro f(x) %}<{{ x | tojson }}>{% endmacro %}{{ f({'a': 1}) }}{{ '{:>4}'.format('y') }}"
    )
    long = "x" * 200_000
    wanted = f"1. a\n\n2. {long}\n\n032|  x  [1, 2]7.5" + '<{"a": 1}>   y'
    assert ChatTemplate(source).text(told("a", long)) == wanted


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


@pytest.fixture(scope="module")
def model(tokenizer: BytePairs) -> GPT:
    return stirred(GPT(tokenizer.size, Architecture(**{**LLAMA.parts, **SIZES, "context": 256})))  # type: ignore[no-any-return]


def test_it_goes_along_into_a_gguf_file_and_out_of_it(model: GPT, tokenizer: BytePairs, tmp_path: Path) -> None:
    given = ChatTemplate(TEMPLATE, "<s>", "<|im_end|>")
    gguf.write(model, tokenizer, tmp_path / "chat.gguf", template=given)
    assert chat_template_of(tmp_path / "chat.gguf") == given
    assert GGUFReader(tmp_path / "chat.gguf").fields["tokenizer.chat_template"].contents() == TEMPLATE
    again, its_tokenizer = gguf.read(tmp_path / "chat.gguf")
    files = hugging_face.write(again, its_tokenizer, tmp_path / "folder", chat_template_of(tmp_path / "chat.gguf"))
    assert "chat_template.jinja" in files
    assert chat_template_of(tmp_path / "folder") == given
    hugging_face.write(model, tokenizer, tmp_path / "plain")
    assert chat_template_of(tmp_path / "plain") is None
    unknown = ChatTemplate(TEMPLATE, "<nobody>", "")
    gguf.write(model, tokenizer, tmp_path / "unknown.gguf", template=unknown)
    found = chat_template_of(tmp_path / "unknown.gguf")
    assert found is not None
    assert found.source == TEMPLATE


def test_transformers_reads_it_from_the_folder(model: GPT, tokenizer: BytePairs, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    template = ChatTemplate(TEMPLATE, "<s>", "<|im_end|>")
    hugging_face.write(model, tokenizer, tmp_path / "folder", template)
    words = transformers.AutoTokenizer.from_pretrained(tmp_path / "folder")
    found = words.apply_chat_template(told("hello"), return_dict=False)
    assert list(found) == template.ids(told("hello"), tokenizer)
    assert (words.bos_token, words.eos_token) == ("<s>", "<|im_end|>")


def test_llama_cpp_reads_the_same_conversation(model: GPT, tokenizer: BytePairs, tmp_path: Path) -> None:
    llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed (.ci/run builds it)")
    template = ChatTemplate(TEMPLATE, "<s>", "<|im_end|>")
    gguf.write(model, tokenizer, tmp_path / "chat.gguf", template=template)
    llama = llama_cpp.Llama(str(tmp_path / "chat.gguf"), n_ctx=256, n_threads=1, verbose=False)
    assert llama.metadata["tokenizer.chat_template"] == TEMPLATE
    llama.create_chat_completion(told("hello", "hello, user"), temperature=0.0, max_tokens=1)
    ids = template.ids(told("hello", "hello, user"), tokenizer)
    assert llama.input_ids[: len(ids)].tolist() == ids
    llama.close()
