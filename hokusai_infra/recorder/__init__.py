"""Run a Pulumi program against a recorder instead of a cloud.

One recorder serves the tests, the preview without an account and the local stack: they differ only
in the answers that they give to the program.
"""

from hokusai_infra.recorder.answers import answers_for, default_answers
from hokusai_infra.recorder.graph import UNKNOWN, Answers, Graph, Resource
from hokusai_infra.recorder.run import record, record_any, record_program

__all__ = [
    "UNKNOWN",
    "Answers",
    "Graph",
    "Resource",
    "answers_for",
    "default_answers",
    "record",
    "record_any",
    "record_program",
]
