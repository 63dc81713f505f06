"""What is generated in the documentation, and the tests that it is current."""
