"""git as facts: tree hashes, commits of a range, files at a revision."""
