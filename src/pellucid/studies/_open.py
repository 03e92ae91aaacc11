"""Questions that nobody answered, as studies: the claim is what one would expect, or what a paper takes for granted."""

from typing import ClassVar

from pellucid.studies._base import Study


class Open(Study):
    """Abstract: a question that no paper asked."""

    kind: ClassVar[str] = "open"
    where = "not asked"
