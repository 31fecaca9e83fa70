"""The reconciler: whatever event was lost, a later sweep finds what it left behind."""
