"""Who orders, where to and how it is paid, and the changes that were made to orders here."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.String(200)
# SQLite numbers rows by itself only where the key's type is spelled INTEGER.
ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables and columns."""
    with op.batch_alter_table("orders") as batch:
        batch.add_column(sa.Column("delivered_at", sa.BigInteger()))
        batch.add_column(sa.Column("payment_method", ID))
        batch.add_column(sa.Column("address", sa.JSON(none_as_null=True)))
    op.create_table(
        "customers",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("first_name", sa.Text()),
        sa.Column("last_name", sa.Text()),
        sa.Column("address", sa.JSON(none_as_null=True)),
        sa.Column("payment_methods", sa.JSON(), nullable=False),
        sa.Column("email_key", sa.Text()),
        sa.Column("name_key", sa.Text()),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_customers"),
    )
    op.create_index("ix_customers_email_key", "customers", ["email_key"])
    op.create_index("ix_customers_name_key", "customers", ["name_key"])
    op.create_table(
        "order_changes",
        sa.Column("row", ROW, autoincrement=True, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("request_id", ID, nullable=False),
        sa.Column("order_id", ID),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("amount", sa.BigInteger()),
        sa.Column("currency", sa.String(3)),
        sa.Column("payment_method", ID),
        sa.Column("by_id", ID, nullable=False),
        sa.Column("by_role", sa.String(40), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("row", name="pk_order_changes"),
        sa.UniqueConstraint("user_id", "request_id", name="uq_order_changes_user_id_request_id"),
    )
    op.create_index("ix_order_changes_order_id", "order_changes", ["order_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("order_changes")
    op.drop_table("customers")
    with op.batch_alter_table("orders") as batch:
        batch.drop_column("address")
        batch.drop_column("payment_method")
        batch.drop_column("delivered_at")
