"""Decisions, pure: event and states in, actions out."""
