"""Scales in words: numbers at the ends of a scale, and what is printed of it. No torch."""


def number(value: float) -> str:
    """Three digits, and powers of ten only where they are needed.

    >>> number(1698.2), number(0.0123), number(4), number(12345678.0)
    ('1700', '0.0123', '4', '1.23e+07')
    """
    text = f"{value:.3g}"
    return f"{float(text):.0f}" if 1e3 <= abs(value) < 1e6 else text


def scale_text(signed: bool, limit: float, start: float = 0.0) -> str:
    """The scale as it is printed on a sheet.

    >>> scale_text(True, 0.0123), scale_text(False, 4), scale_text(False, 0.9, 0.75)
    ('±0.0123', '0 to 4', '0.75 to 0.9')
    """
    return f"±{number(limit)}" if signed else f"{number(start)} to {number(limit)}"
