"""Runs in the browser: started, watched, stopped and resumed; each training is a process of its own."""
