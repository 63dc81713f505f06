"""Maps a saved file of a project to what has to happen to the running container."""
