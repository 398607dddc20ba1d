"""Translators in CTranslate2's layout: a folder with model.bin, config.json, its vocabularies and the tokenizers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kqv.data.parallel.sentences import BEGIN, END, SPECIAL, Sentences
from kqv.errors import Error
from kqv.files import write_text
from kqv.files.folder import written_folder
from kqv.interchange.ctranslate2_vocabulary import vocabulary_of
from kqv.models.transformer import Transformer

TYPES = ("float32", "int8")
"""How weights are stored; the tables and matrices of an `int8` model are, its norms and biases stay float32."""

README = "README.md"
_CUT_AT = 1024  # pieces of a source that CTranslate2 reads unless it is told


@dataclass(frozen=True)
class Translator:
    """What is exported: a model, what cuts source and target into tokens (one and the same for a joint vocabulary),
    and how it is used to searching: with so many beams, and which length penalty."""

    model: Transformer
    source: Sentences
    target: Sentences
    beams: int = 5
    length_penalty: float = 1.0

    @property
    def tokenizers(self) -> tuple[str, str]:
        """The names of the source's and the target's tokenizer: of files in the folder, and of variables."""
        is_joint = self.source is self.target
        return ("tokenizer", "tokenizer") if is_joint else ("source_tokenizer", "target_tokenizer")


def write(translator: Translator, folder: str | Path, number_type: str = "float32") -> list[str]:
    """Write a translator into a new or empty folder; the names of the files.

    The folder appears only when all of it is written. Raises `Error` where it is not empty or the disk refuses, for a
    part of the model that CTranslate2 does not have, a type that is not in `TYPES`, and without the package.
    """
    if number_type not in TYPES:
        raise Error(f"ctranslate2 has no type {number_type!r} here; choose one of: {', '.join(TYPES)}")
    spec = _spec(translator)
    spec.validate()
    spec.optimize(quantization=number_type)
    folder = Path(folder)
    with written_folder(folder) as part:
        spec.save(str(part))
        for sentences, name in zip((translator.source, translator.target), translator.tokenizers, strict=True):
            sentences.tokenizer.save(part / f"{name}.json")
        write_text(part / README, _readme(translator, folder.name, number_type))
        return sorted(path.name for path in part.iterdir())


def usage(translator: Translator, folder: Path) -> str:
    """Python that translates one `line` with the folder: as kqv does, with the same search."""
    reads, writes = translator.tokenizers
    files = {name: str(folder / f"{name}.json") for name in (reads, writes)}
    context, before, taken_off = translator.model.context, translator.source.lead, translator.target.lead
    options = [
        f"beam_size={translator.beams}", f"length_penalty={translator.length_penalty:g}",
        f"max_decoding_length={context}", *(["max_input_length=0"] if context > _CUT_AT else []),
    ]  # fmt: skip
    decoded = f"{writes}.decoder.decode(found.hypotheses[0])"
    return "\n".join([
        "import ctranslate2", "from tokenizers import Tokenizer",
        f"translator = ctranslate2.Translator({str(folder)!r})",
        *(f"{name} = Tokenizer.from_file({file!r})" for name, file in files.items()),
        f"pieces = {reads}.encode({f'{before!r} + line' if before else 'line'}).tokens",
        f"found = translator.translate_batch([pieces], {', '.join(options)})[0]",
        f"print({decoded}.removeprefix({taken_off!r}))" if taken_off else f"print({decoded})",
    ])  # fmt: skip


def _spec(translator: Translator) -> Any:
    """The model with its vocabularies and special tokens, as the package describes it."""
    try:
        from kqv.interchange.ctranslate2_spec import spec_of
    except ImportError:
        raise Error('--to ctranslate2 needs a package more; install it with: pip install "kqv[ctranslate2]"') from None
    spec = spec_of(translator.model)
    spec.register_source_vocabulary(vocabulary_of(translator.source))
    spec.register_target_vocabulary(vocabulary_of(translator.target))
    spec.config.bos_token = spec.config.decoder_start_token = SPECIAL[BEGIN]
    spec.config.eos_token = SPECIAL[END]
    spec.config.add_source_eos = True
    return spec


def _readme(translator: Translator, name: str, number_type: str) -> str:
    """What somebody has to know who gives text to the model."""
    context = translator.model.context
    before = ""
    if translator.source.lead:
        before = "\n  A space stands before a sentence, so that its first word is cut as any other."
    what = translator.model.describe()
    files = " and ".join(f"`{file}.json`" for file in dict.fromkeys(translator.tokenizers))
    return f"""# {name}

{what[0].upper()}{what[1:]}; weights in {number_type}, for [CTranslate2](https://opennmt.net/CTranslate2/).
From the folder that this one lies in, a `line`, in the form that the model was trained on (raw or tokenised):

```python
{usage(translator, Path(name))}
```

- {files}: what cuts text into pieces, for the library `tokenizers`.{before}
  CTranslate2 takes and gives pieces, not ids: its own count two more, the tokens that begin and end a sentence.
- CTranslate2 puts the end behind a source and the beginning before a translation by itself: give it pieces alone,
  and only such as this folder's tokenizer makes. Others are not noticed: they are read as some token of the model.
- A source has up to {context - 1:,} pieces, a translation up to {context:,}.
- An empty line has no pieces to translate; keep it as it is.
"""
