"""One verifier for both endpoints: credential in, principal out."""
