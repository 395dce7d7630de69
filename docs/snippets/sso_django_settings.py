import os

BEZANT = {
    "ISSUER": "https://id.example.com",
    "AUDIENCE": "https://api.example.com",
    "SECRET_KEY": os.environ["BEZANT_SECRET_KEY"],
    "SERVER": True,
    "INTERACTION": {"login_url": "/login", "consent_url": "/consent", "logout_url": "/logout"},
}
