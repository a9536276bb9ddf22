"""The local stack: engine, registry and base images where there are none."""
