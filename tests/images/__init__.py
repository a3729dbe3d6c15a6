"""Images are built and run for real: `nox -s images`, as root, on Debian.

debian.py     a base image made here, as no registry may be within reach
container.py  runs an image as a cluster would, without a container engine
"""
