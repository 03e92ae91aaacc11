"""The autoencoder of heartbeats of label-free explanations (Crabbé and van der Schaar, 2022), on ECG5000.

    L = mean over the beat of |x − decoder(encoder(x))|

    network      lstm-autoencoder: two LSTMs to 64 numbers, two back              weights    random
    epochs       at most 150, of which the best is kept, and 10 without a better one end the training
    batch        20                                optimiser  Adam
    rate         1e-3, constant                    decay      1e-5, added to the gradient
    transform    plain: the beats are scaled already
    objective    denoising, with nothing added and absolute differences
    held out     a fifth of the normal beats (583 of 2919), to choose by

Nothing here is ours. Seed 42; the batch of 20 is what the study's command says, its functions' own default is 50.

Importance of features: the autoencoder learns from normal beats alone, and abnormal ones are explained. Importance of
examples: from 4000 beats of all kinds, with the other 1000 to choose by, held_out=0.2, and a checkpoint every tenth
epoch (pl.fit(…, keep=True) keeps all). Neither is the archive's own split into 500 and 4500: take ecg5000:split=all.

>>> RelfEcg().batch, RelfEcg().held_out
(20, 0.2)
"""

from pellucid.questions.similarity import Similarity
from pellucid.training.recipes._base import Count, Optimiser, Rate, Recipe, Schedule, Share


class RelfEcg(Recipe, name="relf-ecg", paper="arXiv:2203.01928"):
    """An autoencoder of heartbeats, for explanations without labels."""

    cite = Similarity.cite
    data = "ecg5000:split=all,binary=true"

    network: str = "pellucid:lstm-autoencoder"
    objective: str = "denoising:corruption=none,loss=l1"
    epochs: Count = 150
    batch: Count = 20
    optimiser: Optimiser = "adam"
    lr: Rate = 1e-3
    decay: Rate = 1e-5
    schedule: Schedule = "constant"
    transform: str | None = "plain"
    held_out: Share = 0.2
    patience: Count | None = 10
