"""What can go wrong, verb by verb, each tried for real: what the README's table is made of."""
