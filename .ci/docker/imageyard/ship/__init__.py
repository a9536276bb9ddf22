"""Flows: what happens to a row, one flow a file."""
