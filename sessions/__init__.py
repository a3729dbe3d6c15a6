"""What `noxfile.py` is made of: the packages, how they are installed, and the sessions of nox."""
