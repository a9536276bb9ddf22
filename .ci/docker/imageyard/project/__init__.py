"""What a checkout says: its catalogue, its places, what may be published. No engine and no network."""
