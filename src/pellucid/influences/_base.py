"""What an influence is: knobs, and `score`, a number for every test and training example. Larger is more important.

    class Distance(Influence, name="distance"):
        \"\"\"Which training examples look alike to the model?\"\"\"

        layer: str | None = None
        symmetric = True

        def score(self, case: Case) -> Tensor:
            test, train = case.features(self.layer)     # [t, d], [n, d]
            return -torch.cdist(test, train)            # [t, n]

The case may be a piece of all that is asked: some test rows, some training columns. Who needs all columns at once, for
weights that sum to one or for ranks, says `columns = False` and gets whole rows. What costs is kept by the case:

    case.features(layer)               of every example once; what is asked of encoders of any kind
    case.losses(images, labels)        [n], a module for torch.func.functional_call; its parameters are `model.…`
    case.train, case.test              .batches(size) -> images, labels; .read(), len, [3:7]
    case.once(key, make)               for all pieces: what is of the model, or of case.all.train
    case.once_train, case.once_test    for all pieces of the same columns, of the same rows: gradients, for example
    case.at(checkpoint)                a context in which the model has other weights, out of case.checkpoints
    case.memory                        bytes that may be kept of one piece, about; `keeps` says how many floats an
                                       example takes, from which the size of the pieces follows

The model is in evaluation mode with gradients on; it is put back as it was by whoever asks. Everything is in torch.
"""

from typing import ClassVar

from torch import Tensor

from pellucid.errors import BadInput
from pellucid.influences._case import Case
from pellucid.knobs import Between
from pellucid.registry import Named

__all__ = ["Between", "Case", "Influence"]


class Influence(Named, family="influences"):
    """Which training examples answer for it?"""

    needs: ClassVar[tuple[str, ...]] = ()  # of loss, checkpoints
    supervised: ClassVar[bool] = False  # reads labels whatever the loss
    columns: ClassVar[bool] = True  # a score is of its own training example alone (and of what `once` keeps)
    symmetric: ClassVar[bool] = False  # of examples with themselves, a symmetric matrix
    sees: ClassVar[bool] = True  # it depends on the model; a control does not
    quick = {}

    def score(self, case: Case) -> Tensor:
        """[t, n]: how important each training example is for each test example."""
        raise NotImplementedError

    def rank(self, case: Case) -> Tensor:
        """[t, n]: what the examples are ranked by where `top=` asks for the strongest and the weakest of a row."""
        return self.score(case)

    def worth(self, ranked: Tensor, places: Tensor, case: Case) -> Tensor:
        """[t, k]: the scores behind some of these ranks; places [k]: how many of the row rank above."""
        return ranked

    def keeps(self, case: Case) -> int:
        """Floats that an example takes while its piece is scored, besides its features."""
        return 0

    def able(self, case: Case) -> None:
        """Refuse what this member cannot do, before anything is computed."""
        if "loss" in self.needs and case.loss is None:
            raise BadInput(f"{self.name} differentiates the loss of one example, and there is none here: {case.why}.")
        if "checkpoints" in self.needs and not case.checkpoints:
            raise BadInput(
                f"{self.name} needs the weights of several epochs, and none were kept; train by "
                f"pl.fit(..., out=FOLDER, keep=True) and give the fit or its folder, or give checkpoints=."
            )
        if self.supervised and bool((case.train.labels < 0).any() | (case.test.labels < 0).any()):
            raise BadInput(f"{self.name} reads labels, and some examples have none; give (images, labels).")
