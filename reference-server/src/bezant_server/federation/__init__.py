"""Third-party login: people sign in at another provider, and by explicit rules that is an account
here.
"""
