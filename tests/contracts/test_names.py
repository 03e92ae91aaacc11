"""Every named thing, of every family: its text form, its file, its worked example."""

import pytest

from pellucid.contracts import names, questions
from pellucid.registry import catalog, families

MEMBERS = [catalog(family)[name] for family in families() for name in catalog(family)]


@pytest.mark.parametrize("check", names.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_name(member, check):
    check(member)


@pytest.mark.parametrize("check", questions.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("member", [m for m in MEMBERS if m.family == "questions"], ids=lambda member: member.name)
def test_question(member, check):
    check(member)
