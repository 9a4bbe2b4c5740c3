"""What a stack will consist of, what is wrong with it and what it costs, without an account.

Everything is read from the recorded graph: no network, no credentials, no knowledge of what runs
in the containers. It compares programs, not what exists in AWS.
"""
