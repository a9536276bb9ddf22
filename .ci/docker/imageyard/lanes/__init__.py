"""Lanes: out-of-tree vendors publish packages and images of their own, and nothing else."""
