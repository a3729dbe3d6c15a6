"""Files of jobs in object stores: S3, and Google's by its own protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import stores
from batch_jobs import template, wait_for
from flyte_connectors import Dir, File
from flyte_connectors.connector import Phase
from test_files import DIR, FILE, WHERE, Runs

from flyte_connectors_batch_job import BatchJobMetadata
from flyte_connectors_batch_job.wrapper import objects, storage
from flyte_connectors_batch_job.wrapper.faults import TransferError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batch_jobs import Jobs

MEBIBYTE = 1 << 20

S3_ALONE = pytest.mark.parametrize("scheme", ["s3"], indirect=True)
"""For what does not depend on the store."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """URL of a server with an empty bucket."""
    with stores.serving() as served:
        stores.client(served).create_bucket(Bucket=stores.BUCKET)
        yield served


@pytest.fixture(params=["s3", "gs"])
def scheme(request: pytest.FixtureRequest, url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Scheme of the store, which the environment of the service names."""
    for name, value in stores.environment(url).items():
        monkeypatch.setenv(name, value)
    objects._opened.cache_clear()
    return str(request.param)


@pytest.fixture
def client(url: str) -> Any:
    """A client that is not what jobs use."""
    return stores.client(url)


@pytest.fixture
def runs(jobs: Jobs, scheme: str, tmp_path: Path) -> Runs:
    """Jobs that store in the bucket."""
    return Runs(jobs, f"{scheme}://{stores.BUCKET}/{tmp_path.name}/{scheme}")


def put(client: Any, runs: Runs, name: str, data: bytes, content_type: str = "text/csv") -> str:
    """Store an object; its URI."""
    key = f"{runs.prefix.partition(f'{stores.BUCKET}/')[2]}/{name}"
    client.put_object(Bucket=stores.BUCKET, Key=key, Body=data, ContentType=content_type)
    return f"{runs.prefix}/{name}"


def got(client: Any, uri: str) -> Any:
    """What is stored."""
    key = uri.partition(f"{stores.BUCKET}/")[2]
    return client.get_object(Bucket=stores.BUCKET, Key=key)


def test_a_file_goes_in_and_out(runs: Runs, client: Any) -> None:
    """In several pieces, with its content type."""
    data = os.urandom(20 * MEBIBYTE + 3)
    uri = put(client, runs, "a b.bin", data, "application/x-odd")
    script = f'cp --preserve=xattr "$BATCH_JOB_INPUT_F" {WHERE}; basename "$BATCH_JOB_INPUT_F"'
    resource = runs.run(script, {"f": File(uri)}, outputs={"f": FILE})
    assert resource.phase == Phase.SUCCEEDED, resource.message
    assert runs.log() == ["a%20b.bin"]
    assert resource.outputs == {"f": f"{runs.prefix}/files/f/f"}
    stored = got(client, resource.outputs["f"])
    assert stored["Body"].read() == data
    if "user.mime_type" in os.listxattr(runs.jobs.job(BatchJobMetadata("a-job")).file("job/outputs/f")):
        assert stored["ContentType"] == "application/x-odd"


def test_a_folder_goes_in_and_out(runs: Runs, client: Any) -> None:
    """With empty files, and names that are not those of URIs; types by the files' names."""
    for name in ("d/x.csv", "d/deep/a #?%.json", "d/empty"):
        put(client, runs, name, b"" if "empty" in name else b"1")
    put(client, runs, "d/deep/", b"")  # as consoles store folders
    put(client, runs, "do-not-take/x", b"1")
    resource = runs.run(
        'cp -r "$BATCH_JOB_INPUT_D/." "$BATCH_JOB_OUTPUT_D"; cd "$BATCH_JOB_INPUT_D"; find . -type f | sort',
        {"d": Dir(f"{runs.prefix}/d")},
        outputs={"d": DIR},
    )
    assert resource.phase == Phase.SUCCEEDED, resource.message
    assert runs.log() == ["./deep/a #?%.json", "./empty", "./x.csv"]
    folder = (resource.outputs or {})["d"]
    assert got(client, f"{folder}/deep/a #?%.json")["ContentType"] == "application/json"
    assert got(client, f"{folder}/x.csv")["ContentType"] == "text/csv"
    assert got(client, f"{folder}/empty")["Body"].read() == b""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "input 'f': {prefix}/nothing not found"),
        ("../other/x", "input 'f': {prefix}/../other/x: "),
    ],
)
def test_an_object_that_can_not_be_had_fails_the_job(runs: Runs, name: str, message: str) -> None:
    """In one line."""
    text = runs.fails("true", {"f": File(f"{runs.prefix}/{name}")})
    assert text.startswith(message.format(prefix=runs.prefix))


def test_a_folder_without_objects_fails_the_job(runs: Runs) -> None:
    """An object store has no empty folders."""
    message = runs.fails("true", {"d": Dir(f"{runs.prefix}/none")})
    assert message == f"input 'd': {runs.prefix}/none not found"


