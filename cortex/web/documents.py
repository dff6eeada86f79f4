"""Swagger UI and ReDoc, whole from this server: no browser that reads them asks anybody else for anything.

Their files come with the package fastapi-offline; what the pages may load is said in a header the browser enforces.
"""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

router = APIRouter(include_in_schema=False)
FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "redoc.standalone.js": "text/javascript",
    "favicon.png": "image/png",
}
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Cortex API</title><link rel="icon" href="/docs/files/favicon.png">{style}</head>
<body style="margin:0">{body}<script src="/docs/files/{script}"></script>{start}</body></html>
"""
SWAGGER = PAGE.format(
    style='<link rel="stylesheet" href="/docs/files/swagger-ui.css">',
    body='<div id="page"></div>',
    script="swagger-ui-bundle.js",
    start='<script src="/docs/files/start.js"></script>',
)
REDOC = PAGE.format(
    style="",
    body='<redoc spec-url="/openapi.json" disable-google-font="true"></redoc>',
    script="redoc.standalone.js",
    start="",
)
START = (
    'SwaggerUIBundle({url: "/openapi.json", dom_id: "#page", deepLinking: true, validatorUrl: null,'
    " presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset]});\n"
)


@router.get("/")
def home() -> RedirectResponse:
    return RedirectResponse("/docs")


@router.get("/docs")
def swagger() -> HTMLResponse:
    return HTMLResponse(SWAGGER, headers={"Content-Security-Policy": CSP})


@router.get("/redoc")
def redoc() -> HTMLResponse:
    return HTMLResponse(REDOC, headers={"Content-Security-Policy": CSP})


@router.get("/docs/files/{name}")
def file(name: str) -> Response:
    """One of the files the pages are made of, and no other."""
    if name == "start.js":
        return Response(START, media_type="text/javascript")
    if name not in FILES:
        raise HTTPException(404)
    with resources.as_file(resources.files("fastapi_offline") / "static" / name) as path:
        return FileResponse(path, media_type=FILES[name], headers={"Cache-Control": "public, max-age=86400"})
