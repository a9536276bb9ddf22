"""Builders: a request in, an outcome out."""
