"""A repository on GitHub, swept, started on and kept up: what the ledger says becomes so."""
