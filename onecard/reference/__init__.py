"""What is generated from the code: pages of docs/, JSON schemas, the overview of all settings."""
