"""Files that a vendor publishes from outside the main tree: checked, stored, listed in indexes, and taken back."""
