"""An application with a user model of its own: e-mail addresses for names, UUIDs for keys."""
