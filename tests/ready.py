"""What makes thousands of apps quick: what they share is made once, and no commit waits for the disk."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.routing import Rule

import bot_linking
from bot_linking.stores import open_store, sql
from bot_linking.stores.opening import Steps
from bot_linking.stores.sqlite.file import File
from bot_linking.stores.sqlite.files import SIDE_FILES

connect_flushed = File.connect  #: as the product does it
_OURS = str(Path(bot_linking.__file__).parent)
_empty_files: dict[str, bytes] = {}  # the schema's steps to a file that they have made


class _Compiled(BytecodeCache):
    """Our own templates. A host's are compiled for each app, by that app's rules."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if (compiled := self._compiled.get(bucket.key)) is not None:
            bucket.bytecode_from_string(compiled)

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None and bucket.code.co_filename.startswith(_OURS):
            self._compiled[bucket.key] = bucket.bytecode_to_string()


@contextmanager
def templates() -> Iterator[None]:
    """In this block our templates are compiled once, not for each app."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Flask.jinja_options, "bytecode_cache", _Compiled())
        yield


@contextmanager
def url_builders() -> Iterator[None]:
    """In this block each of the functions that werkzeug compiles for each address of each app is compiled
    once."""
    compile_builder = getattr(Rule, "_compile_builder", None)
    if compile_builder is None:  # a werkzeug that does it otherwise
        yield
        return
    compiled: dict[Any, Any] = {}

    def look_up_or_compile(rule: Any, append_unknown: bool = True) -> Any:
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        key = (rule.rule, tuple(rule._trace), append_unknown)
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", look_up_or_compile)
        yield


@contextmanager
def url_paths() -> Iterator[None]:
    """In this block werkzeug reads an address without variables once, not for each app."""
    parse = getattr(Rule, "_parse_rule", None)
    if parse is None:  # a werkzeug that does it otherwise
        yield
        return
    read: dict[str, tuple[list[Any], list[Any]]] = {}  # an address to its parts and its trace

    def look_up_or_read(rule: Any, address: str) -> Any:
        if "<" in address:  # its converters belong to the app
            return parse(rule, address)
        if address not in read:
            known = len(rule._trace)
            parts = list(parse(rule, address))
            read[address] = parts, rule._trace[known:]
            return parts
        parts, trace = read[address]
        rule._trace += trace
        return parts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_parse_rule", look_up_or_read)
        yield


@contextmanager
def unflushed_commits() -> Iterator[None]:
    """In this block commits to SQLite do not wait for the disk. Tests kill processes, never the machine."""

    def connect_unflushed(file: File) -> sqlite3.Connection:
        connection = connect_flushed(file)
        connection.execute("pragma synchronous = off")
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(File, "connect", connect_unflushed)
        yield


@contextmanager
def empty_tables() -> Iterator[None]:
    """In this block a new SQLite file is a copy of one that the steps of the schema have made before."""
    make = File.apply

    def copy_or_make(file: File, missing: Mapping[str, Steps], *, wait_s: float | None) -> list[str]:
        steps, is_new = repr(missing), not file.path.exists()
        if is_new and steps in _empty_files:
            _write(file.path, _empty_files[steps])
            return [f"{room} {name}" for room, named in missing.items() for name in named]
        applied = make(file, missing, wait_s=wait_s)
        if is_new and not any(os.path.exists(f"{file.path}{ending}") for ending in SIDE_FILES):
            _empty_files[steps] = file.path.read_bytes()
        return applied

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(File, "apply", copy_or_make)
        yield


def make_tables(url: str) -> None:
    """Apply the steps of every room to the empty database at this address, without a word in the log."""
    with closing(open_store(url, only_look=True)) as store:
        for room, where in sql.rooms().items():
            store.engine.extend(room, where)
        opening = store.engine.opening
        opening._tables.apply(opening._rooms, wait_s=None)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
