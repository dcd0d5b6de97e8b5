"""The rolling metrics."""
