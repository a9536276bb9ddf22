"""The registry client and the manifests it reads."""
