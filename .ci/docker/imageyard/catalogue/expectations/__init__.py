"""What a check may expect of its command: one module for each kind, and the table of them."""
