"""A developer's loop: a Dockerfile, a shell, a pull, the local stack."""
