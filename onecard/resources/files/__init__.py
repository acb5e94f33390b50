"""Files on a box: plain, secret, whole folders, the files of a model."""
