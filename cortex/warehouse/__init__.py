"""One tenant's schema, and the control schema beside it. The only room that knows SQLAlchemy."""
