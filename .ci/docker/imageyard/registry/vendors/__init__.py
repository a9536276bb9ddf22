"""What registries of one vendor do in their own way: one file for each."""
