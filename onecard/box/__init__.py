"""Programs that run on the box itself: the standard library alone, for any Python from 3.8 on."""
