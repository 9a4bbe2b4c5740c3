"""Typed Pulumi components for AWS, and what runs, checks and shows the graph they make."""
