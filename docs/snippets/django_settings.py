import os

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django_bezant",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_bezant.middleware.BearerMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",  # people sign in with these
    "django_bezant.backends.BearerBackend",  # request.user is whom a token names
]
BEZANT = {
    "ISSUER": "https://shop.example.com",
    "AUDIENCE": "https://api.example.com",
    "SCOPES": {"items:read": "See the items"},
    "SECRET_KEY": os.environ["BEZANT_SECRET_KEY"],  # from SecretKeyRing.generate()
    "SERVER": {"access_token_ttl": 300},  # True where the defaults will do
}
