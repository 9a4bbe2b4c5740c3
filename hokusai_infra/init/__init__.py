"""``hokusai infra init``: a stack file that loads, from a few questions."""
