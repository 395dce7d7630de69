"""An OAuth 2 authorization server on Bezant: accounts, clients, keys, one command line."""

__version__ = "0.1.0"
