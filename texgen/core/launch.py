"""Starts Python processes with exactly this process's code, whatever the current folder.

Python looks for modules in the current folder first if it is started with ``-c`` or ``-m``.
That folder may hold another texgen, or a file with the name of a module.
"""

from __future__ import annotations

import os
import sys

_START = """\
import sys
sys.path[:] = {path!a}
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("texgen", {package!a})
sys.modules["texgen"] = texgen = module_from_spec(spec)
spec.loader.exec_module(texgen)
del spec, texgen
{code}
"""


def leave_current_folder_out() -> None:
    """Takes the current folder off the path of ``python -m texgen``; other programs keep theirs.

    The call must come before every other import, while Python still looks for the module.
    """
    if sys.argv[:1] != ["-m"]:
        return
    module = sys.orig_argv[-len(sys.argv)].rpartition("-m")[2]
    if module.partition(".")[0] == "texgen":
        if sys.path and sys.path[0] == _current_folder():
            del sys.path[0]
        drop_empty_elements()


def drop_empty_elements() -> None:
    """Drops the empty elements of PYTHONPATH, for this process and those that it starts.

    They mean the current folder and appear unintended: ``PYTHONPATH=$PYTHONPATH:lib`` has one
    if the variable was not set before. A folder that is named stays, ``.`` too.
    """
    words = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    named = [word for word in words if word]
    # A variable that is unset or empty adds no folder.
    if len(words) == 1 or len(named) == len(words):
        return
    os.environ["PYTHONPATH"] = os.pathsep.join(named)
    here = _current_folder()
    if here is not None and here not in map(os.path.abspath, named):
        sys.path[:] = [folder for folder in sys.path if folder != here]


def module_path() -> list[str]:
    """Folders in which this process and its children look for modules."""
    return [folder for folder in sys.path if folder]


def package_file() -> str:
    """Path of the ``__init__.py`` of this process's texgen."""
    # No pathlib: it takes 5 ms, and this module comes first.
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    return os.path.join(package, "__init__.py")  # noqa: PTH118


def python_command(code: str) -> list[str]:
    """Returns the command line of a Python process that runs ``code`` with this process's texgen.

    The process imports all other modules from the folders of this process. Words that follow
    are its ``sys.argv[1:]``.
    """
    # Imported late: `leave_current_folder_out` must come before every import.
    from multiprocessing.util import _args_from_interpreter_flags  # type: ignore[attr-defined]

    start = _START.format(path=module_path(), package=package_file(), code=code)
    return [sys.executable, *_args_from_interpreter_flags(), "-c", start]


def _current_folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - see `package_file`
    except OSError:
        return None
