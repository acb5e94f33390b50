"""What it takes to serve N requests of L tokens: the search over the cards, and its table."""
