"""What a push has to do: the desired containers, and what the device has now."""
