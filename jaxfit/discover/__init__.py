"""Discover: laws that are searched for, in the language of SLDBench's programs."""
