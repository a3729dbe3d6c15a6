"""Files, folders and tables as inputs and outputs, on this machine."""

from __future__ import annotations

import http.server
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import template
from flyte_connectors import DataFrame, Dir, File
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError, ServiceUnavailableError
from flyteidl2.core.types_pb2 import BlobType, LiteralType, SimpleType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batch_jobs import Jobs
    from flyte_connectors.connector import Resource
    from flyteidl2.core.tasks_pb2 import TaskTemplate

FILE = LiteralType(blob=BlobType(dimensionality=BlobType.SINGLE))
DIR = LiteralType(blob=BlobType(dimensionality=BlobType.MULTIPART))
TEXT = LiteralType(simple=SimpleType.STRING)


def task(script: str, outputs: dict[str, LiteralType] | None = None, **fields: Any) -> TaskTemplate:
    """A task whose outputs may be files."""
    made = template(script=script, **fields)
    for name, literal_type in (outputs or {}).items():
        made.interface.outputs.variables.add(key=name).value.type.CopyFrom(literal_type)
    return made


class Runs:
    """Jobs with files, whose outputs are stored in `prefix`."""

    def __init__(self, jobs: Jobs, prefix: str) -> None:
        self.jobs = jobs
        self.prefix = prefix

    def start(self, script: str, inputs: dict[str, Any] | None = None, *, key: str = "a-job", **given: Any) -> Any:
        """Create a job."""
        made = task(script, **given)
        return self.jobs.connector.create(made, self.prefix, inputs or {}, idempotency_key=key)

    def run(self, script: str, inputs: dict[str, Any] | None = None, **given: Any) -> Resource:
        """Create a job and wait for its end."""
        return self.jobs.end(self.start(script, inputs, **given))

    def log(self) -> list[str]:
        """What the last job has printed."""
        from flyte_connectors_batch_job import BatchJobMetadata

        return self.jobs.all_logs(BatchJobMetadata("a-job", self.jobs.spool.id))

    def fails(self, script: str, inputs: dict[str, Any] | None = None, **given: Any) -> str:
        """The message of a job that fails for good; it is one line."""
        resource = self.run(script, inputs, **given)
        assert resource.phase == Phase.FAILED, resource
        assert resource.message
        assert "\n" not in resource.message
        return resource.message


@pytest.fixture
def runs(jobs: Jobs, tmp_path: Path) -> Runs:
    """Jobs that store in a local folder."""
    return Runs(jobs, str(tmp_path / "stored"))


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A file."""
    path = tmp_path / "words.txt"
    path.write_text("one two\n")
    return path


@pytest.fixture
def web() -> Iterator[str]:
    """URL of a web server with one file, at any path that does not say `missing`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404 if "missing" in self.path else 200)
            self.send_header("Content-Type", "text/csv")
            self.end_headers()
            self.wfile.write(b"a,b\n")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://user:password@127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_file_is_there_as_a_local_path(runs: Runs, words: Path) -> None:
    """In its variable and in the file with all inputs; the original is not handed out."""
    runs.run(
        'cat "$BATCH_JOB_INPUT_FILE"; echo changed > "$BATCH_JOB_INPUT_FILE"; cat "$BATCH_JOB_INPUTS"',
        {"file": File(str(words)), "n": 1},
    )
    read, inputs = runs.log()
    assert read == "one two"
    assert f'"{runs.jobs.spool.root}/a-job/job/inputs/file/words.txt", "n": 1' in inputs
    assert words.read_text() == "one two\n"


def test_files_in_containers_are_there_too(runs: Runs, words: Path) -> None:
    """At any depth of lists and dictionaries."""
    files = {"many": [File(str(words)), File(words.as_uri())], "by": {"a/..": File(str(words))}}
    script = 'grep -o \'[^"]*words.txt\' "$BATCH_JOB_INPUTS" | xargs cat'
    assert runs.run(script, files).phase == Phase.SUCCEEDED
    assert runs.log() == ["one two"] * 3


def test_a_folder_is_there_with_all_that_is_in_it(runs: Runs, tmp_path: Path) -> None:
    """Links are followed within it."""
    folder = tmp_path / "folder"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "a file").write_text("1")
    (folder / "link").symlink_to(folder / "deep" / "er" / "a file")
    runs.run('cd "$BATCH_JOB_INPUT_D"; find . -type f | sort', {"d": Dir(str(folder))})
    assert runs.log() == ["./deep/er/a file", "./link"]


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_table_is_there_as_parquet(runs: Runs, tmp_path: Path, is_folder: bool) -> None:
    """One file, or a folder of parts."""
    path = tmp_path / "table.parquet"
    if is_folder:
        path.mkdir()
        (path / "part-0").write_text("PAR1")
    else:
        path.write_text("PAR1")
    runs.run('cat $(find "$BATCH_JOB_INPUT_T" -type f)', {"t": DataFrame(str(path))})
    assert runs.log() == ["PAR1"]


