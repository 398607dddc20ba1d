"""The tools over standard input and output, for one agent that has started the process."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from kqv import __version__
from kqv.agent.reach import Reach
from kqv.agent.tools import Tools
from kqv.errors import Error
from kqv.files.json_values import finite
from kqv.visible import visible

INSTRUCTIONS = """kqv shows neural networks, Transformers and GPTs with every number in view. `runs` lists the models;
`trace` lists a pass's tensors; `cell` explains any number of it; `why` splits an attention score or a token's logit
into the parts that made it; `comparison` gives the answer to a what-if experiment."""


def make_server(reach: Reach) -> Any:
    """A server of the package `mcp` with all tools. Raises `Error` where the package is not installed."""
    try:
        from mcp.server.mcpserver import MCPServer
    except ImportError:
        raise Error("kqv mcp needs the package mcp; install it: pip install 'kqv[mcp]'") from None
    server = MCPServer("kqv", instructions=INSTRUCTIONS, version=__version__, log_level="ERROR")
    for tool in Tools(reach).all():
        server.add_tool(_said_in_a_line(tool), description=" ".join((tool.__doc__ or "").split()))
    return server


def serve(reach: Reach) -> None:
    """Answer until standard input ends, or nobody reads the answers any more."""
    server = make_server(reach)
    try:
        server.run("stdio")
    except* BrokenPipeError:  # within a group of what its tasks raised
        pass


def _said_in_a_line(tool: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """The tool, whose mistakes of who asks are one line, and whose numbers are JSON's."""
    from mcp.server.mcpserver.exceptions import ToolError

    @wraps(tool)
    def said(**asked: Any) -> dict[str, Any]:
        try:
            found: dict[str, Any] = finite(tool(**asked))
        except Error as failure:
            raise ToolError(visible(" ".join(str(failure).splitlines()))) from None
        return found

    return said
