"""Measurements that print a table; `make bench`. They are not tests and bound nothing."""