def test_a_file_of_the_web_is_fetched(runs: Runs, web: str) -> None:
    """Its name is what the path says, and nothing that a shell would read."""
    uri = f"{web}/$(touch owned);a%20b.csv?token=hidden"
    resource = runs.run("cat $BATCH_JOB_INPUT_F; ls; basename $BATCH_JOB_INPUT_F", {"f": File(uri)})
    assert resource.phase == Phase.SUCCEEDED, resource.message
    assert runs.log() == ["a,b", "%24%28touch%20owned%29%3Ba%20b.csv".replace(" ", "%20")]


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("/nowhere/x", "input 'f': /nowhere/x not found"),
        ("/dev/null", "input 'f': /dev/null is not a regular file"),
        ("/tmp", "input 'f': /tmp is a folder"),
        ("{web}/missing?sig=hidden", "/missing not found"),
    ],
)
def test_an_input_that_can_not_be_had_fails_the_job(runs: Runs, web: str, uri: str, message: str) -> None:
    """The text names the input, and hides what may be secret."""
    text = runs.fails("echo started", {"f": File(uri.format(web=web))})
    assert message in text
    assert not {"hidden", "password"} & set(text.replace("=", " ").split())
    assert runs.log() == []


def test_an_input_gets_a_job_nothing_that_it_could_not_read_itself(runs: Runs) -> None:
    """Such as the memory of the service, where Landlock keeps jobs from it."""
    path = f"/proc/{os.getpid()}/mem"
    if runs.jobs.run(f": < {path}", key="opens").phase == Phase.SUCCEEDED:
        pytest.skip("needs Linux 6.12")
    assert runs.fails("true", {"f": File(path)}) == f"input 'f': {path}: Permission denied"


def test_a_file_without_a_size_is_read_up_to_the_limit(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those that the kernel makes while they are read."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_FILE_LIMIT", "16")
    message = runs.fails("true", {"f": File("/proc/self/status")})
    assert message == "input 'f': larger than the limit of 16"


def test_a_link_out_of_a_folder_is_refused(runs: Runs, tmp_path: Path) -> None:
    """The job gets no file that the folder does not have."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "out").symlink_to("/etc/passwd")
    message = runs.fails("true", {"d": Dir(str(tmp_path / "folder"))})
    assert message.endswith("/folder/out is a symbolic link that leads out of the folder")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (File("ftp://host/x"), "inputs.x: ftp://host/x can't be read by a job"),
        (File("bq://p.d.t?key=hidden"), "inputs.x: bq://p.d.t can't be read by a job"),
        (Dir("https://host/x"), "inputs.x: web addresses have no list of files"),
        (DataFrame("/x.csv", format="csv"), "inputs.x: jobs read tables as parquet, not as csv"),
        (DataFrame(None), "inputs.x: '' is not the path of a file"),
    ],
)
def test_what_no_job_can_read_is_refused_before_it_starts(runs: Runs, value: Any, message: str) -> None:
    """By the input's name."""
    with pytest.raises(InvalidRequestError) as caught:
        runs.start("true", {"x": value})
    assert str(caught.value).startswith(message)
    assert not runs.jobs.spool.job("a-job").exists()


def test_what_is_written_to_outputs_is_stored_under_the_prefix(runs: Runs) -> None:
    """Files where their variable says, folders as a whole; values beside them as ever."""
    script = (
        'echo text > "$BATCH_JOB_OUTPUT_REPORT"; mkdir -p "$BATCH_JOB_OUTPUT_PARTS/deep";'
        ' touch "$BATCH_JOB_OUTPUT_PARTS/a b"; echo 1 > "$BATCH_JOB_OUTPUT_PARTS/deep/x";'
        ' echo \'{"n": "seven"}\' > "$BATCH_JOB_OUTPUTS"'
    )
    resource = runs.run(script, outputs={"report": FILE, "parts": DIR, "n": TEXT})
    assert resource.phase == Phase.SUCCEEDED, resource.message
    folder = f"{runs.prefix}/files"
    assert resource.outputs == {
        "report": f"{folder}/report/report",
        "parts": f"{folder}/parts",
        "n": "seven",
    }
    assert Path(folder, "report", "report").read_text() == "text\n"
    found = sorted(str(path.relative_to(folder)) for path in Path(folder, "parts").rglob("*"))
    assert found == ["parts/a b", "parts/deep", "parts/deep/x"]


