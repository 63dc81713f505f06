"""What can go wrong, verb by verb, each tried for real: the table that the README states is made of these tests."""
