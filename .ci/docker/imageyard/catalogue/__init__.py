"""The catalogue: text, decoding, expansion, explanation, selection, locks, schema."""
