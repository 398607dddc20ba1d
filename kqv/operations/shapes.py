"""Types with shapes for signatures, such as `Float[Tensor, "*rows in"]`: checked in tests, unused at run time.

`*rows` is any number of axes, a name the same size wherever it stands in one signature. They come from jaxtyping, which
only tests need: annotations are not evaluated elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, Num
else:
    try:
        from jaxtyping import Bool, Float, Int, Num
    except ImportError:
        Bool = Float = Int = Num = None

__all__ = ["Bool", "Float", "Int", "Num"]
