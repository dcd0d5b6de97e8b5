"""MongoDB: the driver, the collections with their indexes, leases, and a mongod of our own.

`database` is the only module that names Motor. `leases` lets one process at a time do a task;
`clock_skew` holds this machine's clock against MongoDB's;
`embedded_mongod` starts the mongod of `make run`, with `processes`.
"""
