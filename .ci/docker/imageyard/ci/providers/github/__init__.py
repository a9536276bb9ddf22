"""GitHub Actions: its events, its identity tokens, its API, and the variables that only it sets."""
