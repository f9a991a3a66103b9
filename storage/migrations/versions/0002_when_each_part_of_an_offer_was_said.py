"""When each part of an offer was said: price, availability and stock are reported one by one, and age one by one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SAID_BY = {"price_at": "amount", "availability_at": "availability", "stock_at": "stock"}


def upgrade() -> None:
    """Add the moments; what is stored was said when its row was."""
    for moment, field in _SAID_BY.items():
        op.add_column("offers", sa.Column(moment, sa.BigInteger()))
        op.execute(f"UPDATE offers SET {moment} = updated_at WHERE {field} IS NOT NULL")


def downgrade() -> None:
    """Drop them: a row is as old as its last report again."""
    with op.batch_alter_table("offers") as batch:
        for moment in _SAID_BY:
            batch.drop_column(moment)
