"""The demo: a server and four protected APIs on real ports, and the story of a token."""
