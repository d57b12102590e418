"""The tables that are there at the start: the statements of a file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from wherobots_local.runs.run import new_id
from wherobots_local.settings import SettingsError
from wherobots_local.sql.database.engine import Database, DatabaseEngine
from wherobots_local.sql.dialect.errors import StatementError
from wherobots_local.sql.engine import EngineDiedError, EngineError


async def execute_file(file: Path, database: Database) -> None:
    """Execute the statements of a file in a session of their own. Raises a ``SettingsError`` that names the first that
    fails."""
    what = f"init is {str(file)!r}, but"
    engine = DatabaseEngine(new_id(), database)
    try:
        text = await asyncio.to_thread(file.read_text, encoding="utf-8")
        await engine.start()
        # Only now it is known that there is sqlglot.
        from wherobots_local.sql.dialect.parser import split

        for line, statement in split(text):
            what = f"init is {str(file)!r}, but the statement in line {line} failed:"
            await engine.execute(new_id(), statement, None, 1, lambda *_: None)
    except (OSError, ValueError, StatementError, EngineError, EngineDiedError) as error:
        raise SettingsError(f"{what} {error}") from None
    finally:
        await engine.kill()
