"""The typed client of the Hokusai platform, and its command line."""
