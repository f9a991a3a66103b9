"""Nothing that could run code out of a file is in the project's own modules: no pickle, no eval, no shell.

`tests/bot/attack/test_loaders.py` holds the same while a shop is indexed, its models are loaded and it is served.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.test_imports import ROOT, modules

MODULES = [*modules(), *sorted((ROOT / "benchmarks").glob("*.py"))]
FORBIDDEN_MODULES = {
    *(
        "pickle",
        "_pickle",
        "cPickle",
        "marshal",
        "shelve",
        "dill",
        "cloudpickle",
        "joblib",
        "jsonpickle",
        "yaml",
        "code",
        "codeop",
    ),
    *("pandas", "skops", "runpy"),
}
"""pandas too: `read_pickle` and HDF5 stand beside its harmless readers, and nothing here needs it."""
PEERS = {"benchmarks/": {"joblib"}}
"""What only the measured peers may import."""
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
FORBIDDEN_ATTRIBUTES = {
    *("read_pickle", "to_pickle", "load_module", "mktemp", "extractall", "unsafe_load", "load_learner"),
    *("os.system", "os.popen", "os.spawnl", "os.spawnv", "os.execv", "os.execvp"),
}
PICKLED_BY_DEFAULT = {"torch"}
"""`torch.load` and `torch.save` pickle: weights are safetensors here."""


def offences(tree: ast.AST, place: str) -> Iterator[str]:
    """Each way in which a module could run what a file says, with its line."""
    for node in ast.walk(tree):
        names: set[str] = set()
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").split(".")[0]}
        allowed = next((peers for folder, peers in PEERS.items() if place.startswith(folder)), set[str]())
        for name in sorted((names & FORBIDDEN_MODULES) - allowed):
            yield f"{place}:{node.lineno} imports {name}"  # type: ignore[attr-defined]
        if isinstance(node, ast.Call):
            yield from (f"{place}:{node.lineno} {each}" for each in called(node))


def called(node: ast.Call) -> Iterator[str]:
    """What is wrong with one call."""
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
        yield f"calls {node.func.id}"
    if (shell := given.get("shell")) is not None and not is_constant(shell, False):
        yield "runs a shell"
    if "trust_remote_code" in given and not is_constant(given["trust_remote_code"], False):
        yield "trusts remote code"
    if not isinstance(node.func, ast.Attribute):
        return
    on, name = node.func.value, node.func.attr
    owner = on.id if isinstance(on, ast.Name) else ""
    if {name, f"{owner}.{name}"} & FORBIDDEN_ATTRIBUTES:
        yield f"calls {owner}.{name}"
    if owner in PICKLED_BY_DEFAULT and name in ("load", "save"):
        yield f"calls {owner}.{name}"
    if owner in ("np", "numpy") and name in ("load", "save") and not is_constant(given.get("allow_pickle"), False):
        yield f"calls {owner}.{name} without allow_pickle=False"
    weights = name == "from_pretrained" and not owner.endswith(("Config", "Tokenizer", "TokenizerFast"))
    if weights and not is_constant(given.get("use_safetensors"), True):
        yield f"calls {owner}.from_pretrained without use_safetensors=True"


def is_constant(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_no_module_can_run_what_a_file_says() -> None:
    found = [
        offence
        for path in MODULES
        for offence in offences(ast.parse(path.read_text(encoding="utf-8")), str(path.relative_to(ROOT)))
    ]
    assert found == []


@pytest.mark.parametrize(
    "written",
    [
        "import pickle",
        "from joblib import load",
        "import yaml\nyaml.load(text)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.save(path, array, allow_pickle=flag)",
        "torch.load(path)",
        "torch.save(state, path)",
        "AutoModel.from_pretrained(name)",
        "AutoModel.from_pretrained(name, use_safetensors=True, trust_remote_code=flag)",
        "eval(text)",
        "exec(compile(text, '', 'exec'))",
        "subprocess.run(line, shell=True)",
        "os.system(line)",
        "archive.extractall(folder)",
        "pd.read_pickle(path)",
    ],
)
def test_what_could_is_found(written: str) -> None:
    assert [*offences(ast.parse(written), "storage/some.py")], written
