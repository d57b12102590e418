"""The child: executes statements with SedonaDB, and sends back rows. Run as ``python child SOCKET ROOT FOLDER``.

It imports nothing of the package that it lies in. Each request has an ``id``; several are carried out at the same time,
each in a thread. The only way to end one is to kill the process.
"""

from __future__ import annotations

import faulthandler
import socket
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before SedonaDB: without GDAL, which only rasters need, it warns when it is imported.
warnings.simplefilter("ignore")

import changes  # noqa: E402
import definitions  # noqa: E402
import listings  # noqa: E402
import pyarrow as pa  # noqa: E402
import sedonadb  # noqa: E402
from columns import rows_of  # noqa: E402
from failures import failure_text  # noqa: E402
from forms import serialized, with_geometries_as  # noqa: E402
from frames import FrameSocket  # noqa: E402
from session import Query, Session  # noqa: E402
from stores import store  # noqa: E402
from warehouse import Warehouse  # noqa: E402

Request = dict[str, Any]
Answer = tuple[dict[str, Any], bytes]

_CHANGES: dict[str, Callable[[Session, dict[str, Any]], None]] = {
    "create_schema": definitions.create_schema,
    "create_table": definitions.create_table,
    "create_view": definitions.create_view,
    "drop_object": definitions.drop_object,
    "add_columns": definitions.add_columns,
    "drop_columns": definitions.drop_columns,
    "rename_column": definitions.rename_column,
    "rename_table": definitions.rename_table,
    "insert_rows": changes.insert_rows,
    "delete_rows": changes.delete_rows,
    "update_rows": changes.update_rows,
    "merge_rows": changes.merge_rows,
    "use_schema": listings.use_schema,
    "do_nothing": lambda *_: None,
}
_LISTINGS: dict[str, Callable[[Session, dict[str, Any]], pa.Table]] = {
    "show_objects": listings.show_objects,
    "describe_table": listings.describe_table,
    "explain_query": listings.explain_query,
    "set_option": listings.set_option,
}


def main(address: str, root: str, folder: str) -> None:
    """Serve one connection until it ends.

    :param address: path of the Unix socket of the server.
    :param root: folder behind ``s3://``.
    :param folder: folder of the tables.
    """
    faulthandler.enable()
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(address)
    frames = FrameSocket(stream)
    warehouse = Warehouse(Path(folder))
    warehouse.tidy()
    session = Session(sedonadb.connect(), warehouse, Path(root))
    frames.send({"kind": "ready", "version": sedonadb.__version__})
    while (received := frames.receive()) is not None:
        threading.Thread(target=_serve, args=(session, frames, *received), daemon=True).start()


def _serve(session: Session, frames: FrameSocket, request: Request, body: bytes) -> None:
    try:
        header, answer = _ANSWERS[request["kind"]](session, request, body)
        frames.send({"kind": "done", "id": request["id"], **header}, answer)
    except BaseException as error:
        # Errors of SedonaDB that are panics are no Exceptions.
        frames.send({"kind": "failed", "id": request["id"], "message": failure_text(error)})


def _execute(session: Session, request: Request, _: bytes) -> Answer:
    statement = {**request["statement"], "sources": request["sources"]}
    kind = statement["kind"]
    if kind in _CHANGES:
        belongs_to_session = kind == "use_schema" or _is_of_temporary_view(session, statement)
        _CHANGES[kind](session, statement)
        return {"has_columns": False, "belongs_to_session": belongs_to_session}, b""
    if kind in _LISTINGS:
        frame = session.frame_of(_LISTINGS[kind](session, statement))
    else:
        frame = session.plan(Query(statement["sql"], statement["sources"]))
    if request["store"] is not None:
        stream = rows_of(frame, ewkb=request["store"]["format"] != "parquet", spelling=request["spelling"])
        return {"has_columns": True, "size": store(session, stream, request["store"])}, b""
    header, rows = _rows(frame, request["max_rows"], request["spelling"])
    return {**header, "belongs_to_session": kind == "set_option"}, rows


def _is_of_temporary_view(session: Session, statement: dict[str, Any]) -> bool:
    """Whether it must be repeated after a restart: the session is gone with the process."""
    if statement["kind"] == "create_view":
        return bool(statement["temporary"])
    return statement["kind"] == "drop_object" and statement["name"][0] in session.temporary_views


def _rows(frame: Any, max_rows: int | None, spelling: dict[str, str]) -> Answer:
    if max_rows is not None:
        # One more, to know whether there are more. A query that is limited ends early.
        frame = frame.limit(max_rows + 1)
    stream = rows_of(frame, ewkb=True, spelling=spelling)
    table = pa.Table.from_batches(stream.batches, stream.schema)
    is_cut = max_rows is not None and table.num_rows > max_rows
    if is_cut:
        table = table.slice(0, max_rows)
    header = {"has_columns": True, "is_cut": is_cut, "geometries": stream.geometries}
    return header, serialized(table, "arrow", "none")


def _serialize(session: Session, request: Request, body: bytes) -> Answer:
    # Without rows the statement has no columns either.
    table = pa.ipc.open_stream(body).read_all() if body else pa.table({})
    table = with_geometries_as(session, table, request["geometries"], request["geometry"])
    return {}, serialized(table, request["format"], request["compression"])


_ANSWERS: dict[str, Callable[[Session, Request, bytes], Answer]] = {"execute": _execute, "serialize": _serialize}

if __name__ == "__main__":
    main(*sys.argv[1:])
