"""The mock event generator. It talks to the service over HTTP and imports only its schema."""
