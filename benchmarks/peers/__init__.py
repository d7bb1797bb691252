"""The subjects: each module puts the same features around a component, in one way of writing them."""
