"""The APIs that the demo protects: the same one in four frameworks, each a process of its own.

None of them shares anything with the server: they know its URL, follow its keys and revocations,
and verify tokens by themselves.
"""
