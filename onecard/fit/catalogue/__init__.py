"""The models, cards and presets that are known offline."""
