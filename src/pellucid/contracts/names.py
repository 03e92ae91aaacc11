"""What a name promises: its text form, its file, its first lines."""

import doctest
import importlib
import inspect
import pickle
import re
from pathlib import Path

from pellucid.contracts.case import sample
from pellucid.registry import Named, catalog


def reads_back(member: type[Named]) -> None:
    """parse(str(x)) == x"""
    thing = sample(member)
    text = str(thing)
    if "<" in text:
        return  # a knob without a text
    assert member.name in catalog(member.family), (
        f"{member.name} is not in the catalogue: declare it as an entry point of pellucid.{member.family}"
    )
    back = member.make(text)
    assert back == thing, f"{text} reads back as {back}"
    assert hash(back) == hash(thing), f"{text} and its copy have different hashes"


def is_frozen(member: type[Named]) -> None:
    """Knobs do not change after construction."""
    thing = sample(member)
    try:
        thing.name_of_no_knob = 1  # type: ignore[attr-defined]
    except AttributeError:
        return
    raise AssertionError(f"{member.name} can be changed after it is made")


def lives_in_its_file(member: type[Named]) -> None:
    """grad-cam in grad_cam.py"""
    file = Path(inspect.getfile(member)).stem
    assert file == member.name.replace("-", "_"), (
        f"{member.name} is in {file}.py, not {member.name.replace('-', '_')}.py"
    )


def begins_with_a_worked_example(member: type[Named]) -> None:
    """The module's docstring has a first line, and an example that runs right."""
    module = importlib.import_module(member.__module__)
    text = module.__doc__ or ""
    assert text.strip(), f"{module.__name__} has no docstring: begin with the formula and its source"
    found = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert found, f"{module.__name__} has no worked example (>>>) in a docstring"
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for test in found:
        failed = runner.run(test, out=lambda _: None).failed
        assert not failed, f"{failed} worked examples of {test.name} are wrong"


def cites_its_paper(member: type[Named]) -> None:
    """A member of a paper has BibTeX."""
    if member.paper:
        assert re.search(r"@\w+\{[\w:-]+,", member.cite), (
            f"{member.name} names {member.paper} but has no BibTeX in cite"
        )


def says_what_it_is(member: type[Named]) -> None:
    """One sentence for the catalogue."""
    assert (member.__doc__ or "").strip(), f"{member.__name__} has no docstring"


def travels(member: type[Named]) -> None:
    """It can be sent to another process."""
    thing = sample(member)
    if "<" not in str(thing):
        assert pickle.loads(pickle.dumps(thing)) == thing, f"{thing} changes when it is pickled"


CHECKS = (
    reads_back,
    is_frozen,
    lives_in_its_file,
    begins_with_a_worked_example,
    cites_its_paper,
    says_what_it_is,
    travels,
)
