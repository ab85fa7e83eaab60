"""The context: what would otherwise be global."""

from __future__ import annotations

from typing import Any, Callable

from ._handle import Handle
from ._library import ffi, lib, text
from ._structs import options
from .enums import Cpu, Engine, LogLevel, known

LogCallback = Callable[[int, str], None]


class Context(Handle):
    """Threads, memory, log, and the text of the last error.

    A context, and the handles made from it, belong to one Python thread at a time; contexts are
    independent of each other. The interpreter lock is released while the library works.

    `threads` counts the calling thread; 0 asks for one per available processor. Results have the same
    bits for any number. `log` hears warnings as log(level, line), `level` a LogLevel; what it raises is reported on
    stderr and goes no further.
    """

    _type = "cae_context"

    def __init__(
        self,
        *,
        threads: int = 1,
        engine: int | str = Engine.AUTO,
        cpu: int | str = Cpu.AUTO,
        log: LogCallback | None = None,
    ) -> None:
        given = options("cae_context_options", threads=threads, engine=engine, cpu=cpu)
        given.log = callback = _c_log(log) if log else ffi.NULL
        self._create(lib.cae_context_create, given, errors=ffi.NULL, keep=(callback,))

    @property
    def threads(self) -> int:
        """Threads in use, the caller's included. Set it to change their number."""
        return lib.cae_context_threads(self._c)

    @threads.setter
    def threads(self, threads: int) -> None:
        self._check(lib.cae_context_set_threads(self._c, threads))

    @property
    def cpu(self) -> int:
        """The instruction set in use."""
        return known(Cpu, lib.cae_context_cpu(self._c))

    @property
    def last_error(self) -> str:
        """The text of the last error, "" when there was none. Exceptions carry it already."""
        return text(lib.cae_context_error(self._c))

    def _details(self) -> str:
        return f" threads={self.threads} cpu={self.cpu!s}"


def _c_log(log: LogCallback) -> Any:
    def line(_user: Any, level: int, chars: Any) -> None:
        log(known(LogLevel, level), text(chars))

    return ffi.callback("cae_log_fn", line)
