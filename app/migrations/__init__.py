"""Databases, roles, grants and schemas: everything that only the master credential may change."""
