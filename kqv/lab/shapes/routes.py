"""`/api/shapes`: thin over the sketches of models."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from kqv.lab.shapes.described import described
from kqv.lab.state import Lab
from kqv.systems.sketches import is_named, published, recipes, sketch_named, sketch_of

router = APIRouter(prefix="/api/shapes")


class Wanted(BaseModel):
    """A model, and which of its sizes are other ones."""

    model: str = Field(max_length=1000)
    sizes: dict[str, int] = Field(default_factory=dict, max_length=40)


@router.get("")
def models(request: Request) -> dict[str, Any]:
    """The models whose shapes can be seen: recipes by system, published ones, and the lab's own."""
    lab: Lab = request.app.state.lab
    titles = [{"name": name, "title": title} for name, title in published().items()]
    return {"recipes": recipes(), "published": titles, "models": [model.name for model in lab.models.names()]}


@router.post("")
def shapes(wanted: Wanted, request: Request) -> dict[str, Any]:
    """The shapes of a model."""
    lab: Lab = request.app.state.lab
    named = is_named(wanted.model)
    sketch = sketch_named(wanted.model) if named else sketch_of(lab.models.source(wanted.model))
    return described(sketch, wanted.sizes)
