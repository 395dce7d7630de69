"""Settings of gunicorn for gevent with ``--preload``: what is loaded must find locks that yield."""

from gevent import monkey

monkey.patch_all()
preload_app = True
