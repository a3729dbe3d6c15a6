"""Which parts of a job each verb asks BigQuery for.

The plan of a large query makes its job a document of hundreds of kilobytes, and parsing that holds
up every other connector of the process; so `get`, the verb that is called all the time, takes two
numbers of each stage, and the log takes the plan without its steps.

Masks are partial-response expressions of Google's APIs, which put them into the system parameter
`fields`: https://cloud.google.com/apis/docs/system-parameters.
"""

from __future__ import annotations

_QUERY = (
    "statementType,totalBytesProcessed,totalBytesBilled,totalSlotMs,cacheHit,numDmlAffectedRows,"
    "ddlOperationPerformed,ddlTargetTable,referencedTables"
)
_PROGRESS = "queryPlan(parallelInputs,completedParallelInputs)"
_PLAN = "queryPlan(name,endMs,recordsRead,recordsWritten),timeline"

# The statement belongs to it because the vendor's client quotes it when a result can't be had.
_JOB = (
    "jobReference,user_email,status,configuration(jobType,labels,query(query,destinationTable),"
    "load(destinationTable),extract(destinationUris),copy(destinationTable))"
)
_OTHERS = (
    "load(inputFiles,inputFileBytes,outputRows,outputBytes,badRecords),"
    "extract(destinationUriFileCounts,inputBytes),copy(copiedRows,copiedLogicalBytes)"
)
_TIMES = "creationTime,startTime,endTime"

STATE = (
    f"{_JOB},statistics(numChildJobs,completionRatio,creationTime,sessionInfo,{_OTHERS},query({_QUERY},{_PROGRESS}))"
)
"""Its state, statistics, and result table."""

LOG = f"{_JOB},statistics(numChildJobs,{_TIMES},{_OTHERS},query({_QUERY},{_PLAN}))"
"""The same, and its timeline."""

CONFIGURATION = "jobReference,configuration"
"""What it was asked to do."""

SIZE = "numRows,streamingBuffer/estimatedRows"
"""How many rows a table has."""
