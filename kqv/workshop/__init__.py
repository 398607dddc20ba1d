"""Write the mathematics again from scratch: exercises that are checked, explained, and trained with."""
