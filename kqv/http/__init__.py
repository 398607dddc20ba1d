"""What every server here stands on: where it listens, whom it answers, and how it ends."""
