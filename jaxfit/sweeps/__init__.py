"""Sweeps: more groups than memory holds, chunk by chunk, and nothing finished is lost.

The rows of a source are read once and put on disk by the groups they belong to (`gather`); groups
of like length are cut into chunks that fit the memory there is (`plan`); a chunk is fitted, here or
by an executor (`work`), and what was found is written as one file, whole or not at all (`record`).
`sweep` drives this, `folder` says where everything lies and whose it is, and `table` reads it back.
"""
