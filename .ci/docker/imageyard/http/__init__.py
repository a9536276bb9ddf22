"""HTTP over the network: pooled, bounded, retried; it knows nothing of who is asked."""
