"""Discovery: score candidate laws without compiling them, and search for the law itself."""