def test_outputs_may_have_names_of_the_jobs_choice(runs: Runs) -> None:
    """Relative to where it starts, or absolute; lists and optional ones, too; a URI is left alone."""
    optional = LiteralType()
    optional.union_type.variants.extend([FILE, LiteralType(simple=SimpleType.NONE)])
    outputs = {
        "one": FILE,
        "many": LiteralType(collection_type=FILE),
        "by": LiteralType(map_value_type=DIR),
        "own": FILE,
        "none": optional,
    }
    script = (
        "mkdir d; touch one.csv a d/b; echo '{"
        '"one": "one.csv", "many": ["./a", "d/b"], "by": {"x/y": "d"}, "own": "s3://b/k"'
        "}' > $BATCH_JOB_OUTPUTS"
    )
    resource = runs.run(script, outputs=outputs)
    assert resource.phase == Phase.SUCCEEDED, resource.message
    folder = f"{runs.prefix}/files"
    assert resource.outputs == {
        "one": f"{folder}/one/one.csv",
        "many": [f"{folder}/many/0/a", f"{folder}/many/1/b"],
        "by": {"x/y": f"{folder}/by/x%2Fy"},
        "own": "s3://b/k",
        "none": None,
    }
    assert Path(folder, "by", "x%2Fy", "b").exists()


def test_a_prefix_that_is_a_uri_is_quoted(jobs: Jobs, tmp_path: Path) -> None:
    """As URIs are; the file has its name."""
    runs = Runs(jobs, (tmp_path / "a b").as_uri())
    script = 'touch "x #?.txt"; echo \'{"f": "x #?.txt"}\' > $BATCH_JOB_OUTPUTS'
    resource = runs.run(script, outputs={"f": FILE})
    assert resource.outputs == {"f": f"{runs.prefix}/files/f/x%2520%2523%253F.txt"}
    assert (tmp_path / "a b" / "files" / "f" / "x%20%23%3F.txt").exists()


WHERE = "$BATCH_JOB_OUTPUT_F"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("true", "output 'f': the job ended without writing 'f'"),
        (f"ln -s /etc/passwd {WHERE}", "output 'f': 'f' is a symbolic link, not a regular file"),
        (f"mkfifo {WHERE}", "output 'f': 'f' is a named pipe, not a regular file"),
        (f"mkdir {WHERE}", "output 'f': 'f' is a directory, not a regular file"),
        (
            f"""python3 -c "import socket, os; os.chdir(os.path.dirname('{WHERE}'))
socket.socket(socket.AF_UNIX).bind('f')" """,
            "output 'f': 'f' is a socket, not a regular file",
        ),
        (f"truncate -s 10G {WHERE}", "output 'f': larger than the limit of 5Gi"),
        (
            "rmdir $BATCH_JOB_OUTPUT_D; rm -rf ../outputs; ln -s /etc ../outputs",
            "output 'f': 'outputs/f' is, or leads through, a symbolic link",
        ),
        (
            'echo \'{"f": "../../../x"}\' > $BATCH_JOB_OUTPUTS',
            "output 'f': 'work/../../../x' leads out of the job's folder",
        ),
        (
            'echo \'{"f": "/etc/passwd"}\' > $BATCH_JOB_OUTPUTS',
            "output 'f': '/etc/passwd' is not in the job's folder",
        ),
        (
            'ln -s /etc link; echo \'{"f": "link/passwd"}\' > $BATCH_JOB_OUTPUTS',
            "output 'f': 'work/link/passwd' is, or leads through, a symbolic link",
        ),
        (
            'echo \'{"f": "file:///etc/passwd"}\' > $BATCH_JOB_OUTPUTS',
            "output 'f': '/etc/passwd' is not in the job's folder",
        ),
        ("echo '{\"f\": 3}' > $BATCH_JOB_OUTPUTS", "output 'f': must be a path, not a JSON int"),
        (
            f"touch {WHERE}; ln -s /etc $BATCH_JOB_OUTPUT_D/link",
            "output 'd': 'link' is a symbolic link, not a regular file",
        ),
        (
            f"touch {WHERE}; mkfifo $BATCH_JOB_OUTPUT_D/pipe",
            "output 'd': 'pipe' is a named pipe, not a regular file",
        ),
        (f"touch {WHERE}; rmdir $BATCH_JOB_OUTPUT_D", "output 'd': the job ended without writing"),
        (
            f"touch {WHERE}; cd $BATCH_JOB_OUTPUT_D; truncate -s 3G a; truncate -s 3G b",
            "output 'd': larger than the limit of 5Gi",
        ),
        (
            f"touch {WHERE}; touch $BATCH_JOB_OUTPUT_D/$(printf 'a\\377')",
            "is not a name in UTF-8",
        ),
    ],
)
def test_a_bad_output_fails_the_job_and_says_why(runs: Runs, script: str, message: str) -> None:
    """In one line; nothing outside of the job's folder is read."""
    assert message in runs.fails(script, outputs={"f": FILE, "d": DIR})
    stored = [path for path in Path(runs.prefix).rglob("*") if path.is_file()]
    assert all(path.name == "f" for path in stored), stored


