"""What runs in the container: stock MLflow, and what it needs to log in to its database."""
