"""The program that runs beside a job's command: fetches its files, runs it, stores its outputs.

In the order of reading:

    plan         what a job has to do with files, and where they are in its folder
    staging      copies inputs into the folder, and outputs from there
    preparing    what a command finds when it starts: its folder, its program, its variables
    run          the program itself, for engines that start a job by a script
    packing      the program as one text that an engine carries to the machine that runs the job
    outcomes     what the service reads of it

Used by these:

    storage      files at URIs, copied piece by piece
    objects      the same in object stores
    web          the same at web addresses
    copying      what all ways of copying share
    uris         URIs of stored files
    forked       copying in a forked process
    endings      what is said of a command that has ended
    faults       what can go wrong

All but `outcomes` and `packing` need nothing but Python and its standard library, and `objects` obstore. On the
local back end the job's supervisor does what `run` does, with the same modules.
"""
