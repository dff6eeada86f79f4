"""The verbs of a recipe: provision, pull, value, credit, refresh, queue, send. Each names its steps for a tenant."""
