"""The same server for other engines: Docker Compose, Podman's Quadlet, Kubernetes."""
