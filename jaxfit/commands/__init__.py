"""Commands of `jaxfit` with a module of their own, and the options that commands share."""
