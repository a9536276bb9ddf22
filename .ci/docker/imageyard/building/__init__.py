"""How a row gets to its place: the builders, and the steps that all rows have in common."""
