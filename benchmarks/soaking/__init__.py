"""The long run under faults: what is guarded, who calls it, and what is measured meanwhile."""
