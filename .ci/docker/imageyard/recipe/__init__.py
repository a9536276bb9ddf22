"""The recipe of a row: the Dockerfile read, its sources bound, the tag and the seal."""
