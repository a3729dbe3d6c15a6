"""Where batch jobs run: a folder for each back end.

local    processes on this machine, under a supervisor each
"""
