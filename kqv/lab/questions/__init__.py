"""What if? Questions that trainings answer: asked, watched, and their answers side by side."""
