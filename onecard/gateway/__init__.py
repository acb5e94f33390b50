"""One address before several boxes, and deploys that take one box after another out of it."""
