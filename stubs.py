"""Writes `__init__.pyi` for every family, so that a type checker knows `pl.explainers.GradCAM(layer=...)`.

The stubs follow from the file names; they are made on every build (also an editable one) and by `make check`, and are
not kept in the repository. Run it: python stubs.py
"""

from pathlib import Path

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # outside a build
    BuildHookInterface = object

PACKAGE = Path(__file__).parent / "src" / "pellucid"


def stub(folder: Path) -> str:
    """What the family's package exports: its own imports, and the class of every member."""
    package = ".".join(("pellucid", *folder.relative_to(PACKAGE).parts))
    lines = [
        line.strip()
        for line in (folder / "__init__.py").read_text(encoding="utf-8").splitlines()
        if line.strip().startswith("from ") and " as " in line
    ]
    for path in sorted(folder.glob("[!_]*.py")):
        squashed = path.stem.replace("_", "").lower()
        words = (
            line[6:].partition("(")[0]
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.startswith("class ")
        )
        name = next((word for word in words if word.lower() == squashed), None)
        if name:
            lines.append(f"from {package}.{path.stem} import {name} as {name}")
    return "\n".join(lines) + "\n"


def write_stubs() -> None:
    """One stub a family."""
    for base in PACKAGE.rglob("_base.py"):
        (base.parent / "__init__.pyi").write_text(stub(base.parent), encoding="utf-8")


class StubHook(BuildHookInterface):
    """Called by hatchling before it packs."""

    def initialize(self, version: str, build_data: dict) -> None:
        write_stubs()


if __name__ == "__main__":
    write_stubs()
