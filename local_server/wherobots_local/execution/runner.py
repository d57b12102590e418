"""Takes runs from PENDING through their process to a terminal status."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path

from wherobots_local.api.errors import CANCELLED, COMPLETED, FAILED, RUNNING, TIMED_OUT
from wherobots_local.control.faults import Behaviour
from wherobots_local.execution.commands import (
    CommandError,
    install_environment,
    jar_command,
    limited_command,
    python_command,
    run_environment,
)
from wherobots_local.execution.failures import failure_message
from wherobots_local.execution.process import GuardedProcess, OnOutput, StartError
from wherobots_local.execution.spark import watching_ui
from wherobots_local.execution.virtual_environments import EnvironmentCache, PrepareError
from wherobots_local.execution.workspace import (
    Workspace,
    add_files,
    add_spark_settings,
    make_workspace,
    remove_temporary,
)
from wherobots_local.runs.log import RunLog
from wherobots_local.runs.run import LocalRun
from wherobots_local.storage import StorageError, local_path

FAIL_EVENT = "RUN_FAIL_EXEC"

_START_STEPS = ("REQUESTED", "DEPLOYING", "DEPLOYED", "INITIALIZING")
_LONGEST_WAIT_SECONDS = 10 * 365 * 24 * 3600
_LAST_LINES = 200


@dataclass(frozen=True)
class RunEnd:
    """How a run ended. ``message`` is for ``kubeApp.message``, ``event_code`` for a new event."""

    status: str
    message: str | None = None
    app_status: str = "DESTROYED"
    event_code: str | None = None


class Runner:
    """Executes a limited number of runs at a time. The others wait as PENDING, in the order of their creation."""

    def __init__(
        self,
        root: Path,
        *,
        max_parallel_runs: int,
        environments: EnvironmentCache,
        behaviour: Callable[[], Behaviour],
        on_end: Callable[[], None],
        passed_environment: Sequence[str] = (),
    ) -> None:
        self._root = root
        self._behaviour = behaviour
        self._passed = tuple(passed_environment)
        self._slots = asyncio.Semaphore(max_parallel_runs)
        self._environments = environments
        self._on_end = on_end
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._reason = ""

    def submit(self, run: LocalRun) -> None:
        """Start a run. Returns at once."""
        self._begin(run, self._carry_out(run))

    def request_cancel(self, run: LocalRun) -> bool:
        """End a run after ``cancel_delay_seconds``. Returns False if it has ended or a cancel was requested before."""
        if run.ended or run.cancel_requested:
            return False
        run.cancel_requested = True
        run.set_app("DESTROY_REQUESTED")
        delay = self._behaviour().cancel_delay_seconds
        task = self._tasks.get(run.id)
        if task is None:
            self._begin(run, self._end_synthetic(run, delay))
        else:
            asyncio.get_running_loop().call_later(delay, task.cancel)
        return True

    async def end_all(self, reason: str) -> None:
        """End all runs, and wait for the end of their processes. No run can be started during this time."""
        self._reason = reason
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._reason = ""

    def _begin(self, run: LocalRun, life: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(life)
        self._tasks[run.id] = task
        task.add_done_callback(lambda _: self._forget(run))

    def _forget(self, run: LocalRun) -> None:
        self._tasks.pop(run.id, None)
        self._on_end()

    async def _carry_out(self, run: LocalRun) -> None:
        started = int(time.time())
        try:
            outcome = await self._outcome(run)
        except asyncio.CancelledError:
            outcome = RunEnd(CANCELLED, self._reason or "The run was cancelled")
        except Exception as error:
            # An internal error must end the run: it must not stay RUNNING forever.
            outcome = self._failed(run, f"Internal error of the local server: {error!r}")
        finally:
            run.log.release()
        if outcome.event_code is not None:
            meta = {"start_timestamp": started, "end_timestamp": int(time.time())}
            run.add_event(outcome.event_code, outcome.message, meta)
        self._end(run, outcome)

    def _end(self, run: LocalRun, outcome: RunEnd) -> None:
        run.set_app(outcome.app_status, outcome.message)
        run.set_status(outcome.status)

    async def _end_synthetic(self, run: LocalRun, delay: float) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(delay)
        if not run.ended:
            self._end(run, RunEnd(CANCELLED, "The run was cancelled"))

    async def _outcome(self, run: LocalRun) -> RunEnd:
        await self._wait_to_start(run)
        async with self._slots, contextlib.AsyncExitStack() as leases:
            run.log.hold()
            if run.failure is not None:
                run.set_status(RUNNING)
                return self._failed(run, run.failure)
            try:
                workspace, python = await self._prepare(run, leases)
            except PrepareError as error:
                return self._failed(run, str(error), "PREPARE_FAILED")
            except (OSError, ValueError) as error:
                # For example a full disk, or a name that no file can have.
                return self._failed(run, f"The run could not be prepared: {error}", "PREPARE_FAILED")
            self._progress(run, "READY")
            run.set_status(RUNNING)
            try:
                environment = run_environment(os.environ, workspace, run.id, python, self._passed)
                argv = await asyncio.to_thread(self._command, run, workspace, python, environment)
                return await self._execute(run, workspace, environment, argv)
            except (StorageError, CommandError) as error:
                return self._failed(run, str(error))
            except StartError as error:
                return self._failed(run, f"The process could not be started: {error}")

    async def _wait_to_start(self, run: LocalRun) -> None:
        delay = self._behaviour().start_delay_seconds
        for step in _START_STEPS if delay else ():
            await asyncio.sleep(delay / len(_START_STEPS))
            self._progress(run, step)

    async def _prepare(self, run: LocalRun, leases: contextlib.AsyncExitStack) -> tuple[Workspace, Path]:
        wanted = run.request.environment
        workspace = await asyncio.to_thread(make_workspace, self._root, run.id)
        leases.push_async_callback(asyncio.to_thread, remove_temporary, workspace)
        if wanted.dependencies:
            self._progress(run, "PREPARING")
        await asyncio.to_thread(add_files, workspace, wanted.files)
        await asyncio.to_thread(add_spark_settings, workspace, wanted.spark_configs, os.environ)
        lease = self._environments.python_for(
            wanted.requirements,
            environment=install_environment(os.environ, folder=workspace.folder),
            on_output=_into(run.log),
        )
        return workspace, await leases.enter_async_context(lease)

    def _command(self, run: LocalRun, workspace: Workspace, python: Path, environment: dict[str, str]) -> list[str]:
        script, jar = run.request.run_python, run.request.run_jar
        if script is not None:
            return python_command(python, local_path(self._root, script.uri), script.args)
        if jar is None:
            raise CommandError("the run has neither a script nor a JAR")
        return jar_command(
            environment,
            python,
            local_path(self._root, jar.uri),
            jar.args,
            main_class=jar.main_class,
            class_path=workspace.class_path,
            settings=run.request.environment.spark_configs,
        )

    async def _execute(
        self, run: LocalRun, workspace: Workspace, environment: dict[str, str], argv: list[str]
    ) -> RunEnd:
        timeout = run.request.timeout_seconds
        argv = limited_command(argv, self._behaviour().runtime_memory_mib.get(run.request.runtime or ""))
        start = GuardedProcess.start(argv, environment=environment, folder=workspace.folder, on_output=_into(run.log))
        async with contextlib.AsyncExitStack() as parts:
            process = await parts.enter_async_context(await start)
            await parts.enter_async_context(watching_ui(workspace.spark_ui_port, run.set_spark_ui))
            try:
                async with asyncio.timeout(min(timeout, _LONGEST_WAIT_SECONDS)):
                    code = await process.wait()
            except TimeoutError:
                return self._timed_out(timeout)
        if code == 0:
            return RunEnd(COMPLETED)
        lines = await asyncio.to_thread(run.log.last_lines, _LAST_LINES)
        return RunEnd(FAILED, failure_message(code, lines), event_code=FAIL_EVENT)

    def _timed_out(self, timeout: int) -> RunEnd:
        message = f"Execution timeout: the run did not end within timeoutSeconds ({timeout})"
        status = self._behaviour().timeout_as
        return RunEnd(status, message, event_code=None if status == TIMED_OUT else FAIL_EVENT)

    def _failed(self, run: LocalRun, message: str, app_status: str = "DESTROYED") -> RunEnd:
        run.log.note(f"ERROR: {message}")
        return RunEnd(FAILED, message, app_status, FAIL_EVENT)

    def _progress(self, run: LocalRun, app_status: str) -> None:
        # After an accepted cancel the application is being destroyed.
        if not run.cancel_requested:
            run.set_app(app_status)


def _into(log: RunLog) -> OnOutput:
    """Write output into a log in a thread, so that a slow disk does not block the server."""

    async def write(lines: bytes) -> None:
        if not log.full:
            await asyncio.to_thread(log.append, lines)

    return write
