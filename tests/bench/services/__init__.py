"""What the bench starts beside our service: each a process of its own."""
