"""What is asked of a model: each question is a direction in output space, and a value.

`pl.questions.Contrast(against="max")` and the text `contrast:against=max` are the same thing.
"""

from pellucid.questions._base import Question as Question
from pellucid.questions._base import Score as Score
from pellucid.registry import lazy

__getattr__, __dir__ = lazy(__name__)
