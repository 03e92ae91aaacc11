"""The command line: thin, and built from the catalogue."""
