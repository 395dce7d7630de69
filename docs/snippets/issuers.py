import os

from bezant import IntrospectionVerifier, TokenVerifier, TrustedIssuers

API = "https://api.example.com"

staff = TokenVerifier.from_issuer(
    "https://id.example.com",
    audience=API,
    revocation_bound=5.0,  # seconds
    when_stale="introspect",
    client_id="api",
    client_secret=os.environ["API_SECRET"],
)
partners = IntrospectionVerifier(
    "https://id.partner.example",
    audience=API,
    client_id="api",
    client_secret=os.environ["PARTNER_SECRET"],
)
verifier = TrustedIssuers([staff, partners])
