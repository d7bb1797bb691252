"""Who answers for boundaries, who may halt them, and what is on record of it."""
