"""The same bot in an app of FastAPI's, which stops it as the guide says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from a2wsgi import WSGIMiddleware
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from tests.delivery.ending_bot import app as pages
from tests.delivery.ending_bot import linking


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await run_in_threadpool(linking.stop)


app = FastAPI(lifespan=lifespan)
app.mount("/", WSGIMiddleware(pages))  # type: ignore[arg-type]
