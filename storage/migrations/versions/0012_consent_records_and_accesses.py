"""Who agreed to what, when and how; who of the shop's people looked at whose data; no profile without answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ID = sa.String(200)
WORD = sa.String(40)
ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables; a choice of before is a record of which nobody knows how it was given."""
    op.create_table(
        "consent_records",
        sa.Column("row", ROW, autoincrement=True, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("answer", sa.Boolean(), nullable=False),
        sa.Column("personalize", sa.Boolean(), nullable=False),
        sa.Column("train", sa.Boolean(), nullable=False),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.Column("by_id", ID, nullable=False),
        sa.Column("by_role", WORD, nullable=False),
        sa.Column("source", WORD, nullable=False),
        sa.PrimaryKeyConstraint("row", name="pk_consent_records"),
    )
    op.create_index("ix_consent_records_user_id_given_at", "consent_records", ["user_id", "given_at"])
    op.create_table(
        "accesses",
        sa.Column("row", ROW, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by_id", ID, nullable=False),
        sa.Column("by_role", WORD, nullable=False),
        sa.Column("whose", ID, nullable=False),
        sa.Column("what", WORD, nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("row", name="pk_accesses"),
    )
    op.create_index("ix_accesses_whose_by_id_at", "accesses", ["whose", "by_id", "at"])
    op.create_index("ix_accesses_at", "accesses", ["at"])
    # Without `answer` there is no `personalize`: what was kept before that rule follows it from now on.
    for table in ("consents", "events"):
        at = sa.table(table, sa.column("answer", sa.Boolean()), sa.column("personalize", sa.Boolean()))
        op.execute(at.update().where(at.c.answer.is_(False), at.c.personalize.is_(True)).values(personalize=False))
    op.execute(
        "INSERT INTO consent_records (user_id, answer, personalize, train, given_at, by_id, by_role, source) "
        "SELECT user_id, answer, personalize, train, updated_at, '', '', 'before' FROM consents"
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("accesses")
    op.drop_table("consent_records")
