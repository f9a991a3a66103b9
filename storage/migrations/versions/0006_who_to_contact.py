"""Who was drawn to be contacted or left alone, and when something could not be ordered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.String(200)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "shortages",
        sa.Column("product_id", ID, nullable=False),
        sa.Column("variant_id", ID, nullable=False),
        sa.Column("since", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until", sa.BigInteger()),
        sa.PrimaryKeyConstraint("product_id", "variant_id", "since", name="pk_shortages"),
    )
    op.create_index("ix_shortages_variant_id", "shortages", ["variant_id"])
    op.create_index("ix_shortages_until", "shortages", ["until"])
    op.create_table(
        "contacts",
        sa.Column("campaign", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("band", sa.String(40), nullable=False),
        sa.Column("control", sa.Boolean(), nullable=False),
        sa.Column("drawn_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("campaign", "user_id", name="pk_contacts"),
    )
    op.create_index("ix_contacts_user_id_drawn_at", "contacts", ["user_id", "drawn_at"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("contacts")
    op.drop_table("shortages")
