"""What was measured: rows, their statistics, and the store that keeps them. No torch."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.results._results import Results as Results


def __getattr__(name: str) -> Any:
    if name == "Results":  # with pandas, imported when used
        from pellucid.results._results import Results

        return Results
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
