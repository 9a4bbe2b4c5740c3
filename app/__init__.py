"""What runs in containers: the API and the MLflow server behind one verifier."""
