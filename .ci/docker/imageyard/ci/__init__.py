"""The surroundings of a run in CI: the event that started it, and the files that it answers in."""
