"""What sandbox boxes of every kind need: names, keys, sources, files, programs."""
