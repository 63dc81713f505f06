"""What several commands share: options, the device and engine in question, completion."""
