"""Exchange of trained models with other programs."""
