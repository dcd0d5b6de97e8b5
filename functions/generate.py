"""The scheduled function of the generator: each invocation sends its interval's events."""

from generator.function import generate
from shared.http.aws_lambda import task_handler

handler = task_handler(generate)
