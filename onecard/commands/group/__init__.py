"""Commands for several boxes that serve one model: the gateway before them, rolling deploys."""
