"""Generation: tokens so far to next logits, logits to a chosen token, tokens to text that is shown as it comes."""
