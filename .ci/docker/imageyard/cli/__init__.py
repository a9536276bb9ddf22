"""Invoke tasks, one module a floor."""
