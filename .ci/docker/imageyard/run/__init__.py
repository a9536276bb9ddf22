"""What one call writes down, and what it leaves behind."""
