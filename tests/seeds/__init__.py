"""The documents that this project was specified by: their code runs.

blocks/          the code of each document, as printed
changes.py       what had to be changed in it, line by line, and why
pages.py         blocks to modules
test_<page>.py   one per document
test_bad_values.py, test_stored_outputs.py   what the documents demand without showing it
"""
