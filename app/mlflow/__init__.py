"""The MLflow endpoint: an ASGI application of ours around MLflow's own."""
