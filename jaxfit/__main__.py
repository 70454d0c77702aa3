"""`python -m jaxfit`."""

from .cli import main

raise SystemExit(main())
