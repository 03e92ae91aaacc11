"""The package as a whole: its public names, what importing it costs, its layers."""

import ast
import subprocess
import sys
from pathlib import Path

import pellucid as pl

HOME = Path(pl.__file__).parent


def test_public_names_are_those_the_type_checker_sees():
    tree = ast.parse((HOME / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {name.asname: node.module.removeprefix("pellucid").strip(".") for node in block.body for name in node.names}
    assert seen == pl._HOME
    assert set(dir(pl)) == {*seen, "__version__"}
    for name in seen:
        assert getattr(pl, name) is not None


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert version("pellucid") == pl.__version__


def test_importing_the_package_imports_no_torch():
    code = "import pellucid, sys; pellucid.catalog('explainers'); print([m for m in ('torch',) if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_hooks_are_set_in_one_place():
    """`Subject` is the only one that watches models; the contract of explainers counts what is left behind."""
    words = ("register_forward", "register_full_backward", "register_hook", "register_backward")
    found = {
        path.relative_to(HOME).parts[0]
        for path in HOME.rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in words)
    }
    assert found <= {"subject", "contracts"}


def test_nothing_is_printed_and_no_global_seed_is_set_in_the_mathematics():
    for family in ("maths", "questions", "explainers", "subject"):
        for path in (HOME / family).rglob("*.py"):
            calls = [ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
            assert "print" not in calls, path
            assert "torch.manual_seed" not in calls, path
