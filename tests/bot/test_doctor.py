"""What the doctor says of a shop that is well, and of each way to be ill."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import launch
from bot import doctor
from bot.doctor import Finding, Patient, as_lines, examine, healthy
from bot.parts import intent_versions
from index.snapshot import Snapshot
from storage.database import Database
from storage.errors import Unavailable
from storage.publish import MANIFEST

Ill = Callable[[Path], object]


@pytest.fixture(autouse=True)
def hashed_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages' weights, 200 MB, are hashed in one test and taken as they are in the others."""
    if "well" not in request.node.name:
        monkeypatch.setattr(doctor, "weights_file", Path)


@pytest.fixture
def shop(tmp_path: Path, bot_snapshot: Snapshot, sqlite_template: Path) -> Path:
    """A shop that is well: an index, a database, a secret."""
    made = tmp_path / "shop"
    shutil.copytree(bot_snapshot.folder.parent.parent, made)
    shutil.copyfile(sqlite_template, made / "aisle.db")
    (made / "secret").write_text("0" * 64)
    (made / "secret").chmod(0o600)
    (made / "shop.toml").write_text('checkout_url = "https://shop.example/{cart_id}"\n')
    return made


def patient(shop: Path, url: str | None = None) -> Patient:
    return Patient(shop, Path(launch.__file__).parent / "constraints.txt", launch.SHIPPED_MODEL, url, port=1)


def found(shop: Path, check: str, url: str | None = None) -> list[Finding]:
    """What is not ok of one check; no other check may fail for it."""
    findings = examine(patient(shop, url))
    assert all(finding.mend for finding in findings if finding.state != "ok"), as_lines(findings)
    others = [each for each in findings if each.check not in (check, "port") and each.state == "fail"]
    assert not others, as_lines(others)
    return [each for each in findings if each.check == check and each.state != "ok"]


def publish_model(shop: Path, name: str) -> Path:
    """A model of one file, made current."""
    versions = intent_versions(shop)
    with versions.stage() as folder:
        (folder / "model.json").write_text(json.dumps({"name": name}))
        return versions.publish(folder, {}, name)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def contents(shop: Path) -> dict[Path, bytes]:
    """All files but those that SQLite puts beside a database while it is read."""
    files = (path for path in shop.rglob("*") if path.is_file() and not path.name.startswith("aisle.db-"))
    return {path: path.read_bytes() for path in files}


def test_a_shop_that_is_well_has_nothing_to_mend(shop: Path) -> None:
    publish_model(shop, "one")
    before = contents(shop)
    findings = [each for each in examine(patient(shop)) if each.check != "port"]
    # The machine may be short of memory or disk.
    assert {each.check for each in findings if each.state != "ok"} <= {"memory", "disk", "processor", "packages"}
    machine, kept = "python packages processor memory disk clock weights", "index encoders models database rejected"
    expected = f"shop.toml {machine} settings secret {kept}".split()
    assert list(dict.fromkeys(each.check for each in findings)) == expected
    assert contents(shop) == before, "it only looks"


def test_a_shop_that_is_not_there_is_made_by_nobody(tmp_path: Path) -> None:
    findings = examine(patient(tmp_path / "nowhere"))
    assert {each.check for each in findings if each.state == "fail" and each.check != "port"} == {"shop", "index"}
    assert not (tmp_path / "nowhere").exists()


def test_a_missing_index_is_told_with_the_command(shop: Path) -> None:
    shutil.rmtree(shop / "index")
    (told,) = found(shop, "index")
    assert told.state == "fail"
    assert f"launch.py index CATALOG --shop {shop}" in told.mend


def test_a_damaged_index_fails_and_one_with_a_spare_warns(shop: Path) -> None:
    current = shop / "index" / (shop / "index" / "CURRENT").read_text().strip()
    spare = current.with_name("spare")
    shutil.copytree(current, spare)
    (shop / "index" / "HISTORY").write_text(f"{spare.name}\n{current.name}\n")
    flip(next(path for path in sorted(current.rglob("*")) if path.is_file() and path.name != MANIFEST))
    (told,) = found(shop, "index")
    assert told.state == "warn"
    assert "spare serves in its place" in told.found
    (spare / MANIFEST).write_text("{")
    (told,) = found(shop, "index")
    assert told.state == "fail"


def test_an_index_of_another_encoder_fails(shop: Path, encoder_cache: Path) -> None:
    shutil.copytree(encoder_cache / "latin", shop / "models" / "encoder" / "latin")
    assert found(shop, "index") == []
    folder = next((shop / "models" / "encoder" / "latin").glob(f"*/{MANIFEST}"))
    manifest = json.loads(folder.read_text())
    manifest["meta"]["hash"] = "0" * 64
    folder.write_text(json.dumps(manifest))
    told = [each for each in examine(patient(shop)) if each.check == "index" and each.state == "fail"]
    assert "latin encoder" in told[0].found


def test_a_damaged_model_is_told(shop: Path) -> None:
    publish_model(shop, "one")
    flip(publish_model(shop, "two") / "model.json")
    (told,) = found(shop, "models")
    assert (told.state, "one serves in its place" in told.found) == ("warn", True)
    flip(shop / "models" / "intent" / "one" / "model.json")
    (told,) = found(shop, "models")
    assert told.state == "fail"
    assert "models rollback" in told.mend


def garbage(shop: Path) -> None:
    (shop / "aisle.db").write_bytes(b"no database " * 500)


