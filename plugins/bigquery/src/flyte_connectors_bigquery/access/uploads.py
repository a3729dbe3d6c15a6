"""Jobs whose data come with the request instead of from Cloud Storage.

https://cloud.google.com/bigquery/docs/reference/api-uploads
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any

from google.api_core import exceptions
from google.resumable_media import InvalidResponse, RetryStrategy
from google.resumable_media.requests import MultipartUpload, ResumableUpload

if TYPE_CHECKING:
    from google.cloud import bigquery

PIECE_BYTES = 8 * 1024 * 1024
"""What is in memory of a file at a time; smaller ones are sent with their job in one request."""

_CONTENT_TYPE = "application/octet-stream"


def upload(client: bigquery.Client, resource: dict[str, Any], content: IO[bytes], *, timeout: float) -> dict[str, Any]:
    """Start a load job with its data; return the job's resource.

    Args:
        client: The vendor's client.
        resource: REST `Job`.
        content: A file, sent from its beginning.
        timeout: Seconds for each of the requests.

    Raises:
        GoogleAPICallError: BigQuery refuses.
    """
    size = content.seek(0, os.SEEK_END)
    content.seek(0)
    session = client._http  # noqa: SLF001  (the vendor's method has pieces of 100 MB)
    project = resource["jobReference"]["projectId"]
    url = client._connection.build_api_url(f"/projects/{project}/jobs")  # noqa: SLF001
    url = url.partition("?")[0].replace("/bigquery/", "/upload/bigquery/", 1)
    headers = {"User-Agent": client._connection.user_agent}  # noqa: SLF001
    try:
        if size < PIECE_BYTES:
            multipart = MultipartUpload(f"{url}?uploadType=multipart", headers=headers)
            multipart._retry_strategy = RetryStrategy(max_retries=0)  # noqa: SLF001  (the caller's)
            answer = multipart.transmit(session, content.read(), resource, _CONTENT_TYPE, timeout=timeout)
        else:
            pieces = ResumableUpload(f"{url}?uploadType=resumable", PIECE_BYTES, headers=headers)
            pieces._retry_strategy = RetryStrategy(max_retries=3)  # noqa: SLF001
            pieces.initiate(*(session, content, resource, _CONTENT_TYPE), total_bytes=size, timeout=timeout)
            answer = pieces.transmit_next_chunk(session, timeout=timeout)
            while not pieces.finished:
                answer = pieces.transmit_next_chunk(session, timeout=timeout)
    except InvalidResponse as error:
        raise exceptions.from_http_response(error.response) from error
    uploaded: dict[str, Any] = answer.json()
    return uploaded
