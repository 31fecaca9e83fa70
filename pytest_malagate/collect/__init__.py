"""What reads the world into evidence: the log, receipts, pytest, coverage data, agent logs."""
