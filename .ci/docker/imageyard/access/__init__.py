"""The credentials of one run."""
