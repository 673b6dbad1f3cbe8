"""All routes, for a host's server to take in."""

from __future__ import annotations

from fastapi import APIRouter, Depends, FastAPI

from lib_ti.api.describe import add_describe_routes
from lib_ti.api.embeddings import add_convert_route, add_embedding_routes, add_inspect_routes
from lib_ti.api.library import add_library_routes, add_remake_routes
from lib_ti.api.refusal import RefusingRoute
from lib_ti.api.security import Access, page_check, password_check
from lib_ti.api.training import add_training_routes
from lib_ti.api.values import Values
from lib_ti.app import App

PREFIX = "/ti-lab/v1"


def build_router(app: App, access: Access) -> APIRouter:
    guards = [Depends(page_check(access.pages))] if access.pages else []
    guards += [Depends(password_check(access.credentials))] if access.credentials else []
    router = APIRouter(prefix=PREFIX, tags=["TI Lab"], route_class=RefusingRoute, dependencies=guards)
    values = Values(app, access)
    add_embedding_routes(router, values)
    add_inspect_routes(router, values)
    add_convert_route(router, values)
    add_library_routes(router, values)
    add_remake_routes(router, values)
    add_describe_routes(router, values)
    add_training_routes(router, values)
    return router


def add_routes(server: FastAPI, app: App, access: Access) -> None:
    """Takes effect at once, also in a server that runs already."""
    server.router.routes.extend(build_router(app, access).routes)  # `include_router` would build them all once more
    server.openapi_schema = None  # one that was asked for before would miss them


def build_server(app: App, access: Access) -> FastAPI:
    """A server of our own with all routes, for the page to go into."""
    server = FastAPI(title="TI Lab", redoc_url=None)
    add_routes(server, app, access)
    return server
