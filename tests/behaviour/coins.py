"""Studies for tests: one that costs time alone, and one of real cells. No torch is imported, for it is killed often."""

import os
import time
from dataclasses import dataclass

import numpy as np

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading, Work
from pellucid.studies._claims import Claim
from pellucid.studies._worlds import TINY


@dataclass(frozen=True)
class Coin(Work):
    """Four numbers, slowly, above those of the cells before."""

    seed: int
    seconds: float = 0.0
    of: tuple = ()

    def rows(self, lab):
        time.sleep(self.seconds)
        base = sum(one.frame(lab)["value"].sum() for one in self.of)
        with (lab.out / "log").open("a") as file:
            file.write(f"{self.key}\n")
        rng = np.random.default_rng(self.seed)
        return [{"arm": "a", "quantity": "x", "sample": i, "value": base + v} for i, v in enumerate(rng.random(4))]


@dataclass(frozen=True)
class Gone(Work):
    """Takes its process with it."""

    seed: int

    def rows(self, lab):
        os._exit(9)


@dataclass(frozen=True)
class Lost(Coin):
    """Cannot be found."""

    def rows(self, lab):
        raise ZeroDivisionError("the coin is lost.")


class Coins(Study, name="coins"):
    """Are coins above zero?"""

    worlds = {"tiny": TINY}
    of, where, title, claim = "lico", "Table 0", "Coins", "Coins are above zero."

    def readings(self, seed):
        first = tuple(Coin(100 * seed + i, 0.02) for i in range(4))
        yield Reading(Coin(seed, 0.02, first), seed)

    def claims(self):
        yield Claim("x", "a", 0.0, 0.1)


class Some(Study, name="some"):
    """Coins of which the third seed's are lost: one, and what builds on it."""

    worlds = {"tiny": TINY}

    def readings(self, seed):
        first = tuple((Lost if (seed, i) == (2, 0) else Coin)(100 * seed + i) for i in range(2))
        yield Reading(Coin(seed, 0.0, first), seed)


SMALL = TINY.but(
    train="scenes:classes=4,size=16,length=24", test="scenes:classes=4,size=16,length=16,seed=1",
    maps="scenes:classes=4,size=16,length=8,seed=1", network="pellucid:tiny-cnn:width=4,depth=2",
    recipe="plain:batch=8,epochs=1", text="random-words:width=8", seeds=2,
)  # fmt: skip


class Two(Study, name="two"):
    """Is one better than the other?"""

    worlds = {"tiny": SMALL}
    of, where, title = "lico", "Table 5", "Two <b>objectives</b>"
    claim = "LICO is better than CE."

    def readings(self, seed):
        for arm in ("ce", "lico"):
            model = self.world.trained(arm, seed)
            yield from self.world.measured(model, seed, arm, ("gradient",), ("insertion", "sch"))

    def claims(self):
        yield Claim("accuracy", "lico", "ce", 0.01)
        yield Claim("insertion", "lico", "ce", 0.01, "gradient", main=False)
