"""How accurate the generated functions are."""
