"""The mock event generator: random events of the contract, in regular intervals, until stopped.

Read `shop` (what happens), `faults` (what goes wrong on the way), `schedule` (when it is sent),
`sending` (how it is delivered), `progress` (what is printed), `cli` and `function` (who starts it).
`verify/` checks the service's metrics against what was sent. Of the service's code it uses
`shared.schema` alone, and talks to it over HTTP.
"""
