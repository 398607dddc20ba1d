"""kqv: from a neural network to GPT, with every number in view.

trained = kqv.train("gpt", data="my-text.txt", minutes=2)
trained.model.generate("Once")

model = kqv.load("runs/digits-1")
model.classify(pictures)

with kqv.Trace(model) as trace:
    model(x)
print(trace)

why = kqv.load("latest", "gpt").why("To be or not to be")
print(why.score(why.strongest("not", "be")[0].cell))

training_data, validation_data, test_data = kqv.load_data_wrapper()
network = kqv.Network([784, 30, 10])
network.SGD(training_data, 30, 10, 3.0, test_data=test_data)
"""

from __future__ import annotations

TYPE_CHECKING = False  # what type checkers take for true; nothing is imported before Ctrl-C is heard (`kqv.__main__`)

if TYPE_CHECKING:
    from typing import Any

    from kqv.data.columns import load_data_wrapper as load_data_wrapper
    from kqv.experiments.compare import compare as compare
    from kqv.models.network import Network as Network
    from kqv.recording import note as note
    from kqv.systems.loading import load as load
    from kqv.systems.tracing import traced as traced
    from kqv.systems.training import train as train
    from kqv.trace.trace import Trace as Trace

    __version__: str

__all__ = ["Network", "Trace", "compare", "load", "load_data_wrapper", "note", "traced", "train"]

_HOMES = {
    "Network": "kqv.models.network",
    "Trace": "kqv.trace.trace",
    "compare": "kqv.experiments.compare",
    "load": "kqv.systems.loading",
    "load_data_wrapper": "kqv.data.columns",
    "note": "kqv.recording",
    "traced": "kqv.systems.tracing",
    "train": "kqv.systems.training",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import kqv` alone stays light."""
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        return version("kqv")
    if name not in _HOMES:
        raise AttributeError(f"module 'kqv' has no attribute {name!r}; it has: {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names, also those that are imported when they are first used."""
    return [*__all__, "__version__"]
