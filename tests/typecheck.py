"""What the import hook of jaxtyping checks annotations with: an int is a float.

beartype looks at one random item of a list. It gets chance of its own, so that the global one stays as it was, which
the contracts check.
"""

import random

_global, random.getrandbits = random.getrandbits, random.Random(0).getrandbits
from beartype import BeartypeConf, beartype  # noqa: E402
from beartype.door import is_bearable  # noqa: E402

is_bearable([1], list[int])  # it takes hold of its chance when first used
random.getrandbits = _global

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
