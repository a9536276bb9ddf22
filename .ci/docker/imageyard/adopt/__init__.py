"""Bringing Imageyard into a repository."""
