"""Images as the OCI specifications have them: manifests, indexes, stores. No network."""
