"""A GateResult for a person, an agent or another tool."""
