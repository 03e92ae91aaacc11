"""The autoencoders and the classifier of label-free explanations, on MNIST (Crabbé and van der Schaar, 2022).

    L = mean over the pixels of (x − decoder(encoder(x + 0.3 · ε)))²,      ε ~ N(0, 1), not clipped

    network      conv-autoencoder, to 4 numbers and back                         weights    random
    epochs       at most 100, of which the best is kept, and 10 without a better one end the training
    batch        300                               optimiser  Adam
    rate         1e-3, constant                    decay      1e-5, added to the gradient
    transform    plain: numbers from 0 to 1        objective  denoising

Seed 1. The text has noise of variance 1/3, the code of standard deviation 0.3, as here (denoising:std=0.577).

Ours: the paper chooses the best epoch by its test set. Here a tenth of the training set is held out for that
(held_out=0.1), and the test set remains unseen.

    reconstruction    objective denoising:corruption=none: nothing is added
    inpainting        objective denoising:corruption=inpainting: a pixel is 0 one time in five
    classification    objective ce, model pellucid:conv-classifier. The code applies a softmax to what its loss takes
                      the log-softmax of (softmax=true): its loss ends at 1.461 at best. Here it is applied once.
    VAEs              model pellucid:conv-vae, objective beta-vae:beta=5 or tc-vae:beta=5, transform plain:size=32; of
                      dSprites conv-vae:latent=6,size=64, batch=500

The code does not shuffle its pictures, so that all epochs have the same batches (shuffle=false); here they are
shuffled.

>>> RelfMnist().optimiser, RelfMnist().patience, RelfMnist().ours
('adam', 10, ('held_out',))
"""

from pellucid.questions.similarity import Similarity
from pellucid.training.recipes._base import Count, Optimiser, Rate, Recipe, Schedule, Share


class RelfMnist(Recipe, name="relf-mnist", paper="arXiv:2203.01928"):
    """Autoencoders of digits, for explanations without labels."""

    cite = Similarity.cite
    data = "mnist"
    ours = ("held_out",)

    network: str = "pellucid:conv-autoencoder"
    objective: str = "denoising"
    epochs: Count = 100
    batch: Count = 300
    optimiser: Optimiser = "adam"
    lr: Rate = 1e-3
    decay: Rate = 1e-5
    schedule: Schedule = "constant"
    transform: str | None = "plain"
    held_out: Share = 0.1
    patience: Count | None = 10