def newer(shop: Path) -> None:
    with sqlite3.connect(shop / "aisle.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def torn(shop: Path) -> None:
    with (shop / "aisle.db").open("r+b") as file:
        file.truncate(8_192)


@pytest.mark.parametrize("ill", [garbage, newer, torn])
def test_a_database_that_cannot_serve_fails(shop: Path, ill: Ill) -> None:
    ill(shop)
    (told,) = found(shop, "database")
    assert told.state == "fail"


@pytest.mark.parametrize("url", ["postgresql://nobody:hidden@127.0.0.1:1/none", "mysql://x", "not a url"])
def test_a_database_that_does_not_answer_fails_and_keeps_its_password(shop: Path, url: str) -> None:
    (told,) = found(shop, "database", url)
    assert told.state == "fail"
    assert "hidden" not in told.found


def test_an_older_database_and_a_missing_one_are_no_failure(shop: Path) -> None:
    with sqlite3.connect(shop / "aisle.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    (told,) = found(shop, "database")
    assert (told.state, "back it up" in told.mend) == ("warn", True)
    (shop / "aisle.db").unlink()
    assert found(shop, "database") == []
    assert not (shop / "aisle.db").exists()


def test_a_journal_that_is_not_wal_is_told(shop: Path) -> None:
    Database.open(f"sqlite:///{shop / 'aisle.db'}").close()
    assert found(shop, "database") == []
    with sqlite3.connect(shop / "aisle.db") as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    (told,) = found(shop, "database")
    assert (told.state, "WAL" in told.found) == ("warn", True)


@pytest.mark.parametrize(
    ("text", "check", "state"),
    [
        ("checkout_url = ", "shop.toml", "fail"),
        ("curency = 'USD'", "shop.toml", "fail"),
        ("[intents]\nwarranty = 'nothing'", "settings", "fail"),
        ("name = 'Shop'", "settings", "warn"),
        ("checkout_url = 'https://shop.example/pay'", "settings", "warn"),
        ("[embed]\norigins = ['http://shop.example']\n", "settings", "warn"),
        ("checkout_url = 'https://x/{cart_id}'\ncurrency = 'EUR'", "index", "fail"),
        ("[telemetry]\notlp_endpoint = 'http://collector.example:4318'\n", "settings", "warn"),
    ],
)
def test_settings_that_are_wrong_or_do_not_go_together_are_told(shop: Path, text: str, check: str, state: str) -> None:
    (shop / "shop.toml").write_text(text)
    assert state in {each.state for each in found(shop, check)}


def test_traces_without_their_package_are_told_before_the_server_fails(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (shop / "shop.toml").open("a") as file:
        file.write("[telemetry]\notlp_endpoint = 'http://127.0.0.1:4318'\n")
    assert found(shop, "settings") == []
    version = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name.startswith("opentelemetry") else version(name))
    (told,) = found(shop, "settings")
    assert (told.state, "telemetry" in told.mend) == ("fail", True)


def test_two_databases_are_a_conflict(shop: Path) -> None:
    with (shop / "shop.toml").open("a") as file:
        file.write("[database]\nurl = 'sqlite:///other.db'\n")
    (told,) = found(shop, "settings", f"sqlite:///{shop / 'aisle.db'}")
    assert "AISLE_DATABASE_URL" in told.found


def test_a_secret_that_others_read_or_that_is_none_is_told(shop: Path) -> None:
    (shop / "secret").chmod(0o644)
    (told,) = found(shop, "secret")
    assert "chmod 600" in told.mend
    (shop / "secret").write_text("hello")
    assert {each.state for each in found(shop, "secret")} == {"warn", "fail"}


def test_rejected_rows_that_wait_are_counted(shop: Path) -> None:
    (shop / "rejected").mkdir(exist_ok=True)
    (shop / "rejected" / "catalog-1.jsonl").write_text('{"line": 1}\n{"line": 2}\n')
    (told,) = found(shop, "rejected")
    assert (told.state, told.found[:15]) == ("warn", "2 rejected rows")


def test_a_port_that_is_taken_is_told(shop: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = [each for each in examine(Patient(shop, shop, launch.SHIPPED_MODEL, port=port)) if each.check == "port"]
    assert told[0].state == "warn"
    assert "--port" in told[0].mend


def test_a_clock_that_is_wrong_is_told(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "now_ms", lambda: 0)
    assert "later than it is now" in found(shop, "clock")[0].found


def test_packages_are_compared_with_what_was_tested(shop: Path, tmp_path: Path) -> None:
    pins = tmp_path / "constraints.txt"
    pins.write_text("# comment\npydantic==0.0.1\n")
    told = [each for each in examine(Patient(shop, pins, launch.SHIPPED_MODEL)) if each.check == "packages"]
    assert (told[0].state, "pydantic" in told[0].found) == ("warn", True)


def test_a_check_that_breaks_is_a_finding(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("of all things")

    monkeypatch.setattr(doctor, "database_health", broken)
    (told,) = found(shop, "database")
    assert (told.state, "of all things" in told.found) == ("fail", True)


def test_a_package_that_the_doctor_itself_needs_is_named(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bot.doctor")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    for name in [name for name in sys.modules if name.startswith("storage.health")]:
        monkeypatch.delitem(sys.modules, name)
    run = CliRunner().invoke(launch.app, ["doctor", "--shop", str(shop)])
    assert isinstance(run.exception, Unavailable)
    assert "sqlalchemy is missing. Run: pip install" in str(run.exception)


def test_the_command_prints_and_exits_by_what_it_found(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AISLE_DATABASE_URL", raising=False)
    run = CliRunner().invoke(launch.app, ["doctor", "--shop", str(shop), "--json"])
    told = json.loads(run.stdout)
    assert (run.exit_code, told["healthy"]) == (0, True)
    assert set(told["findings"][0]) == {"check", "state", "found", "mend"}
    garbage(shop)
    run = CliRunner().invoke(launch.app, ["doctor", "--shop", str(shop)])
    assert run.exit_code == 1
    assert "fail  database" in run.stdout
    assert not healthy(examine(patient(shop)))
