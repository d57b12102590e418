"""The ASGI application of the local server."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from wherobots_local.http import runs_api, sql_api, storage_api
from wherobots_local.http.control_api import control_routes
from wherobots_local.http.faults import HostGate, Operation
from wherobots_local.http.messages import JsonResponse, WithRequestId, routing_error
from wherobots_local.http.objects import object_route
from wherobots_local.http.sql_socket import sql_socket_route
from wherobots_local.http.status_page import status_page_routes
from wherobots_local.security import HostCheck
from wherobots_local.service import LocalService


def make_app(service: LocalService, hosts: HostCheck) -> ASGIApp:
    """Build the application. Its shutdown ends all runs and SQL sessions."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        service.start()
        yield
        await service.stop()

    app = Starlette(
        routes=[
            *status_page_routes(),
            Route("/health", _health),
            *(
                Route(path, Operation(operation, handler, service), methods=[method])
                for table in (runs_api.OPERATIONS, storage_api.OPERATIONS, sql_api.OPERATIONS)
                for method, path, operation, handler in table
            ),
            sql_socket_route(service),
            object_route(service),
            *control_routes(service),
        ],
        exception_handlers={HTTPException: routing_error},
        lifespan=lifespan,
    )
    # The service does not redirect either: a client that sends "/runs/" gets a 404.
    app.router.redirect_slashes = False
    return WithRequestId(HostGate(app, hosts))


async def _health(_: Request) -> Response:
    return JsonResponse({"status": "ok"})
