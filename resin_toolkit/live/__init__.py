"""Live reload: what a saved file means for the container that runs, and how it gets there."""
