"""Makes an API server of Airflow 3.3 forget what that of Airflow 3.4 forgets. Only the API server has it on its path.

Airflow imports a module of this name before its endpoints. Once those are imported it is too late, as FastAPI keeps
their functions. So lines are added to their text when it is read. If the text around them is not the expected one, the
API server does not start.

What 3.4 forgets, according to its release notes and the page "State store" of its documentation:

* The XComs of an attempt belong to that attempt. The next one, after a retry or a clear, neither sees them nor is told
  their keys. An attempt that is resumed after a deferral, or started again after a reschedule, keeps its own.
* A clear of tasks discards what they have in the task state store, unless ``keep_task_state`` is set. A clear of a
  whole DAG run does not.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

# Airflow takes every other name for a setting.
__all__: list[str] = []


class ChangedAirflowError(RuntimeError):
    """Airflow's text is not the one that lines are to be added to."""


@dataclass(frozen=True)
class Addition:
    """Lines that are added to a module.

    :param module: its name below ``airflow.api_fastapi``.
    :param before: the text before the lines.
    :param added: the lines.
    :param after: the text after the lines.
    """

    module: str
    before: str
    added: str
    after: str

    @property
    def name(self) -> str:
        """The module's name."""
        return f"airflow.api_fastapi.{self.module}"

    @property
    def file(self) -> Path:
        """The module's file."""
        return Path(sys.modules["airflow"].__path__[0], *self.name.split(".")[1:]).with_suffix(".py")

    def add_to(self, text: str) -> str:
        """The module's text with the lines.

        :raises ChangedAirflowError: if it does not have their place exactly once.
        """
        place = self.before + self.after
        if (count := text.count(place)) != 1:
            raise ChangedAirflowError(
                f"This Airflow cannot be made forgetful: {self.name} has the text below {count} times, not once."
                f" See what Airflow does now, and change {__file__}.\n{place}"
            )
        return text.replace(place, self.before + self.added + self.after)


ADDITIONS = {
    one.name: one
    for one in (
        Addition(
            "execution_api.routes.task_instances",
            before="""\
        xcom_keys = []
        if not ti.next_method:
            map_index = None if ti.map_index < 0 else ti.map_index
""",
            added="""\
            import forgetting

            forgetting.forget_earlier_attempts(session, task_instance_id, ti)
""",
            after="""\
            xcom_query = select(XComModel.key).where(
                XComModel.dag_id == ti.dag_id,
                XComModel.task_id == ti.task_id,
                XComModel.run_id == ti.run_id,
            )
            if map_index is not None:
                xcom_query = xcom_query.where(XComModel.map_index == map_index)

            xcom_keys = list(session.scalars(xcom_query))
        task_reschedule_count = (
""",
        ),
        Addition(
            "core_api.routes.public.task_instances",
            before="""\
        except AirflowClearRunningTaskException as e:
            raise HTTPException(status.HTTP_409_CONFLICT, str(e)) from e

""",
            added="""\
        import forgetting

        forgetting.forget_cleared(session, task_instances, keep_task_state=body.keep_task_state)

""",
            after="""\
        if body.note is not None:
            _patch_task_instance_note(
                task_instance_body=body,
                tis=task_instances,
""",
        ),
        Addition(
            "core_api.datamodels.task_instances",
            before="    prevent_running_task: bool = False\n",
            added="    keep_task_state: bool = False\n",
            after="    note: ",
        ),
    )
}


class AddingLoader(SourceFileLoader):
    """Compiles a module's text with the lines. Neither reads nor writes compiled modules: others have not the lines."""

    def get_code(self, fullname: str) -> CodeType:
        """The module's code."""
        text = ADDITIONS[fullname].add_to(self.get_source(fullname) or "")
        return self.source_to_code(text.encode(), self.path)


class AddingFinder(MetaPathFinder):
    """Finds the modules that have additions."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module, or None if it has no addition."""
        if fullname not in ADDITIONS:
            return None
        file = str(ADDITIONS[fullname].file)
        return spec_from_file_location(fullname, file, loader=AddingLoader(fullname, file))


def install() -> None:
    """Add the lines to the modules when they are imported.

    :raises ChangedAirflowError: if that is not possible.
    """
    for addition in ADDITIONS.values():
        if addition.name in sys.modules:
            raise ChangedAirflowError(f"This Airflow cannot be made forgetful: it has imported {addition.name} already")
        if not addition.file.exists():
            raise ChangedAirflowError(f"This Airflow cannot be made forgetful: it has no {addition.file}")
        addition.add_to(addition.file.read_text())
    sys.meta_path.insert(0, AddingFinder())


install()
