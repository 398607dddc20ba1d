"""A text's way through a model: what each step makes of it, what may come next, and why."""
