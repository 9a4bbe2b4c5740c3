"""What the services keep elsewhere: PostgreSQL, Secrets Manager, MLflow."""
