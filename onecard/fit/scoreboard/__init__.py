"""What `fit` predicts beside what vLLM logged, for every start that is known."""
