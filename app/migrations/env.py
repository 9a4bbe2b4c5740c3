"""How Alembic runs the revisions of the database ``hokusai``: on the connection it is handed."""

from alembic import context

from app.stores.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
