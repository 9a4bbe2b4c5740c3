"""Components of what an account has once, before anything is deployed into it."""
