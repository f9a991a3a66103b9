from __future__ import annotations

import threading

import pytest

from storage import carts
from storage.carts import Cart, add_line, cart_of, change_line, empty_cart, remove_line
from storage.database import Database
from storage.errors import Conflict, InvalidInput, NotFound
from storage.principal import Principal


def contents(cart: Cart) -> list[tuple[str, str | None, int]]:
    return [(line.product_id, line.variant_id, line.quantity) for line in cart.lines]


def test_a_cart_that_never_held_anything_is_empty(database: Database, alice: Principal) -> None:
    assert cart_of(database, alice, "alice") == Cart("", 0, ())


def test_lines_keep_their_order_and_their_ids(database: Database, alice: Principal) -> None:
    add_line(database, alice, "alice", "p1")
    add_line(database, alice, "alice", "p2", "blue", 3)
    cart = add_line(database, alice, "alice", "p1", quantity=2)
    assert contents(cart) == [("p1", None, 3), ("p2", "blue", 3)]
    assert cart.version == 3
    assert cart_of(database, alice, "alice") == cart
    changed = change_line(database, alice, "alice", cart.lines[0].line_id, 1)
    assert contents(changed) == [("p1", None, 1), ("p2", "blue", 3)]
    assert [line.line_id for line in changed.lines] == [line.line_id for line in cart.lines]
    assert contents(remove_line(database, alice, "alice", cart.lines[0].line_id)) == [("p2", "blue", 3)]
    assert contents(change_line(database, alice, "alice", cart.lines[1].line_id, 0)) == []


def test_variants_are_lines_of_their_own(database: Database, alice: Principal) -> None:
    add_line(database, alice, "alice", "p1", "blue")
    assert len(add_line(database, alice, "alice", "p1", "red").lines) == 2


def test_the_same_request_takes_effect_once(database: Database, alice: Principal) -> None:
    first = add_line(database, alice, "alice", "p1", quantity=2, request_id="r1")
    assert add_line(database, alice, "alice", "p1", quantity=2, request_id="r1") == first
    # A retry that names the version it first saw is no conflict either: it was done.
    assert add_line(database, alice, "alice", "p1", quantity=2, request_id="r1", expected_version=0) == first
    second = add_line(database, alice, "alice", "p1", quantity=2, request_id="r2")
    assert contents(second) == [("p1", None, 4)]
    emptied = empty_cart(database, alice, "alice", request_id="r3")
    assert empty_cart(database, alice, "alice", request_id="r3") == emptied
    assert emptied.lines == ()


def test_a_request_id_means_one_change(database: Database, alice: Principal) -> None:
    cart = add_line(database, alice, "alice", "p1", request_id="r1")
    with pytest.raises(Conflict):
        add_line(database, alice, "alice", "p2", request_id="r1")
    assert cart_of(database, alice, "alice") == cart


def test_request_ids_of_two_shoppers_do_not_meet(database: Database, alice: Principal, mallory: Principal) -> None:
    add_line(database, alice, "alice", "p1", request_id="r1")
    assert contents(add_line(database, mallory, "mallory", "p2", request_id="r1")) == [("p2", None, 1)]


def test_a_stale_version_is_refused_and_changes_nothing(database: Database, alice: Principal) -> None:
    seen = add_line(database, alice, "alice", "p1")
    now = add_line(database, alice, "alice", "p2", expected_version=seen.version)
    with pytest.raises(Conflict) as refused:
        empty_cart(database, alice, "alice", expected_version=seen.version)
    assert refused.value.status == 409
    assert cart_of(database, alice, "alice") == now


@pytest.mark.parametrize("quantity", [0, -1, 1000, 10**30])
def test_impossible_quantities_are_refused(database: Database, alice: Principal, quantity: int) -> None:
    with pytest.raises(InvalidInput):
        add_line(database, alice, "alice", "p1", quantity=quantity)
    assert cart_of(database, alice, "alice").lines == ()


