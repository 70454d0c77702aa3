<<<<<<< HEAD
"""Discovery: score candidate laws without compiling them, and search for the law itself."""
=======
"""Discover: laws that are searched for, in the language of SLDBench's programs."""
>>>>>>> sandbox
