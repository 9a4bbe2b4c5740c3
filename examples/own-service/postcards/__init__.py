"""The service: what runs in the container, and imports nothing of Pulumi."""
