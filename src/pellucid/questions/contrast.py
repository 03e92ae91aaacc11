"""Class contrast: why this class and not the others? (Wang & Wang, NeurIPS 2022; Eriksson et al., 2024)

    w = e_t − α        value                          α
    softmax            y_t − logsumexp_{s≠t} y_s      softmax of the other logits (over tau)
    mean               y_t − mean_{s≠t} y_s           1/(C − 1)
    max                y_t − max_{s≠t} y_s            1 at the strongest other class
    sum                y_t − Σ_{s≠t} y_s              1 each: the mean as printed, with its average forgotten
    7                  y_t − y_7                      1 at the named class

With softmax the value is the log-odds log p_t/(1 − p_t), and w its exact gradient at any logit gap, where autograd
through a float32 softmax has lost the target's own term. With a temperature tau the softmax form goes from max
(tau → 0) to mean (tau → ∞).

>>> y, t = torch.tensor([[2.0, 1.0, 1.0]]), torch.tensor([0])
>>> Contrast().direction(y, t).tolist(), Contrast(against=2).direction(y, t).tolist()
([[1.0, -0.5, -0.5]], [[1.0, 0.0, -1.0]])
"""

from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.errors import BadInput, BadQuestion
from pellucid.knobs import Between
from pellucid.questions._base import Question, one_hot, others, pick

Against = Literal["softmax", "mean", "max", "sum"]


def alpha(
    output: Float[Tensor, "n c"], target: Int[Tensor, " n"], against: Against, tau: float = 1.0
) -> Float[Tensor, "n c"]:
    """How the other classes share the minus sign: zero at the target, sum one (C − 1, where it is not averaged)."""
    rest = others(output, target)
    if against in ("mean", "sum"):
        return (1 - one_hot(output, target)) / (output.shape[1] - 1 if against == "mean" else 1)
    if against == "max":
        return one_hot(output, rest.argmax(1))
    return (rest / tau).softmax(1)


class Contrast(Question, name="contrast"):
    """Why this class and not the others?"""

    scale = "log-odds"
    cite = """
@inproceedings{wang2022whynot,
  title     = {"Why Not Other Classes?": Towards Class-Contrastive Back-Propagation Explanations},
  author    = {Wang, Yipei and Wang, Xiaoqian},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2022},
}"""

    against: Against | Annotated[int, Between(0)] = "softmax"
    tau: Annotated[float, Between(1e-6)] = 1.0
    link: Literal["softmax", "sigmoid"] = "softmax"

    def check(self) -> None:
        if self.link == "sigmoid" and self.against == "softmax":
            raise BadQuestion(
                "contrast against the softmax of the others has no meaning for sigmoid outputs, whose log-odds is the "
                "logit itself; ask logit, or contrast:against=mean."
            )

    def classes(self, output: Tensor) -> int:
        classes = super().classes(output)
        if classes < 2:
            raise BadQuestion("contrast needs another class, and this model has one output; ask logit.")
        if isinstance(self.against, int) and self.against >= classes:
            raise BadInput(f"class {self.against} is no class of this model, which has {classes}: 0 to {classes - 1}.")
        return classes

    def targets(self, output: Tensor, target: Tensor | None) -> Tensor:
        found = super().targets(output, target)
        if isinstance(self.against, int) and bool((found == self.against).any()):
            row = int((found == self.against).nonzero()[0])
            raise BadQuestion(
                f"sample {row} is asked about class {self.against} against itself; "
                f"name another class, or contrast:against=max."
            )
        return found

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        y, rest = pick(output, target), others(output, target)
        if isinstance(self.against, int):
            return y - output[:, self.against]
        if self.against in ("mean", "sum"):
            return y - (output.sum(1) - y) / (output.shape[1] - 1 if self.against == "mean" else 1)
        if self.against == "max":
            return y - rest.amax(1)
        return y - self.tau * (rest / self.tau).logsumexp(1)

    def direction(self, output: Tensor, target: Tensor) -> Tensor:
        if isinstance(self.against, int):
            return one_hot(output, target) - one_hot(output, torch.full_like(target, self.against))
        return one_hot(output, target) - alpha(output, target, self.against, self.tau)
