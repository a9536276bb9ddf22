"""How an image gets its tag in a registry: verify, record, tag, copy."""
