from storage.metrics import Counter


def test_what_was_counted_is_exposed() -> None:
    counter = Counter("test_things_total", "Things.")
    assert "# TYPE test_things_total counter\n" in Counter.exposed()
    counter.add(kind="index")
    counter.add(2, kind="index")
    counter.add(kind='a "b"\n\\c')
    assert counter.value(kind="index") == 3
    assert counter.value(kind="none") == 0
    assert 'test_things_total{kind="index"} 3\n' in Counter.exposed()
    assert 'test_things_total{kind="a \\"b\\"\\n\\\\c"} 1\n' in Counter.exposed()
