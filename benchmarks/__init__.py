"""Measured speed: one small file a row. Run them with `make bench`, or one with `make bench ROW=grad_cam`."""
