"""`python -m bezant_server` is `bezant`."""

from bezant_server.cli import main

if __name__ == "__main__":
    main()
