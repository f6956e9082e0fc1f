"""Executes the notebook of the tutorial, and shows it with its outputs as a page."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from functools import cache
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbformat import NotebookNode

NOTEBOOK = "tutorial.ipynb"
CELL_TIMEOUT_S = 300
SHOWN_FOLDER = "/home/you/tutorial"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page and its pictures.

    With TEXGEN_SITE_EXECUTE=0 in the environment nothing is executed, and the page has no outputs.
    """
    source = (Path(config.docs_dir) / NOTEBOOK).read_text(encoding="utf-8")
    execute = os.environ.get("TEXGEN_SITE_EXECUTE") != "0"
    notebook = _executed(source) if execute else nbformat.reads(source, as_version=4)
    text, pictures = _markdown(notebook)
    files.append(File.generated(config, "tutorial.md", content=text))
    for name, content in pictures.items():
        files.append(File.generated(config, name, content=content))
    return files


@cache  # `mkdocs serve` builds the site at each change of any page.
def _executed(source: str) -> NotebookNode:
    """Executes a notebook in an empty folder; an error of a cell ends the build of the site."""
    notebook = nbformat.reads(source, as_version=4)
    # The shell of a cell must find the same texgen as its Python.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(prefix="texgen-tutorial-") as folder:
        client = NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT_S,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            # A warning that its messages are not encrypted, which stay on this machine.
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
        executed = client.execute(env={**os.environ, "PATH": path})
    # A reader works in some folder, and not in a temporary one.
    return nbformat.reads(nbformat.writes(executed).replace(folder, SHOWN_FOLDER), as_version=4)


def _markdown(notebook: NotebookNode) -> tuple[str, dict[str, bytes]]:
    """Converts a notebook; returns the page's text, and its pictures by name."""
    # A pipe is read in pieces, which may end anywhere.
    notebook, _ = CoalesceStreamsPreprocessor().preprocess(notebook, {})
    exporter = MarkdownExporter()
    text, resources = exporter.from_notebook_node(
        notebook, {"unique_key": "tutorial", "output_files_dir": "tutorial_files"}
    )
    text = re.sub(r"^```\w*\n%%bash\n", "```bash\n", text, flags=re.MULTILINE)
    text = text.replace("![png](", "![output of the cell above](")
    return text, resources["outputs"]
