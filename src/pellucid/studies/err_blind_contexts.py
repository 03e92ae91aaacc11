"""Errata of LICO: contexts that cannot see the class.

    published   CLIP reads forwards, and the class stands last: twelve of thirteen tokens are the same for all classes
    sound       the reader sees the whole prompt

There is no CLIP at this scale: MiniLM reads, and as published it sees nothing of what comes after a position. So it was
never trained, and part of the difference is that.

>>> print(next(ErrBlindContexts().claims()))
accuracy: as published ≈ sound
"""

from pellucid.studies._errata import OfTraining


class ErrBlindContexts(OfTraining, name="err-blind-contexts", paper="arXiv:2310.09821"):
    """What LICO owes to contexts that see the class"""

    of, where = "lico", "section 3.3; code"
    title = "What LICO owes to contexts that see the class"
    defect = "The reader is causal and the class stands last, so that the contexts know nothing of it."
    claim = "LICO is more accurate than cross-entropy, and its maps are better."
    flaw = {"text": "(minilm:causal=true)"}
    differs = ("objective.text.causal",)
