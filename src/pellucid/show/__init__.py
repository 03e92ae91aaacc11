"""Explanations as pictures: colour, overlay, contact sheet."""