def test_the_operator_sets_the_limit(runs: Runs, words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of inputs and of outputs."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_FILE_LIMIT", "1Ki")
    script = f"head -c 1025 /dev/zero > {WHERE}"
    message = runs.fails(script, {"in": File(str(words))}, outputs={"f": FILE})
    assert message == "output 'f': larger than the limit of 1Ki"
    words.write_bytes(bytes(1025))
    message = runs.fails("true", {"in": File(str(words))}, key="two")
    assert message == "input 'in': larger than the limit of 1Ki"
    monkeypatch.setenv("FLYTE_BATCH_JOB_FILE_LIMIT", "much")
    with pytest.raises(ServiceUnavailableError, match="FLYTE_BATCH_JOB_FILE_LIMIT: invalid value 'much'"):
        runs.start("true", key="three")


def test_outputs_need_a_prefix(jobs: Jobs) -> None:
    """Without one, nothing starts."""
    with pytest.raises(InvalidRequestError, match="output_prefix: empty"):
        Runs(jobs, "").start("true", outputs={"f": FILE})
    with pytest.raises(InvalidRequestError, match="output_prefix: https:// can't be written"):
        Runs(jobs, "https://host").start("true", outputs={"f": FILE})


def test_a_prefix_that_can_not_be_written_may_be_retried(runs: Runs, tmp_path: Path) -> None:
    """The disk may be full."""
    (tmp_path / "stored").touch()
    resource = runs.run(f"touch {WHERE}", outputs={"f": FILE})
    assert resource.phase == Phase.RETRYABLE_FAILED
    assert (resource.message or "").startswith(f"output 'f': {runs.prefix}/files/f/f: ")


def test_nothing_is_stored_of_a_job_that_failed(runs: Runs) -> None:
    """Its outputs are not complete."""
    runs.fails(f"touch {WHERE}; exit 3", outputs={"f": FILE})
    assert not Path(runs.prefix).exists()


def test_the_processes_that_copy_count_for_no_limit(runs: Runs, words: Path) -> None:
    """Neither in memory nor in usage: they are not the job's."""
    inputs = {"f": File(str(words))}
    resource = runs.run(f"touch {WHERE}", inputs, outputs={"f": FILE}, memory="16Mi")
    assert resource.phase == Phase.SUCCEEDED, resource.message
    assert runs.jobs.spool.job("a-job").usage()["peak_memory_bytes"] < 16 << 20


def test_a_job_is_cancelled_while_its_inputs_are_fetched(runs: Runs, tmp_path: Path) -> None:
    """The command never starts."""
    with _stalling() as url:
        meta = runs.start(f"touch {tmp_path}/started", {"f": File(url)})
        assert runs.jobs.connector.get(meta).phase == Phase.RUNNING
        runs.jobs.connector.delete(meta)
        assert runs.jobs.end(meta).phase == Phase.ABORTED
    assert not (tmp_path / "started").exists()


def test_fetching_has_the_commands_time_limit(runs: Runs) -> None:
    """A server that never ends its answer keeps no slot for ever."""
    with _stalling() as url:
        message = runs.fails("true", {"f": File(url)}, timeout_seconds=0.5)
    assert message == "exceeded its time limit of 0.5 s"


class _stalling:  # noqa: N801  (used as a function)
    """URL of a server that answers nothing."""

    def __enter__(self) -> str:
        import socket

        self._socket = socket.create_server(("127.0.0.1", 0))
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/x"

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def test_a_replayed_create_finds_the_job(runs: Runs, words: Path) -> None:
    """With files as without."""
    given = {"outputs": {"f": FILE}}
    first = runs.start(f"touch {WHERE}", {"in": File(str(words))}, **given)
    assert runs.start(f"touch {WHERE}", {"in": File(str(words))}, **given) == first
    assert runs.jobs.end(first).phase == Phase.SUCCEEDED


def test_the_content_type_is_kept(runs: Runs, web: str) -> None:
    """As an attribute of the file, which copies of it keep."""
    script = f'cp --preserve=xattr "$BATCH_JOB_INPUT_F" {WHERE}'
    resource = runs.run(script, {"f": File(f"{web}/x")}, outputs={"f": FILE})
    assert resource.outputs is not None, resource.message
    try:
        kept = os.getxattr(resource.outputs["f"], "user.mime_type")
    except OSError:
        pytest.skip("needs a file system with extended attributes")
    assert kept == b"text/csv"
