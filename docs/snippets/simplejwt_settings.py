import os

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "rest_framework",
    "django_bezant",
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "django_bezant.backends.BearerBackend",
]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["django_bezant.drf.BearerAuthentication"],
}
BEZANT = {
    "ISSUER": "https://shop.example.com",
    "AUDIENCE": "https://api.example.com",
    "SCOPES": {"items:read": "See the items", "items:write": "Change the items"},
    "SECRET_KEY": os.environ["BEZANT_SECRET_KEY"],  # from SecretKeyRing.generate()
    "SERVER": True,
    "LEGACY": "shop.tokens.legacy",
}
