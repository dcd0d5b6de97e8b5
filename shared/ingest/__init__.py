"""From the bytes of a request to durable events, in the order of a request's way.

Read `body` (bytes to JSON values), `rate_limits` with `rate_storage` and `rate_blocks` (how much a
client may send), `validation` (JSON values to events and refusals), `event_log` (group commit into
MongoDB) and `rejections` (the record of what was refused).
"""
