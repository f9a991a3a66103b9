"""What a key is bound to, and when it was used last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; keys that are there stay as wide as their role."""
    with op.batch_alter_table("api_keys") as batch:
        batch.add_column(sa.Column("scopes", sa.JSON(none_as_null=True)))
        batch.add_column(sa.Column("used_at", sa.BigInteger()))


def downgrade() -> None:
    """Drop them. Keys that were bound end with it, for without their scopes they would be as wide as their role."""
    op.execute("DELETE FROM api_keys WHERE scopes IS NOT NULL")
    with op.batch_alter_table("api_keys") as batch:
        batch.drop_column("used_at")
        batch.drop_column("scopes")
