"""The demo: a server and four protected APIs on real ports, and the story of a token."""

from bezant_server.demo.run import run_demo

__all__ = ["run_demo"]
