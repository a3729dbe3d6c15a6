"""The wheels, installed as users install them: `nox -s extras`."""
