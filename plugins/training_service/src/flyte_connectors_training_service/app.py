"""The HTTP API: routes, requests, replies. `openapi.json` describes it."""

from __future__ import annotations

import json
import re
import uuid
from contextlib import asynccontextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from flyte_connectors_training_service import dashboards, sweeps
from flyte_connectors_training_service.job_files import MAX_LINES, LogOffsetError
from flyte_connectors_training_service.job_store import JobConflictError, UnknownJobError
from flyte_connectors_training_service.training_spec import (
    TrainingSpec,
    TrainingSpecError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

    from flyte_connectors_training_service.job_files import JobFiles
    from flyte_connectors_training_service.job_store import Job, JobStore
    from flyte_connectors_training_service.supervisor import Supervisor

MAX_BODY_BYTES = 64 * 1024
_MAX_LISTED = 1000
_ARTIFACTS = ("model.skops", "model.onnx", "report.json")
_JOB_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class RequestError(ValueError):
    """A part of the request is unusable; the text names it."""


def training_app(store: JobStore, supervisor: Supervisor, public_url: str | None) -> Starlette:
    """Make the application.

    Args:
        store: The jobs.
        supervisor: Works on them; started and stopped with the application.
        public_url: Where clients reach the service, for links; as they addressed it if None.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        supervisor.start()
        yield
        await run_in_threadpool(supervisor.stop)
        store.close()

    api = _Api(store, supervisor, public_url)
    return Starlette(
        routes=[
            Route("/jobs", api.submit, methods=["POST"]),
            Route("/jobs", api.list_jobs),
            Route("/jobs/{job_id}", api.job),
            Route("/jobs/{job_id}", api.cancel, methods=["DELETE"]),
            Route("/jobs/{job_id}/metrics", api.metrics),
            Route("/jobs/{job_id}/logs", api.logs),
            Route("/jobs/{job_id}/results", api.results),
            Route("/jobs/{job_id}/artifacts/{name}", api.artifact),
            Route("/jobs/{job_id}/trials", api.trials),
            Route("/jobs/{job_id}/dashboard", api.dashboard),
            *dashboards.ROUTES,
            Route("/openapi.json", api.openapi),
            Route("/health", api.health),
        ],
        exception_handlers={
            HTTPException: _http_error,
            **{error: _client_error(code) for error, code in _CODES.items()},
        },
        lifespan=lifespan,
    )


_CODES: dict[type[Exception], int] = {
    RequestError: 400,
    TrainingSpecError: 400,
    LogOffsetError: 400,
    UnknownJobError: 404,
    JobConflictError: 409,
}


class _Api:
    """The routes. Plain functions run in Starlette's threads, for they read disks."""

    def __init__(self, store: JobStore, supervisor: Supervisor, public_url: str | None) -> None:
        self._store = store
        self._supervisor = supervisor
        self._public_url = public_url

    async def submit(self, request: Request) -> Response:
        body = await _json_body(request)
        job_id, key = _chosen_id(body), _idempotency_key(request)
        sweep = body.pop("sweep", None)
        spec = TrainingSpec.from_json(body)
        trials = {} if sweep is None else sweeps.trials_of(job_id, spec, sweep)
        job, is_new = await run_in_threadpool(self._submit, job_id, key, spec, sweep, trials)
        return JSONResponse(self._shown(job, request), status_code=201 if is_new else 200)

    def _submit(
        self,
        job_id: str,
        key: str | None,
        spec: TrainingSpec,
        sweep: dict[str, Any] | None,
        trials: dict[str, TrainingSpec],
    ) -> tuple[Job, bool]:
        job, is_new = self._store.submit(job_id, key, spec, sweep, trials)
        self._supervisor.wake()
        return job, is_new

    def list_jobs(self, request: Request) -> Response:
        jobs = self._store.latest(_limit(request, _MAX_LISTED))
        return JSONResponse({"jobs": [self._shown(job, request) for job in jobs]})

    def job(self, request: Request) -> Response:
        return JSONResponse(self._shown(self._requested(request), request))

    def cancel(self, request: Request) -> Response:
        job = self._requested(request)
        self._store.cancel(job.job_id)
        self._supervisor.wake()
        return JSONResponse(self._shown(self._store.job(job.job_id), request))

    def metrics(self, request: Request) -> Response:
        files = self._files_of(self._requested(request))
        after = _integer(request, "after", default=0)
        if after < 0:
            message = f"after must be an epoch's number, got {after}"
            raise RequestError(message)
        return JSONResponse({"epochs": files.epochs(after)})

    def logs(self, request: Request) -> Response:
        # The job is read before its log: if it has ended, then the log is complete.
        job = self._requested(request)
        offset, limit = _integer(request, "offset", default=0), _limit(request, MAX_LINES)
        page = self._supervisor.files(job.job_id).log_page(offset, limit)
        return JSONResponse(
            {
                "lines": page.lines,
                "next_offset": page.next_offset,
                "complete": job.has_ended and page.at_end,
            }
        )

    def results(self, request: Request) -> Response:
        return self._file(request, "model.skops")

    def artifact(self, request: Request) -> Response:
        return self._file(request, request.path_params["name"])

    def _file(self, request: Request, name: str) -> Response:
        job = self._requested(request)
        if name not in _ARTIFACTS:
            raise HTTPException(404, f"no artifact {name!r}; there are {', '.join(_ARTIFACTS)}")
        if job.status != "finished":
            message = f"job {job.job_id!r} is {job.status}: it has no results"
            raise HTTPException(404, message)
        path = self._files_of(job).directory / name
        if not path.is_file():
            raise HTTPException(404, f"job {job.job_id!r} has no {name}: set exports")
        # As the dashboard's link names it: a file of this job.
        return FileResponse(path, filename=f"{job.job_id}{path.suffix}")

    def trials(self, request: Request) -> Response:
        sweep = self._requested(request)
        trials = self._store.trials(sweep.job_id) if sweep.sweep else []
        best = sweeps.best(trials, self._supervisor.files)
        shown = [
            {
                **self._shown(trial, request),
                "values": sweeps.values_of(trial, sweep),
                "score": sweeps.score_of(trial, self._supervisor.files(trial.job_id)),
            }
            for trial in trials
        ]
        return JSONResponse({"trials": shown, "best": best.job_id if best else None})

    def _files_of(self, job: Job) -> JobFiles:
        """The files of a job; of a sweep, those of its best trial so far."""
        if job.sweep is None:
            return self._supervisor.files(job.job_id)
        best = sweeps.best(self._store.trials(job.job_id), self._supervisor.files)
        return self._supervisor.files(best.job_id if best else job.job_id)

    def dashboard(self, request: Request) -> Response:
        self._requested(request)
        return dashboards.page("dashboard.html")

    def openapi(self, _: Request) -> Response:
        return Response(_resource("openapi.json"), media_type="application/json")

    async def health(self, _: Request) -> Response:
        if not self._supervisor.is_alive():
            raise HTTPException(503, "the supervisor has died: restart the service")
        return JSONResponse({"status": "ok"})

    def _requested(self, request: Request) -> Job:
        return self._store.job(request.path_params["job_id"])

    def _shown(self, job: Job, request: Request) -> dict[str, Any]:
        """Make the JSON of a job: `Job` in `openapi.json`."""
        files = self._files_of(job)
        last = files.last_epoch()
        url = f"{self._public_url or str(request.base_url).rstrip('/')}/jobs/{job.job_id}"
        is_loading = job.status == "running" and last is None and job.sweep is None
        is_finished = job.status == "finished"
        done, total = self._epochs_of(job, last)
        exports = {name: f"{url}/artifacts/model.{name}" for name in job.spec.exports}
        return {
            "job_id": job.job_id,
            "status": "loading" if is_loading else job.status,
            "message": job.message,
            "epoch": done,
            "epochs": total,
            "best_epoch": last.get("best_epoch") if last else None,
            "metrics": last,
            "scores": files.scores() if is_finished else None,
            "results": f"{url}/artifacts/model.skops" if is_finished else None,
            "report": f"{url}/artifacts/report.json" if is_finished else None,
            "exports": exports if is_finished else {},
            "dashboard": f"{url}/dashboard",
            "tracking": files.tracking_url(),
            "spec": job.spec.shown(),
            "problem": job.spec.how.problem,
            "sweep": job.sweep,
            "parent": job.parent,
            "created_at": job.created_at,
            "started_at": job.started_at,
            "ended_at": job.ended_at,
        }

    def _epochs_of(self, job: Job, last: dict[str, Any] | None) -> tuple[int, int]:
        """How many epochs are done, and to do: of all trials, where it is a sweep."""
        if job.sweep is None:
            return (last["epoch"] if last else 0), job.spec.epochs
        trials = self._store.trials(job.job_id)
        done = 0
        for trial in trials:
            newest = self._supervisor.files(trial.job_id).last_epoch()
            done += trial.spec.epochs if trial.has_ended else newest["epoch"] if newest else 0
        return done, sum(trial.spec.epochs for trial in trials)


async def _json_body(request: Request) -> dict[str, Any]:
    # A page in a browser cannot send this type to another site without asking it first.
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise HTTPException(415, "Content-Type must be application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, f"the body must be at most {MAX_BODY_BYTES} bytes")
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError) as error:
        message = "the body is not JSON"
        raise RequestError(message) from error
    if not isinstance(decoded, dict):
        message = "the body must be a JSON object"
        raise RequestError(message)
    return decoded


def _chosen_id(body: dict[str, Any]) -> str:
    """Take the client's `job_id` out of the body, or make one."""
    job_id = body.pop("job_id", None)
    if job_id is None:
        return uuid.uuid4().hex
    if not isinstance(job_id, str) or not _JOB_ID.fullmatch(job_id):
        message = f"job_id must be 1 to 63 of a-z, 0-9 and inner '-', got {str(job_id)[:80]!r}"
        raise RequestError(message)
    return job_id


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        message = "Idempotency-Key must be 1 to 255 printable ASCII characters"
        raise RequestError(message)
    return key


def _integer(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        message = f"{name} must be an integer, got {text[:80]!r}"
        raise RequestError(message)
    return int(text)


def _limit(request: Request, most: int) -> int:
    limit = _integer(request, "limit", default=most)
    if not 1 <= limit <= most:
        message = f"limit must be from 1 to {most}, got {limit}"
        raise RequestError(message)
    return limit


def _resource(name: str) -> bytes:
    return resources.files("flyte_connectors_training_service").joinpath(name).read_bytes()


def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _client_error(code: int) -> Callable[[Request, Exception], Response]:
    def reply(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, code)

    return reply
