"""Answers that change nothing."""
