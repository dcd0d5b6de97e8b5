"""What every function's HTTP has in common; knows nothing of events or metrics.

Read `application` first: a request's whole way through the middleware. Then `problems` (every
failure in one table), `auth` (keys), `parameters` and `responses`; `openapi` describes the API,
`aws_lambda` serves an application on Lambda.
"""
