"""Groups whose hosts serve together: behind one gateway, or one model over all of them."""
