"""Imports go one way: storage → index → retrieval → bot → finetune → launch."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ("storage", "index", "retrieval", "bot", "finetune", "launch")
ALLOWED = {name: {*ORDER[: place + 1], *(["demo"] if name == "launch" else [])} for place, name in enumerate(ORDER)}
ALLOWED["demo"] = {"demo", "storage", "index"}
OWN = {*ORDER, "demo", "benchmarks", "tests"}
# A foreign framework lives in few places, so that it can be replaced there.
HOMES = {
    "gradio": ("bot/windows/",),
    "fastapi": ("bot/api/",),
    "tantivy": ("index/keywords.py",),
    "faiss": ("index/vectors.py",),
    "alembic": ("storage/",),
    "typer": ("launch.py",),
    "sentence_transformers": (),
    "langchain": ("bot/llm/agent.py",),
    "langchain_core": ("bot/llm/agent.py", "bot/llm/retriever.py"),
    "langgraph": (),
    "langsmith": ("bot/llm/agent.py",),
    "openai": (),
    "opentelemetry": ("bot/otlp.py",),
}


def modules() -> list[Path]:
    folders = [*ORDER[:-1], "demo"]
    return [ROOT / "launch.py", *(path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))]


def imported(path: Path) -> set[str]:
    """The dotted names that a module imports, wherever in it the statement stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide the direction"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_to_the_left(path: Path) -> None:
    place = path.relative_to(ROOT)
    folder = place.parts[0].removesuffix(".py")
    tops = {name.split(".")[0] for name in imported(path)}
    assert tops & OWN <= ALLOWED[folder], f"{place} imports {sorted((tops & OWN) - ALLOWED[folder])}"
    for framework, homes in HOMES.items():
        assert framework not in tops or str(place).startswith(homes), f"{place} imports {framework}"


def test_the_walk_finds_the_packages() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in modules()}
    assert {*ORDER[:-1], "demo", "launch.py"} <= found
