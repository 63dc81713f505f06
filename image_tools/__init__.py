"""OS images and drives: partitions, file systems, configuration and flashing. Usable as a library."""
