"""Hand-written wording of shoppers and of the assistant, in English and Chinese.

`en/` and `zh/` hold plain text, one phrasing a line, grouped by what the customer wants. A section opens with a header::

    == search | start, empty        the label, and the situations (what the assistant said last) in which it fits
    do you [carry|sell|have] {products}[ in {color}|]?

`[a|b|]` picks one alternative (the last one here is empty), `{name}` is a slot from `slots.txt` or one of the computed
ones in `slots.py`. Lines that start with `#` are remarks. `bank.py` reads the files, `grammar.py` expands a line,
`style.py` makes it sound like a particular person.
"""
