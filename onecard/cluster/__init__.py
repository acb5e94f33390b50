"""One model over several boxes with Ray: their network, start and rollback."""
