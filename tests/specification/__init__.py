"""The documents that specify this project: their code runs.

blocks/          the code of each document, as printed
changes.py       what had to be changed in it, line by line, and why
pages.py         blocks to modules
running.py       tasks and services for them
echo.py          a connector that returns its inputs
batch_service.py the batch service that one of the documents talks to
test_<page>.py   one per document
test_table.py    docs/seeds.md lists every change
test_bad_values.py, test_stored_outputs.py   what the documents demand without showing it
"""
