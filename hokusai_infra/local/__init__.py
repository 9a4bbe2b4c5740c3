"""The local stack: the recorded graph of a Pulumi program, run by real parts on loopback."""
