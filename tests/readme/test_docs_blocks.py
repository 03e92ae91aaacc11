"""Every block of code in docs/ runs as it stands: those of one page after one another, in one empty folder.

A block that cannot run says why in a comment before it: <!-- not run: the reason -->. A line of a shell block that ends
in `# exit code 1` is expected to.
"""

import re
import shlex
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if not {"catalogue", "_build"} & set(path.parts))
BLOCK = re.compile(r"(?:<!-- not run: (?P<why>[^>]*?) -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S)
MOST = 8  # blocks that cannot run
PEERS = {"captum": "captum", "pytorch-grad-cam": "pytorch_grad_cam", "quantus": "quantus", "torchcam": "torchcam"}
LANGUAGES = {"python", "sh", "text", "yaml", "toml", "bibtex"}


@dataclass(frozen=True)
class Block:
    """A fenced block, where it begins, and why it is not run."""

    language: str
    code: str
    line: int
    why: str


def blocks(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    return [
        Block(m["language"], m["code"], text[: m.start("code")].count("\n"), m["why"] or "")
        for m in BLOCK.finditer(text)
    ]


def run_python(block: Block, names: dict, page: Path) -> None:
    """With its own lines in a traceback."""
    code = compile("\n" * block.line + block.code, str(page), "exec")
    exec(code, names)


def run_shell(block: Block) -> None:
    """Our own commands, through the runner: no process, no shell."""
    from pellucid.cli.main import app

    for line in block.code.replace("\\\n", " ").splitlines():
        command, _, comment = line.partition("  #")
        words = shlex.split(command, comments=True)
        if not words:
            continue
        assert words[0] == "pellucid", f"{words[0]} is no command of ours: say why it is not run"
        expected = int(found[1]) if (found := re.search(r"exit code (\d)", comment)) else 0
        result = CliRunner().invoke(app, words[1:])
        assert result.exit_code == expected, f"{line}\n{result.output}\n{result.exception!r}"


def test_every_page_of_another_library_is_known():
    assert {page.stem for page in (DOCS / "migrate").glob("*.md")} == set(PEERS)


def names_of(page: Path) -> str:
    return str(page.relative_to(DOCS).with_suffix(""))


RUN = [page for page in PAGES if any(b.language in ("python", "sh") and not b.why for b in blocks(page))]


@pytest.mark.parametrize("page", RUN, ids=names_of)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    if page.parent.name == "migrate":
        pytest.importorskip(PEERS[page.stem])
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "page"}
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")  # of other libraries
        for block in blocks(page):
            if block.why or block.language not in ("python", "sh"):
                continue
            run_python(block, names, page) if block.language == "python" else run_shell(block)


def test_what_is_not_run_says_why_and_is_rare():
    left_out = [b for page in PAGES for b in blocks(page) if b.why]
    assert len(left_out) <= MOST
    assert all(len(b.why.split()) >= 3 for b in left_out)


def test_every_fence_has_a_known_language():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        opened = re.findall(r"^```(\S*)", text, re.M)[::2]
        assert all(word in LANGUAGES or word.startswith("{") for word in opened), (page.name, opened)


def test_pages_speak_of_the_project_alone():
    """No machine's paths, no address but those of papers and specifications."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"(?<![\w.])/(work|root|home|tmp)/", text), page.name
        assert not re.findall(r"https?://(?!arxiv\.org|doi\.org)\S+", text), page.name


def test_a_block_that_fails_is_told(tmp_path):
    with pytest.raises(ZeroDivisionError):
        run_python(Block("python", "1 / 0\n", 3, ""), {}, tmp_path)
    with pytest.raises(AssertionError, match="there is no"):
        run_shell(Block("sh", "pellucid list nothing-at-all\n", 0, ""))
    with pytest.raises(AssertionError, match="no command of ours"):
        run_shell(Block("sh", "rm -r everything\n", 0, ""))
