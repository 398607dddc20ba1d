"""Why: scores and logits split into what the model's parts put into them, and passes with one part changed."""
