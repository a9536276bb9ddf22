"""The Dockerfile reader: what BuildKit's built-in frontend would make of a file, without running anything."""
