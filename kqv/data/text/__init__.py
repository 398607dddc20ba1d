"""Text: where it comes from, the tokenizers that turn it into numbers, and the numbers."""
