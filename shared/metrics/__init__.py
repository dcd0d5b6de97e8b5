"""The rolling metrics: one module each, a registry, and the engine that keeps their windows.

A metric says what it reads, with which pipeline, and what it answers; `registry` makes the
document, routes, snapshots and history of that. Read `active_users` and `page_views` first, then
`registry`, then `engine`, then `current` (one computation for all who ask) and `snapshots`.
`per_minute` and `one_user` are answered by themselves.
"""
