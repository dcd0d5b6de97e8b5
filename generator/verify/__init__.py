"""Checks the service's metrics against what the generator was told it had taken.

Read `ledger` (what was acknowledged, and when), `oracle` (what can have occurred in a window),
`metrics` (the table of definitions), `compare` (an answer against it), `command`. Nothing here
knows how the service computes its answers.
"""
