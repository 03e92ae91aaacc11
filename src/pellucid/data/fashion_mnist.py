"""Fashion-MNIST (Xiao et al., 2017): 70,000 pieces of clothing in MNIST's format.

>>> FashionMNIST().class_names[9]
'ankle boot'
"""

from pellucid.data._idx import Idx

NAMES = (
    "T-shirt or top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


class FashionMNIST(Idx, name="fashion-mnist", paper="arXiv:1708.07747"):
    """Clothing, as a harder MNIST."""

    home = "https://github.com/zalandoresearch/fashion-mnist"
    licence = "MIT"
    terms = "Free to use with the copyright notice."
    cite = """
@article{xiao2017fashion,
  title   = {Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms},
  author  = {Xiao, Han and Rasul, Kashif and Vollgraf, Roland},
  journal = {arXiv preprint arXiv:1708.07747},
  year    = {2017},
}"""
    mean, std = (0.2860,), (0.3530,)
    reader = "FashionMNIST"

    @property
    def class_names(self) -> tuple[str, ...]:
        return NAMES
