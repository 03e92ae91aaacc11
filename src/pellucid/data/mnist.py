"""MNIST (LeCun et al., 1998): 70,000 handwritten digits of 28 × 28 pixels, 60,000 of them for training.

>>> MNIST().class_names[7]
'seven'
"""

from pellucid.data._idx import Idx
from pellucid.data._names import DIGITS


class MNIST(Idx, name="mnist"):
    """Handwritten digits."""

    home = "http://yann.lecun.com/exdb/mnist"
    licence = "commonly given as CC BY-SA 3.0"
    terms = "Derived from NIST's databases; free to use with attribution."
    cite = """
@article{lecun1998gradient,
  title   = {Gradient-based learning applied to document recognition},
  author  = {LeCun, Yann and Bottou, L{\\'e}on and Bengio, Yoshua and Haffner, Patrick},
  journal = {Proceedings of the IEEE},
  volume  = {86},
  number  = {11},
  pages   = {2278--2324},
  year    = {1998},
}"""
    mean, std = (0.1307,), (0.3081,)
    reader = "MNIST"

    @property
    def class_names(self) -> tuple[str, ...]:
        return DIGITS