def test_a_line_holds_999_at_most(database: Database, alice: Principal) -> None:
    cart = add_line(database, alice, "alice", "p1", quantity=999)
    with pytest.raises(InvalidInput):
        add_line(database, alice, "alice", "p1")
    with pytest.raises(InvalidInput):
        change_line(database, alice, "alice", cart.lines[0].line_id, 1000)
    assert cart_of(database, alice, "alice") == cart


def test_an_unknown_line_is_not_found(database: Database, alice: Principal, mallory: Principal) -> None:
    line = add_line(database, mallory, "mallory", "p1").lines[0].line_id
    add_line(database, alice, "alice", "p1")
    for strange in ("nope", line):
        with pytest.raises(NotFound):
            remove_line(database, alice, "alice", strange)


def test_a_failed_request_may_be_sent_again(database: Database, alice: Principal) -> None:
    with pytest.raises(NotFound):
        remove_line(database, alice, "alice", "nope", request_id="r1")
    with pytest.raises(NotFound):
        remove_line(database, alice, "alice", "nope", request_id="r1")


def test_a_cart_can_be_full(database: Database, alice: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carts, "MOST_LINES", 5)
    for number in range(5):
        add_line(database, alice, "alice", f"p{number}")
    with pytest.raises(InvalidInput):
        add_line(database, alice, "alice", "one more")
    assert len(add_line(database, alice, "alice", "p0").lines) == 5


def test_two_windows_at_once_lose_nothing(database: Database, alice: Principal) -> None:
    trouble: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for number in range(8):
                add_line(database, alice, "alice", "p1", request_id=f"{worker}-{number}")
                add_line(database, alice, "alice", "p2", request_id=f"shared-{number}")
        except BaseException as error:
            trouble.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []
    cart = cart_of(database, alice, "alice")
    assert sorted(contents(cart)) == [("p1", None, 32), ("p2", None, 8)]
    assert cart.version == 40


def test_lines_are_replaced_as_a_whole(database: Database, alice: Principal, mallory: Principal) -> None:
    begun = carts.replace_lines(database, alice, "alice", [("p1", None, 2), ("p2", "blue", 1)], begins=True)
    assert contents(begun) == [("p1", None, 2), ("p2", "blue", 1)]
    with pytest.raises(Conflict):
        carts.replace_lines(database, alice, "alice", [("p3", None, 1)], begins=True)
    other = carts.replace_lines(database, alice, "alice", [("p3", None, 1), ("p2", "blue", 4)], request_id="r")
    assert contents(other) == [("p3", None, 1), ("p2", "blue", 4)]
    assert other.lines[1].line_id == begun.lines[1].line_id
    add_line(database, alice, "alice", "p4")
    late = carts.replace_lines(database, alice, "alice", [("p3", None, 1), ("p2", "blue", 4)], request_id="r")
    assert contents(late)[-1] == ("p4", None, 1), "done once, long ago"
    for wanted in ([("p1", None, 0)], [("p1", None, 1_000)], [(f"p{number}", None, 1) for number in range(201)]):
        with pytest.raises(InvalidInput):
            carts.replace_lines(database, alice, "alice", wanted)
    with pytest.raises(NotFound):
        carts.replace_lines(database, mallory, "alice", [])
    assert contents(cart_of(database, alice, "alice")) == contents(late)


def test_a_cart_is_found_by_its_id_by_its_owner_alone(
    database: Database, alice: Principal, mallory: Principal, backend: Principal
) -> None:
    cart = add_line(database, alice, "alice", "p1")
    assert (
        carts.cart_owner(database, alice, cart.cart_id) == carts.cart_owner(database, backend, cart.cart_id) == "alice"
    )
    told = []
    for cart_id in (cart.cart_id, "nowhere"):
        with pytest.raises(NotFound) as error:
            carts.cart_owner(database, mallory, cart_id)
        told.append(str(error.value).replace(cart_id, ""))
    assert told[0] == told[1]