@S3_ALONE
def test_a_name_that_the_store_refuses_fails_the_job(runs: Runs) -> None:
    """The text is one line, though the name has two."""
    message = runs.fails('touch "$BATCH_JOB_OUTPUT_D/$(printf "a\\nb")"', outputs={"d": DIR})
    assert message.startswith("output 'd': ")


def test_a_bucket_that_is_not_there_fails_the_job(jobs: Jobs, scheme: str) -> None:
    """Another attempt would find none, either."""
    message = Runs(jobs, f"{scheme}://nothing/x").fails(f"touch {WHERE}", outputs={"f": FILE})
    uri = f"{scheme}://nothing/x/files/f/f"
    assert message == f"output 'f': {uri} not found: no such object or bucket"


@S3_ALONE
def test_a_store_that_is_down_may_be_retried(runs: Runs, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its credentials are not shown."""
    for name, value in stores.environment("http://127.0.0.1:1").items():
        monkeypatch.setenv(name, value)
    resource = runs.run(f"touch {WHERE}", outputs={"f": FILE})
    assert resource.phase == Phase.RETRYABLE_FAILED
    assert (resource.message or "").startswith(f"output 'f': {runs.prefix}/files/f/f: Generic ")
    assert stores.SECRET not in (resource.message or "")


@S3_ALONE
def test_a_queued_job_gets_the_settings_for_storage(
    runs: Runs, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the keeper of the job that ended before it; nobody has to ask."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLOTS", "1")
    waits = f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done"
    runs.jobs.connector.create(template(script=waits), "", {}, idempotency_key="first")
    meta = runs.start(f"echo 1 > {WHERE}", outputs={"f": FILE})
    for name in stores.environment(""):
        monkeypatch.delenv(name)
    (tmp_path / "go").touch()
    job = runs.jobs.job(meta)
    wait_for(job.has_begun)  # a question about its state would start it with this process's settings
    resource = runs.jobs.end(meta)
    assert resource.phase == Phase.SUCCEEDED, resource.message
    assert got(client, (resource.outputs or {})["f"])["Body"].read() == b"1\n"


@S3_ALONE
def test_the_jobs_see_no_credentials(runs: Runs, client: Any) -> None:
    """Neither in their environment, nor in that of any process they can look at, nor in a file."""
    uri = put(client, runs, "x", b"1")
    script = f"env; cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; touch {WHERE}"
    resource = runs.run(
        f"({script}) | grep -a AWS_SECRET_ACCESS_KEY; touch {WHERE}",
        {"f": File(uri)},
        outputs={"f": FILE},
        env={"LC_ALL": "C"},
    )
    assert resource.phase == Phase.SUCCEEDED, resource.message
    # Other processes of this machine may have other credentials.
    assert not [line for line in runs.log() if stores.SECRET in line]
    for path in Path(runs.jobs.spool.root).rglob("*"):
        if path.is_file():
            assert stores.SECRET.encode() not in path.read_bytes(), path


_COPY = """
import json, os, sys
from flyte_connectors_batch_job.wrapper import forked, plan, staging

def copy():
    folder, files = given["folder"], given["plan"]
    os.makedirs(folder)
    plan.make_folders(files, folder)
    staging.fetch(files, folder, 5 << 30)
    os.rename(plan.input_path(folder, files["inputs"][0]), folder + "/outputs/f")
    staging.Outputs(files, os.open(folder, os.O_RDONLY), folder, 5 << 30).store({})
    return open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]

given = json.loads(sys.argv[1])
print(forked.call(copy))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["s3", "file"])
def test_a_gigabyte_passes_in_bounded_memory(
    kind: str, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In and out: the process that copies needs less than 200 MiB."""
    source = tmp_path / "source"
    with source.open("wb") as file:
        block = os.urandom(MEBIBYTE)
        for _ in range(1024):
            file.write(block)
    prefix, uri = str(tmp_path / "stored"), str(source)
    if kind == "s3":
        for name, value in stores.environment(url).items():
            monkeypatch.setenv(name, value)
        uri, prefix = f"s3://{stores.BUCKET}/large", f"s3://{stores.BUCKET}/stored"
        stores.client(url).upload_file(str(source), stores.BUCKET, "large")
    plan = {
        "inputs": [{"at": ["f"], "kind": "file", "uri": uri}],
        "outputs": {"f": "file"},
        "prefix": prefix,
    }
    given = json.dumps({"folder": str(tmp_path / "job"), "plan": plan})
    copied = subprocess.run([sys.executable, "-c", _COPY, given], capture_output=True, text=True, check=False)
    assert not copied.returncode, copied.stderr
    kibibytes = int(copied.stdout)
    assert kibibytes < 200 * 1024, f"{kind}: {kibibytes // 1024} MiB"
    if kind == "s3":
        stored = stores.client(url).head_object(Bucket=stores.BUCKET, Key="stored/f/f")
        assert stored["ContentLength"] == 1024 * MEBIBYTE
    else:
        assert Path(prefix, "f", "f").stat().st_size == 1024 * MEBIBYTE


def test_a_machine_without_obstore_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever reads the job's message."""
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(TransferError, match="needs obstore on the machine that runs the job: pip install"):
        storage.read_bytes("s3://bucket/key", 1)
