"""The deployed functions, one module each; `router` joins them for one machine."""
