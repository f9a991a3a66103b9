from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.build import BuildReport, build_index
from index.encoders import Encoder
from index.filters import Filters, PriceRange
from index.ngrams import NgramIndex
from index.snapshot import Snapshot, current_index, index_versions
from storage.errors import Conflict, Damaged, InvalidInput, NotFound, TooManyRejected, Unavailable
from storage.offers import Offer, Price
from storage.settings import ShopSettings, parse_settings
from tests.index.catalogs import HashEncoder, hash_encoders, plain_rows, write_jsonl

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return tmp_path / "shop"


@pytest.fixture
def encoders() -> dict[str, HashEncoder]:
    return hash_encoders()


def build(shop: Path, rows: list[Any], encoders: Mapping[str, Encoder], **options: Any) -> BuildReport:
    shop.mkdir(exist_ok=True)
    catalog = write_jsonl(shop / "catalog.jsonl", rows)
    return build_index(catalog, shop, options.pop("settings", ShopSettings()), encoders, **options)


def snapshot(shop: Path) -> Snapshot:
    folder = current_index(shop)
    assert folder is not None
    return Snapshot.load(folder)


def ids(shop: Path) -> list[str]:
    return list(snapshot(shop).products.ids())


def test_rows_mean_the_same_product_in_every_part(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    report = build(shop, plain_rows(30), encoders)
    assert (report.products, report.embedded, report.reused, report.removed, report.rejected) == (30, 30, 0, 0, 0)
    assert report.spaces == ("latin",)
    loaded = snapshot(shop)
    assert len(loaded) == 30
    assert loaded.version == report.version
    row = loaded.row_of("p17")
    assert row is not None
    product = loaded.products.get(row)
    assert product.title == "Lamp number 17"
    assert loaded.keywords.search("number 17", 1)[0].tolist() == [row]
    assert isinstance(loaded.ngrams, NgramIndex)
    assert loaded.ngrams.search("number 17", 1)[0].tolist() == [row]
    assert int(np.argmax(loaded.words.coverage(["17"]))) == row
    price = PriceRange(min=1800, max=1800, currency="USD")
    assert np.flatnonzero(loaded.facets.mask(Filters(price=price)).allowed).tolist() == [row]
    vector = encoders["latin"].encode_queries([encoders["latin"].seen[row]])[0]
    assert loaded.vectors["latin"].search(vector, 1)[0].tolist() == [row]


def test_only_new_and_changed_products_are_embedded(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    rows = plain_rows(30)
    build(shop, rows, encoders)
    encoders["latin"].seen.clear()
    rows[3]["title"] = "A new title"
    rows[4]["price"] = 999  # not part of what is embedded
    changed = [*rows[1:], {"id": "new", "title": "New lamp"}]
    random.Random(5).shuffle(changed)
    report = build(shop, changed, encoders)
    assert (report.products, report.embedded, report.reused, report.removed) == (30, 2, 28, 1)
    assert len(encoders["latin"].seen) == 2
    loaded = snapshot(shop)
    assert loaded.row_of("p0") is None
    # What was taken over equals what would have been made.
    fresh = hash_encoders()
    build(shop.with_name("fresh"), changed, fresh)
    other = snapshot(shop.with_name("fresh"))
    assert loaded.row_of("p29") == 29, "what stays keeps its row, whatever the catalog's order"
    assert loaded.row_of("new") == 0, "and a new product takes that of one that is gone"
    others = np.array([other.row_of(product_id) for product_id in loaded.products.ids()])
    np.testing.assert_array_equal(
        loaded.vectors["latin"].vectors_of(np.arange(30)), other.vectors["latin"].vectors_of(others)
    )


def test_another_encoder_embeds_everything_and_is_refused_by_the_old_index(shop: Path) -> None:
    first, second = hash_encoders("one"), hash_encoders("two")
    build(shop, plain_rows(5), first)
    folder = current_index(shop)
    assert folder is not None
    with pytest.raises(Damaged, match="latin encoder"):
        Snapshot.load(folder, second)
    assert len(Snapshot.load(folder, first)) == 5
    assert build(shop, plain_rows(5), second).embedded == 5


def test_refuses_to_shrink(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    build(shop, plain_rows(20), encoders)
    with pytest.raises(InvalidInput, match="remove 5 of 20") as caught:
        build(shop, plain_rows(15), encoders)
    assert "--allow-shrink" in caught.value.hint
    assert len(ids(shop)) == 20
    assert build(shop, plain_rows(16), encoders).removed == 4
    assert build(shop, plain_rows(3), encoders, allow_shrink=True).removed == 13


def test_update_keeps_what_it_does_not_name(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    with pytest.raises(NotFound, match="no index"):
        build(shop, plain_rows(1), encoders, update=True)
    build(shop, plain_rows(20), encoders)
    report = build(shop, [{"id": "p3", "title": "Changed"}, {"id": "p99", "title": "Added"}], encoders, update=True)
    assert (report.products, report.embedded, report.reused, report.removed, report.rejected) == (21, 2, 19, 0, 0)
    loaded = snapshot(shop)
    assert loaded.row_of("p3") == 3
    assert loaded.products.get(3).title == "Changed"
    assert loaded.products.get(20).id == "p99"


def test_an_update_leaves_the_offers_on_what_it_does_not_name(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    build(shop, plain_rows(5), encoders)
    first = snapshot(shop)
    time.sleep(0.002)
    build(shop, [{"id": "p3", "title": "Changed"}, {"id": "p99", "title": "Added"}], encoders, update=True)
    loaded = snapshot(shop)
    assert loaded.read_at == first.read_at
    price = Price(amount=7, currency="USD")
    offers = [Offer(product_id=number, price=price, updated_at=first.read_at + 1) for number in ("p0", "p3", "p99")]
    mask = loaded.facets.mask(Filters(price=PriceRange(min=7, max=7, currency="USD")), offers)
    assert np.flatnonzero(mask.allowed).tolist() == [0], "p3 and p99 were read after that"
    # One more update carries both moments on; the whole catalog ends all of them.
    build(shop, [{"id": "p4", "title": "Changed"}], encoders, update=True)
    assert snapshot(shop).facets.mask(Filters(price=PriceRange(min=7, max=7, currency="USD")), offers).allowed[0]
    build(shop, plain_rows(5), encoders, allow_shrink=True)
    assert snapshot(shop).read_at > loaded.read_at


def test_what_comes_later_has_the_moment_at_which_it_came(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    build(shop, plain_rows(5), encoders)
    assert snapshot(shop).added_at.tolist() == [0] * 5, "of the first version nobody knows since when it is sold"
    build(shop, [{"id": "p3", "title": "Changed"}, {"id": "p99", "title": "Added"}], encoders, update=True)
    came = snapshot(shop)
    assert came.added_at.tolist() == [0] * 5 + [came.added_at[5]]
    assert came.added_at[5] > came.read_at
    rows = [row for row in plain_rows(5) if row["id"] != "p1"]
    build(shop, [*rows, {"id": "p99", "title": "Added, renamed"}], encoders, allow_shrink=True)
    moved = snapshot(shop)
    assert {moved.products.get(row).id: at for row, at in enumerate(moved.added_at.tolist())} == {
        **dict.fromkeys(("p0", "p2", "p3", "p4"), 0),
        "p99": came.added_at[5],
    }
    build(shop, plain_rows(5), encoders, allow_shrink=True)
    again = snapshot(shop)
    row = again.row_of("p1")
    assert row is not None
    assert again.added_at[row] > came.added_at[5], "what was gone and comes back is new again"


def test_an_index_without_moments_was_read_as_a_whole(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    build(shop, plain_rows(3), encoders)
    folder = current_index(shop)
    assert folder is not None
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["read_at.npy"], manifest["sha256"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "read_at.npy").unlink()
    loaded = Snapshot.load(folder)
    assert loaded.read_at == manifest["meta"]["read_at"]
    assert not loaded.facets.is_news(2, Offer(product_id="p2", updated_at=loaded.read_at - 1))


def test_dirty_rows_are_kept_with_reasons(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    rows = [
        *plain_rows(8),
        {"id": "p2", "title": "Later", "price": "?"},
        {"title": "no id"},
        "{broken",
        {"id": "x", "title": "<p>"},
    ]
    report = build(shop, rows, encoders)
    assert (report.products, report.rejected) == (8, 4)
    assert report.bad_fields == {"price": 1}
    assert report.rejected_file is not None
    rejected = [json.loads(line) for line in Path(report.rejected_file).read_text(encoding="utf-8").splitlines()]
    assert [row["line"] for row in rejected] == [3, 10, 11, 12]
    assert rejected[0]["reason"].startswith("duplicate id")
    assert rejected[0]["row"]["title"] == "Lamp number 2"
    loaded = snapshot(shop)
    row = loaded.row_of("p2")
    assert row is not None
    assert loaded.products.get(row).title == "Later"


def test_too_many_rejected_rows_publish_nothing(shop: Path, encoders: dict[str, HashEncoder], tmp_path: Path) -> None:
    build(shop, plain_rows(20), encoders)
    version = index_versions(shop).pointer()
    bad = [{"id": f"bad{n}"} for n in range(11)]
    with pytest.raises(TooManyRejected) as caught:
        build(shop, [*plain_rows(20), *bad], encoders, rejected=tmp_path / "out.jsonl")
    assert caught.value.exit_code == 3
    assert len((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 11
    assert index_versions(shop).pointer() == version
    # Ten bad rows are always tolerated, and more where it is allowed.
    assert build(shop, [*plain_rows(20), *bad[:10]], encoders).rejected == 10
    assert build(shop, [*plain_rows(20), *bad], encoders, max_rejected=0.5).rejected == 11


def test_catalogs_without_a_usable_product(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    with pytest.raises(InvalidInput, match="no usable product"):
        build(shop, [], encoders)
    with pytest.raises(InvalidInput):
        build_index(shop / "missing.jsonl", shop, ShopSettings(), encoders)
    assert current_index(shop) is None
    assert not list((shop / "index").glob(".stage-*"))


def test_spaces_follow_script_and_settings(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    latin, chinese = plain_rows(10), [{"id": f"z{n}", "title": f"台灯 {n} 号", "brand": "LED"} for n in range(10)]

    def spaces(rows: list[Any], **options: Any) -> dict[str, int]:
        build(shop, rows, encoders, allow_shrink=True, **options)
        return {space: len(store) for space, store in snapshot(shop).vectors.items()}

    assert spaces(latin) == {"latin": 10}
    assert spaces(chinese) == {"han": 10}
    assert spaces([*latin, *chinese]) == {"latin": 10, "han": 20}
    assert spaces(latin, settings=parse_settings('languages = ["en", "zh"]')) == {"latin": 10, "han": 10}
    assert spaces(latin, settings=parse_settings('languages = ["en"]')) == {"latin": 10}
    # A stray product does not pay for a second encoder, nor does a Chinese name in an English title.
    assert spaces([*plain_rows(150), chinese[0]]) == {"latin": 151}
    assert spaces([{"id": "1", "title": "Tea from Hangzhou (龙井) in a large tin box"}]) == {"latin": 1}


def test_documents_are_embedded_and_kept(shop: Path, encoders: dict[str, HashEncoder], tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "returns.md").write_text("# Returns\n\nThirty days.\n", encoding="utf-8")
    report = build(shop, plain_rows(5), encoders, documents=folder)
    assert (report.documents, report.spaces) == (1, ("latin",))
    encoders["latin"].seen.clear()
    assert build(shop, plain_rows(5), encoders).documents == 1
    assert encoders["latin"].seen == []
    # A Chinese document means that people ask in Chinese, also for the English products.
    (folder / "zh.md").write_text("# 退货\n\n三十天内可以退货。\n", encoding="utf-8")
    report = build(shop, plain_rows(5), encoders, documents=folder)
    assert report.spaces == ("latin", "han")
    documents = snapshot(shop).documents
    assert [len(documents.vectors[space]) for space in ("latin", "han")] == [1, 2]
    vector = encoders["han"].encode_queries(["退货 · 三十天内可以退货。"])[0]
    assert documents.search("han", vector, 1)[0][0].document_id == "zh"


def test_columns_and_currency_of_the_settings(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    settings = parse_settings('currency = "EUR"\n[catalog.columns]\nid = "sku"\ntitle = "name"')
    build(shop, [{"sku": "1", "name": "Lamp", "price": "12,50"}], encoders, settings=settings)
    price = snapshot(shop).products.get(0).price
    assert price is not None
    assert (price.amount, price.currency) == (1250, "EUR")


def test_progress_reaches_its_total(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    calls: list[tuple[str, int, int]] = []
    build(shop, plain_rows(12), encoders, progress=lambda *call: calls.append(call))
    assert list(dict.fromkeys(call[0] for call in calls)) == ["read", "embed", "index"]
    for stage in ("read", "embed", "index"):
        done = [call[1:] for call in calls if call[0] == stage]
        assert done[-1][0] == done[-1][1]
        assert done == sorted(done)


def test_two_runs_at_once(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    build(shop, plain_rows(5), encoders)
    with index_versions(shop).lock(), pytest.raises(Conflict):
        build(shop, plain_rows(6), encoders)
    assert build(shop, plain_rows(6), encoders).products == 6


def test_a_damaged_index_is_built_anew_and_never_served(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    build(shop, plain_rows(5), encoders)
    build(shop, plain_rows(6), encoders)
    newest = current_index(shop)
    assert newest is not None
    target = newest / "vectors" / "latin" / "vectors.npy"
    content = bytearray(target.read_bytes())
    content[-1] ^= 1
    target.write_bytes(content)
    assert len(ids(shop)) == 5
    with pytest.raises(Damaged, match="sha256"):
        Snapshot.load(newest)
    for version in (shop / "index").iterdir():
        if version.is_dir():
            (version / "products.sqlite").unlink(missing_ok=True)
    with pytest.raises(Damaged):
        current_index(shop)
    # How many products there were is lost with them, so that nobody could tell a truncated export.
    with pytest.raises(Damaged, match="products") as caught:
        build(shop, plain_rows(6), encoders)
    assert "--allow-shrink" in caught.value.hint
    assert "--documents" not in caught.value.hint
    report = build(shop, plain_rows(6), encoders, allow_shrink=True)
    assert (report.products, report.embedded) == (6, 6)
    assert len(ids(shop)) == 6


def only_version_damaged(shop: Path, encoders: dict[str, HashEncoder], *parts: str) -> Path:
    """A shop with 20 products and a document, whose one version lost its vectors and these files; the documents."""
    folder = shop.with_name("documents")
    folder.mkdir()
    (folder / "returns.md").write_text("# Returns\n\nThirty days.\n", encoding="utf-8")
    build(shop, plain_rows(20), encoders, documents=folder)
    version = current_index(shop)
    assert version is not None
    for part in ("vectors/latin/vectors.npy", *parts):
        (version / part).write_bytes(b"?")
    with pytest.raises(Damaged):
        current_index(shop)
    return folder


def test_documents_and_the_guard_survive_damage_elsewhere(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    only_version_damaged(shop, encoders)
    with pytest.raises(InvalidInput, match="remove 5 of 20"):
        build(shop, plain_rows(15), encoders)
    report = build(shop, plain_rows(20), encoders)
    assert (report.documents, report.embedded) == (1, 20)
    assert [document.title for document in snapshot(shop).documents.documents] == ["Returns"]


def test_lost_documents_are_asked_for(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    folder = only_version_damaged(shop, encoders, "documents/documents.json", "products.sqlite")
    for options, named in (
        ({}, ["--documents", "--allow-shrink"]),
        ({"allow_shrink": True}, ["--documents"]),
        ({"documents": folder}, ["--allow-shrink"]),
    ):
        with pytest.raises(Damaged) as caught:
            build(shop, plain_rows(20), encoders, **options)
        assert all(option in caught.value.hint for option in named)
        assert caught.value.hint.count("--") == len(named)
    assert build(shop, plain_rows(20), encoders, documents=folder, allow_shrink=True).documents == 1


def test_an_index_of_an_older_layout_is_refused_and_built_anew(shop: Path, encoders: dict[str, HashEncoder]) -> None:
    build(shop, plain_rows(5), encoders)
    folder = current_index(shop)
    assert folder is not None
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["meta"]["read_at"], manifest["sha256"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Damaged, match="another version of Aisle"):
        Snapshot.load(folder)
    with pytest.raises(InvalidInput, match="remove 2 of 5"):
        build(shop, plain_rows(3), encoders)
    assert build(shop, plain_rows(5), encoders).products == 5
    assert len(ids(shop)) == 5


def test_a_missing_index(shop: Path) -> None:
    assert current_index(shop) is None
    with pytest.raises(NotFound):
        Snapshot.load(shop / "index" / "none")


PROGRAM = """
import sys
from pathlib import Path
from index.build import build_index
from storage.errors import AisleError
from storage.settings import ShopSettings
from tests.index.catalogs import hash_encoders
print("ready", flush=True)
try:
    print(build_index(Path(sys.argv[1]), Path(sys.argv[2]), ShopSettings(), hash_encoders()).products)
except AisleError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def test_sigkill_at_any_time_leaves_a_good_version(
    shop: Path, encoders: dict[str, HashEncoder], tmp_path: Path
) -> None:
    build(shop, plain_rows(300), encoders)
    catalog = write_jsonl(tmp_path / "more.jsonl", plain_rows(400))
    delays = random.Random(7)
    for _ in range(3):
        command = [sys.executable, "-c", PROGRAM, str(catalog), str(shop)]
        process = subprocess.Popen(command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delays.uniform(0, 0.6))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert len(ids(shop)) in (300, 400)
    assert build(shop, plain_rows(400), encoders).products == 400
    assert not list((shop / "index").glob(".stage-*"))
    assert len(index_versions(shop).list()) <= 2


@pytest.mark.parametrize(
    "part",
    ["index.facet_writer.FacetWriter.close", "index.vectors.ExactStore.save", "index.products.ProductWriter.put"],
)
def test_no_space_left_at_any_step(
    shop: Path, encoders: dict[str, HashEncoder], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    build(shop, plain_rows(5), encoders)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(part, full)
        with pytest.raises(Unavailable, match="is full"):
            build(shop, plain_rows(6), encoders)
    assert not list((shop / "index").glob(".stage-*"))
    assert len(ids(shop)) == 5


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode != 0,
    reason="needs a mount namespace of its own for a really small disk",
)
def test_a_disk_that_is_really_full(shop: Path, tmp_path: Path) -> None:
    old = write_jsonl(tmp_path / "old.jsonl", plain_rows(50))
    new = write_jsonl(tmp_path / "new.jsonl", plain_rows(3_000))
    disk = tmp_path / "small"
    disk.mkdir()
    run = f'"{sys.executable}" -c "$PROGRAM"'
    # Each size is used up at another step: records, vectors, the parts behind them.
    script = f"""
        mount -t tmpfs -o size=6m tmpfs "{disk}" && {run} "{old}" "{disk}" || exit 9
        for size in 1240k 1640k 2440k; do
            mount -o remount,size=$size "{disk}" && {run} "{new}" "{disk}" && exit 8
            ls -A "{disk}/index"
        done
        cp -r "{disk}" "{shop}"
    """
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], cwd=REPOSITORY, env=os.environ | {"PROGRAM": PROGRAM}, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Unavailable: The disk that holds") == 3, done.stderr
    assert ".stage-" not in done.stdout
    assert len(ids(shop)) == 50


def test_real_encoders_find_across_languages(shop: Path, encoders_by_space: Mapping[str, Encoder]) -> None:
    rows = [
        {"id": "phone", "title": "Cordless phone with answering machine"},
        {"id": "kettle", "title": "Electric kettle, 1.7 liters"},
        {"id": "shoes", "title": "透气跑步鞋", "description": "适合马拉松训练"},
    ]
    report = build(shop, rows, encoders_by_space)
    assert report.spaces == ("latin", "han")
    folder = current_index(shop)
    assert folder is not None
    loaded = Snapshot.load(folder, encoders_by_space)

    def nearest(space: str, text: str) -> str:
        vector = encoders_by_space[space].encode_queries([text])[0]
        return loaded.products.get(int(loaded.vectors[space].search(vector, 1)[0][0])).id

    assert nearest("latin", "something to boil water") == "kettle"
    # Between languages e5 ranks well, but it prefers the asker's own: so the English ones are compared.
    vector = encoders_by_space["han"].encode_queries(["烧水壶"])[0]
    kettle, phone = loaded.vectors["han"].similarity(vector, np.array([1, 0]))
    assert kettle > phone
    assert nearest("han", "运动鞋") == "shoes"
    assert build(shop, rows, encoders_by_space).embedded == 0
