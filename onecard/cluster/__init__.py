"""One model over several boxes with Ray: their network, their start, their way back."""
