"""What a server reuses of earlier requests: of long prompts (prefix caching), and of pictures."""
